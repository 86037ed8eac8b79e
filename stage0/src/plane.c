/*
 * The data plane of one session with one host.
 *
 * Order is everything here, since payloads carry no tag: they appear on bulk OUT in the order of
 * the successful Read Responses, with no gap and no zero-length packet. So each endpoint's
 * transfers are consumed strictly in the order in which they were submitted, every OK Response
 * reserves exactly its payload, and a Response that belongs to nothing has its payload read and
 * thrown away. A session ends as a whole: all transfers are called back, the FIFOs are flushed, and
 * whatever was not answered is sent again under a new generation.
 *
 * The generation travels in Request.flags. A host that echoes it proves which copy of a Request it
 * answers; one that sends 0 is a peer without the notion, and is matched by id and LBA.
 */
#include "plane.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "aio.h"
#include "ublk.h"

/* One contiguous allocation per transfer on controllers without scatter-gather: keep it small. */
#define CHUNK_BYTES 16384
#define REQUEST_SLOTS 8
#define RESPONSE_SLOTS 4
#define DATA_SLOTS 32
#define PAYLOADS 64 /* Responses whose payload has not fully arrived */
#define QUEUE_SIZE (SMOO_MAX_DISKS * MAX_DEPTH)
#define NO_DISK SMOO_MAX_DISKS

/* A payload that is owed by the host; `disk` is NO_DISK when it is to be thrown away. */
struct payload {
    unsigned disk, tag;
    uint32_t total, submitted, received;
};

/* Indices of all rings run freely; slot = index % size. */
static struct {
    struct aio_slot slot[REQUEST_SLOTS];
    uint8_t data[REQUEST_SLOTS][32];
    unsigned head, tail;
} requests;
static struct {
    struct aio_slot slot[RESPONSE_SLOTS];
    uint8_t data[RESPONSE_SLOTS][FFS_MESSAGE_PACKET];
    unsigned head;
} responses;
static struct {
    struct aio_slot slot[DATA_SLOTS];
    uint32_t length[DATA_SLOTS];
    unsigned head, tail;
} chunks;
static struct {
    struct payload entry[PAYLOADS];
    unsigned head, submitting, tail;
} payloads;
static struct {
    uint16_t code[QUEUE_SIZE];
    unsigned head, tail;
} queue;

static uint8_t thrown_away[CHUNK_BYTES];
static int endpoint[EP_COUNT];
static enum plane_state state = PLANE_CLOSED;
static uint32_t generation;
static const struct plane_events *handler;

int plane_open(const int endpoints[EP_COUNT], int wake_fd, const struct plane_events *events)
{
    memcpy(endpoint, endpoints, sizeof endpoint);
    handler = events;
    return aio_open(REQUEST_SLOTS + RESPONSE_SLOTS + DATA_SLOTS + 4, wake_fd);
}

enum plane_state plane_state(void)
{
    return state;
}

void plane_queue(unsigned disk, unsigned tag)
{
    queue.code[queue.tail++ % QUEUE_SIZE] = (uint16_t)(disk << 8 | tag);
}

static void cancel_all(struct aio_slot *slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        aio_cancel(&slots[i]);
}

void plane_abort(void)
{
    if (state != PLANE_OPEN)
        return;
    state = PLANE_DRAINING;
    cancel_all(requests.slot, REQUEST_SLOTS);
    cancel_all(responses.slot, RESPONSE_SLOTS);
    cancel_all(chunks.slot, DATA_SLOTS);
}

static void fault(int error, const char *what)
{
    /* These three are how the link's end shows on an endpoint; ep0 tells the rest of the story. */
    bool host_knows = error == -ESHUTDOWN || error == -EAGAIN || error == -ENODEV;
    plane_abort();
    handler->fault(error, host_knows, what);
}

