/*
 * smoo's messages to and from bytes. Everything that comes in was written by a host that may be
 * anything, so each field is checked before it is used; reserved bytes are not looked at, because
 * no peer checks them and a later version may give them a meaning.
 */
#include "smoo.h"

#include <errno.h>
#include <string.h>

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *p, uint64_t value)
{
    put_u32(p, (uint32_t)value);
    put_u32(p + 4, (uint32_t)(value >> 32));
}

int smoo_parse_exports(const uint8_t *data, size_t length, uint32_t page_bytes,
                       struct export_set *out)
{
    memset(out, 0, sizeof *out);
    if (length < 8 || length > SMOO_CONFIG_MAX_BYTES || data[0] || data[1] || get_u32(data + 4))
        return -EINVAL;
    uint32_t count = (uint32_t)data[2] | (uint32_t)data[3] << 8;
    if (length != 8 + 24 * (size_t)count)
        return -EINVAL;
    if (count > SMOO_MAX_DISKS)
        return -E2BIG;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = data + 8 + 24 * i;
        struct export_spec *disk = &out->disk[i];
        *disk = (struct export_spec){get_u32(entry), get_u32(entry + 4), get_u64(entry + 8)};
        uint32_t bs = disk->block_size;
        /* A block above the page size is legal on the wire, but no ublk disk can have it. */
        if (!disk->id || bs < 512 || bs > page_bytes || (bs & (bs - 1)))
            return -EINVAL;
        if (!disk->size_bytes || disk->size_bytes % bs || disk->size_bytes > INT64_MAX)
            return -EINVAL;
        for (uint32_t j = 0; j < i; j++)
            if (out->disk[j].id == disk->id)
                return -EEXIST;
    }
    out->count = count;
    return 0;
}

int smoo_compare_exports(const struct export_set *running, const struct export_set *wanted)
{
    if (wanted->count < running->count)
        return -EBUSY;
    for (uint32_t i = 0; i < running->count; i++) {
        const struct export_spec *a = &running->disk[i], *b = &wanted->disk[i];
        if (a->id != b->id || a->block_size != b->block_size || a->size_bytes != b->size_bytes)
            return -EBUSY;
    }
    return (int)(wanted->count - running->count);
}

void smoo_encode_ident(uint8_t out[SMOO_IDENT_BYTES])
{
    static const uint8_t ident[SMOO_IDENT_BYTES] = {'S', 'M', 'O', 'O', 0, 0, 1, 0};
    memcpy(out, ident, sizeof ident);
}

void smoo_encode_status(uint8_t out[SMOO_STATUS_BYTES], uint16_t flags, uint32_t export_count,
                        uint64_t session_id)
{
    put_u32(out, (uint32_t)flags << 16); /* version 0, then the flags */
    put_u32(out + 4, export_count);
    put_u64(out + 8, session_id);
}

void smoo_encode_message(uint8_t out[SMOO_MESSAGE_BYTES], const struct smoo_message *message)
{
    put_u32(out, 0);
    out[0] = message->op;
    out[1] = message->status;
    put_u32(out + 4, message->request_id);
    put_u32(out + 8, message->export_id);
    put_u64(out + 12, message->lba);
    put_u32(out + 20, message->num_blocks);
    put_u32(out + 24, message->flags);
}

int smoo_decode_message(const uint8_t in[SMOO_MESSAGE_BYTES], struct smoo_message *out)
{
    *out = (struct smoo_message){
        .op = in[0],
        .status = in[1],
        .request_id = get_u32(in + 4),
        .export_id = get_u32(in + 8),
        .lba = get_u64(in + 12),
        .num_blocks = get_u32(in + 20),
        .flags = get_u32(in + 24),
    };
    return in[0] > 3 ? -EINVAL : 0;
}
