/* The smoo wire format, version 0.1: pure encoders and parsers. All integers little-endian. */
#ifndef STAGE0_SMOO_H
#define STAGE0_SMOO_H

#include <stddef.h>
#include <stdint.h>

#define SMOO_IDENT_BYTES 8
#define SMOO_STATUS_BYTES 16
#define SMOO_MESSAGE_BYTES 28
#define SMOO_CONFIG_MAX_BYTES 776 /* 8 + 24 * 32 */
#define SMOO_MAX_DISKS 8

/* bmRequestType and bRequest of the three control requests. */
#define SMOO_IDENT 0xc101
#define SMOO_CONFIG_EXPORTS 0x4102
#define SMOO_STATUS 0xa103

#define SMOO_STATUS_ACTIVE 1U  /* export_count > 0 */
#define SMOO_STATUS_REFUSED 2U /* the last CONFIG_EXPORTS was not accepted */
#define SMOO_STATUS_FAULT 4U   /* the data plane stopped; a new CONFIG_EXPORTS restarts it */

#define SMOO_OP_READ 0

struct export_spec {
    uint32_t id, block_size;
    uint64_t size_bytes;
};
struct export_set {
    uint32_t count;
    struct export_spec disk[SMOO_MAX_DISKS];
};
struct smoo_message {
    uint8_t op, status;
    uint32_t request_id, export_id;
    uint64_t lba;
    uint32_t num_blocks, flags;
};

/* 0, or -EINVAL (malformed), -E2BIG (more disks than are served), -EEXIST (an id twice). */
int smoo_parse_exports(const uint8_t *data, size_t length, uint32_t page_bytes,
                       struct export_set *out);
/*
 * How a new set relates to the running one: the number of disks that it adds at the end (0 = the
 * same set), or -EBUSY when it drops or changes one, which a mounted disk does not allow.
 */
int smoo_compare_exports(const struct export_set *running, const struct export_set *wanted);
void smoo_encode_ident(uint8_t out[SMOO_IDENT_BYTES]);
void smoo_encode_status(uint8_t out[SMOO_STATUS_BYTES], uint16_t flags, uint32_t export_count,
                        uint64_t session_id);
void smoo_encode_message(uint8_t out[SMOO_MESSAGE_BYTES], const struct smoo_message *message);
/* 0, or -EINVAL for an unknown opcode. */
int smoo_decode_message(const uint8_t in[SMOO_MESSAGE_BYTES], struct smoo_message *out);

#endif