/* Forgets the ended session and puts every unanswered read back into the queue, disk by disk. */
static void finish_draining(void)
{
    memset(requests.slot, 0, sizeof requests.slot);
    memset(responses.slot, 0, sizeof responses.slot);
    memset(chunks.slot, 0, sizeof chunks.slot);
    requests.head = requests.tail = responses.head = chunks.head = chunks.tail = 0;
    memset(&payloads, 0, sizeof payloads);
    queue.head = queue.tail = 0;
    for (unsigned d = 0; d < disk_count; d++) {
        for (unsigned t = 0; t < MAX_DEPTH; t++) {
            if (disks[d].io[t].state == IO_FREE)
                continue;
            disks[d].io[t].state = IO_PARKED;
            plane_queue(d, t);
        }
    }
    state = PLANE_CLOSED;
}

void plane_start(void)
{
    /* Whatever a former host left half-way; controllers without the operation say EOPNOTSUPP. */
    for (int i = 0; i < EP_COUNT; i++)
        (void)ioctl(endpoint[i], FFS_FIFO_FLUSH);
    if (!++generation)
        generation = 1; /* 0 means "no generation" */
    state = PLANE_OPEN;
    for (unsigned i = 0; i < RESPONSE_SLOTS; i++)
        aio_submit(&responses.slot[i], endpoint[EP_RESPONSE], true, responses.data[i],
                   FFS_MESSAGE_PACKET);
}

static bool send_requests(void)
{
    bool moved = false;
    while (queue.head != queue.tail && requests.tail - requests.head < REQUEST_SLOTS) {
        moved = true;
        unsigned code = queue.code[queue.head++ % QUEUE_SIZE], i = requests.tail++ % REQUEST_SLOTS;
        struct disk *disk = &disks[code >> 8];
        struct io_request *io = &disk->io[code & 0xff];
        struct smoo_message message = {
            .op = SMOO_OP_READ,
            .request_id = io->request_id,
            .export_id = disk->spec.id,
            .lba = io->lba,
            .num_blocks = io->num_blocks,
            .flags = generation,
        };
        smoo_encode_message(requests.data[i], &message);
        io->state = IO_SENT;
        aio_submit(&requests.slot[i], endpoint[EP_REQUEST], false, requests.data[i],
                   SMOO_MESSAGE_BYTES);
    }
    return moved;
}

static bool reap_requests(void)
{
    bool moved = false;
    while (state == PLANE_OPEN && requests.head != requests.tail) {
        struct aio_slot *slot = &requests.slot[requests.head % REQUEST_SLOTS];
        if (!slot->done)
            break;
        moved = true;
        slot->busy = false;
        requests.head++;
        if (slot->result != SMOO_MESSAGE_BYTES)
            fault(slot->result < 0 ? slot->result : -EIO, "sending a request");
    }
    return moved;
}

/* The read that a Response answers; NULL when there is none. */
static struct io_request *match(const struct smoo_message *m, unsigned disk)
{
    unsigned tag = m->request_id & 0xffff;
    if (disk == NO_DISK || tag >= MAX_DEPTH)
        return NULL;
    struct io_request *io = &disks[disk].io[tag];
    bool same = io->state == IO_SENT && io->request_id == m->request_id && io->lba == m->lba;
    return same && (!m->flags || m->flags == generation) ? io : NULL;
}

static unsigned find_disk(uint32_t export_id)
{
    unsigned disk = 0;
    while (disk < disk_count && disks[disk].spec.id != export_id)
        disk++;
    return disk < disk_count ? disk : NO_DISK;
}

static void expect_payload(unsigned disk, unsigned tag, uint32_t total)
{
    payloads.entry[payloads.tail++ % PAYLOADS] = (struct payload){disk, tag, total, 0, 0};
}

static void handle_response(const uint8_t *data)
{
    struct smoo_message m;
    if (smoo_decode_message(data, &m)) {
        fault(-EPROTO, "an unknown opcode in a response");
        return;
    }
    unsigned disk = find_disk(m.export_id), tag = m.request_id & 0xffff;
    struct io_request *io = m.op == SMOO_OP_READ ? match(&m, disk) : NULL;
    bool carries = m.op == SMOO_OP_READ && !m.status && m.num_blocks;
    if (io && !carries) {
        ublk_complete(disk, tag, m.status ? -(int32_t)m.status : -EIO);
        return;
    }
    if (!carries)
        return; /* answers nothing and brings nothing */
    uint64_t total = disk == NO_DISK ? 0 : (uint64_t)m.num_blocks * disks[disk].spec.block_size;
    if (!total || total > disks[disk].info.max_io_buf_bytes) {
        fault(-EPROTO, "a response with a payload of unknown size");
        return;
    }
    if (io && m.num_blocks > io->num_blocks) {
        ublk_complete(disk, tag, -EIO); /* more than was asked for has no place to go */
        io = NULL;
    }
    if (io)
        io->state = IO_PAYLOAD;
    expect_payload(io ? disk : NO_DISK, tag, (uint32_t)total);
}

static bool reap_responses(void)
{
    bool moved = false;
    while (state == PLANE_OPEN && payloads.tail - payloads.head < PAYLOADS) {
        unsigned i = responses.head % RESPONSE_SLOTS;
        struct aio_slot *slot = &responses.slot[i];
        if (!slot->done)
            break;
        moved = true;
        slot->done = false;
        responses.head++;
        if (slot->result < 0) {
            fault(slot->result, "receiving a response");
            break;
        }
        /* Anything but 28 bytes is no Response: host daemons probe what looks like fastboot. */
        if (slot->result == SMOO_MESSAGE_BYTES)
            handle_response(responses.data[i]);
        if (state == PLANE_OPEN)
            aio_submit(slot, endpoint[EP_RESPONSE], true, responses.data[i], FFS_MESSAGE_PACKET);
    }
    return moved;
}

static bool receive_chunks(void)
{
    bool moved = false;
    while (payloads.submitting != payloads.tail && chunks.tail - chunks.head < DATA_SLOTS) {
        struct payload *p = &payloads.entry[payloads.submitting % PAYLOADS];
        unsigned i = chunks.tail++ % DATA_SLOTS;
        uint32_t left = p->total - p->submitted, length = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        uint8_t *to = thrown_away;
        if (p->disk != NO_DISK)
            to = ublk_buffer(p->disk, p->tag) + p->submitted;
        chunks.length[i] = length;
        aio_submit(&chunks.slot[i], endpoint[EP_READ_DATA], true, to, length);
        p->submitted += length;
        if (p->submitted == p->total)
            payloads.submitting++;
        moved = true;
    }
    return moved;
}

static bool reap_chunks(void)
{
    bool moved = false;
    while (state == PLANE_OPEN && chunks.head != chunks.tail) {
        unsigned i = chunks.head % DATA_SLOTS;
        struct aio_slot *slot = &chunks.slot[i];
        if (!slot->done)
            break;
        moved = true;
        slot->busy = false;
        chunks.head++;
        if (slot->result != (int32_t)chunks.length[i]) {
            fault(slot->result < 0 ? slot->result : -EPROTO, "receiving a payload");
            break;
        }
        struct payload *p = &payloads.entry[payloads.head % PAYLOADS];
        p->received += chunks.length[i];
        if (p->received < p->total)
            continue;
        if (p->disk != NO_DISK)
            ublk_complete(p->disk, p->tag, (int32_t)p->total);
        payloads.head++;
    }
    return moved;
}

bool plane_pump(void)
{
    bool moved = false;
    aio_reap();
    if (state == PLANE_OPEN)
        moved = reap_requests() | reap_responses() | reap_chunks();
    if (state == PLANE_OPEN)
        moved |= send_requests() | receive_chunks();
    if (state == PLANE_DRAINING && !aio_in_flight()) {
        finish_draining();
        moved = true;
    }
    return moved;
}
