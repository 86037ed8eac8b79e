/*
 * ublk, by raw system calls. One ring with 128-byte entries carries the control commands and the
 * I/O of all disks, and one thread owns it, since a queue's commands must all come from the task
 * that fetched first. No control command is waited for: START_DEV in particular completes only
 * after the partition scan has read from the disk that is being started.
 *
 * The I/O uses the ioctl-encoded opcodes when the kernel says so, the control commands likewise
 * with the old numbers as second try (6.1 to 6.3). User recovery is not asked for: with it the
 * death of this process would freeze every reader of the root for ever, and nobody could attach a
 * new server, which could only come from the root itself. Source: include/uapi/linux/ublk_cmd.h.
 */
#include "text.h"
#include "ublk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum user_data_kind { KIND_WAKE, KIND_CONTROL, KIND_IO };

struct disk disks[SMOO_MAX_DISKS];
unsigned disk_count;

static struct {
    int fd;
    uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct uring_sqe *sqes;
    struct uring_cqe *cqes;
    unsigned pending;
} ring;

static int control_fd = -1, wake;
static unsigned wanted_depth;
static uint32_t wanted_io_bytes, page_size;
static uint64_t wake_count;
static const struct ublk_events *handler;

static void *map_ring(size_t length, uint64_t offset)
{
    return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
                (off_t)offset);
}

static int open_ring(unsigned entries)
{
    struct uring_params p = {.flags = IORING_SETUP_SQE128 | IORING_SETUP_COOP_TASKRUN};
    long fd = syscall(SYS_io_uring_setup, entries, &p);
    if (fd < 0)
        return -errno;
    ring.fd = (int)fd;
    uint8_t *sq = map_ring(p.sq_off.array + p.sq_entries * 4ULL, IORING_OFF_SQ_RING);
    uint8_t *cq = map_ring(p.cq_off.cqes + p.cq_entries * sizeof(struct uring_cqe),
                           IORING_OFF_CQ_RING);
    ring.sqes = map_ring(p.sq_entries * sizeof(struct uring_sqe), IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || ring.sqes == MAP_FAILED)
        return -errno;
    ring.sq_tail = (uint32_t *)(sq + p.sq_off.tail);
    ring.sq_mask = (uint32_t *)(sq + p.sq_off.ring_mask);
    ring.sq_array = (uint32_t *)(sq + p.sq_off.array);
    ring.cq_head = (uint32_t *)(cq + p.cq_off.head);
    ring.cq_tail = (uint32_t *)(cq + p.cq_off.tail);
    ring.cq_mask = (uint32_t *)(cq + p.cq_off.ring_mask);
    ring.cqes = (struct uring_cqe *)(cq + p.cq_off.cqes);
    return 0;
}

static uint64_t user_data(enum user_data_kind kind, unsigned disk, unsigned tag)
{
    return (uint64_t)kind << 32 | disk << 16 | tag;
}

/* The ring has an entry for every tag of every disk and some more: one is always free. */
static struct uring_sqe *next_sqe(uint64_t data)
{
    uint32_t tail = *ring.sq_tail, index = tail & *ring.sq_mask;
    struct uring_sqe *sqe = &ring.sqes[index];
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = data;
    ring.sq_array[index] = index;
    ring.pending++;
    return sqe;
}

static void push_sqe(void)
{
    __atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
}

static void arm_wake(void)
{
    struct uring_sqe *sqe = next_sqe(user_data(KIND_WAKE, 0, 0));
    sqe->opcode = IORING_OP_READ;
    sqe->fd = wake;
    sqe->addr = (uintptr_t)&wake_count;
    sqe->len = sizeof wake_count;
    push_sqe();
}

static void push_control(unsigned disk, unsigned command, const void *data, uint16_t length,
                         uint64_t inline_data)
{
    struct ublk_ctrl_cmd cmd = {
        .dev_id = disk,
        .queue_id = 0xffff,
        .len = length,
        .addr = (uintptr_t)data,
        .data = inline_data,
    };
    struct uring_sqe *sqe = next_sqe(user_data(KIND_CONTROL, disk, command));
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = control_fd;
    sqe->cmd_op = disks[disk].legacy_control ? command : UBLK_CTRL_ENCODED(command);
    memcpy(sqe->cmd, &cmd, sizeof cmd);
    push_sqe();
}

static void push_io(unsigned index, unsigned tag, unsigned command, int32_t result)
{
    struct disk *disk = &disks[index];
    bool encoded = disk->info.flags & UBLK_F_CMD_IOCTL_ENCODE;
    struct ublk_io_cmd cmd = {
        .tag = (uint16_t)tag,
        .result = result,
        .addr = (uintptr_t)ublk_buffer(index, tag),
    };
    struct uring_sqe *sqe = next_sqe(user_data(KIND_IO, index, tag));
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->fd = disk->fd;
    sqe->cmd_op = encoded ? UBLK_IO_ENCODED(command) : command;
    memcpy(sqe->cmd, &cmd, sizeof cmd);
    push_sqe();
}

int ublk_open(unsigned depth, uint32_t max_io_bytes, uint32_t page_bytes, int wake_fd,
              const struct ublk_events *events, const char **what)
{
    unsigned entries = 32;
    while (entries < depth * SMOO_MAX_DISKS + 16)
        entries *= 2;
    wanted_depth = depth;
    wanted_io_bytes = max_io_bytes < page_bytes ? page_bytes : max_io_bytes & ~(page_bytes - 1);
    page_size = page_bytes;
    wake = wake_fd;
    handler = events;
    *what = "/dev/ublk-control";
    control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
    if (control_fd < 0)
        return -errno;
    *what = "io_uring";
    int error = open_ring(entries);
    if (!error)
        arm_wake();
    return error;
}

static void push_add(unsigned index)
{
    struct disk *disk = &disks[index];
    disk->info = (struct ublk_dev_info){
        .nr_hw_queues = 1,
        .queue_depth = (uint16_t)wanted_depth,
        .max_io_buf_bytes = wanted_io_bytes,
        .dev_id = index, /* the export's place in the list is the disk's number, by contract */
        .ublksrv_pid = getpid(),
    };
    push_control(index, UBLK_CMD_ADD_DEV, &disk->info, sizeof disk->info, 0);
}

void ublk_add(const struct export_spec *spec)
{
    unsigned index = disk_count++;
    disks[index].spec = *spec;
    disks[index].state = DISK_ADDING;
    disks[index].fd = -1;
    push_add(index);
}

static void fail(unsigned index, int error, const char *what)
{
    disks[index].state = DISK_FAILED;
    handler->failed(index, error, what);
}

static void set_params(unsigned index)
{
    struct disk *disk = &disks[index];
    uint8_t shift = 9;
    while (1U << shift < disk->spec.block_size)
        shift++;
    disk->params = (struct ublk_params){
        .len = sizeof disk->params,
        .types = UBLK_PARAM_TYPE_BASIC,
        .basic = {
            .attrs = UBLK_ATTR_READ_ONLY,
            .logical_bs_shift = shift,
            .physical_bs_shift = shift,
            .io_opt_shift = shift,
            .io_min_shift = shift,
            .max_sectors = disk->info.max_io_buf_bytes >> 9,
            .dev_sectors = disk->spec.size_bytes >> 9,
        },
    };
    disk->state = DISK_SETTING;
    push_control(index, UBLK_CMD_SET_PARAMS, &disk->params, sizeof disk->params, 0);
}

static int map_queue(unsigned index)
{
    struct disk *disk = &disks[index];
    char path[24];
    text_format(path, sizeof path, "/dev/ublkc%u", index);
    disk->fd = open(path, O_RDWR | O_CLOEXEC);
    if (disk->fd < 0)
        return -errno;
    size_t length = disk->info.queue_depth * sizeof(struct ublk_io_desc);
    length = (length + page_size - 1) & ~(size_t)(page_size - 1);
    void *descs = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_POPULATE, disk->fd, 0);
    void *buffers = mmap(NULL, (size_t)disk->info.queue_depth * disk->info.max_io_buf_bytes,
                         PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (descs == MAP_FAILED || buffers == MAP_FAILED)
        return -errno;
    disk->descs = descs;
    disk->buffers = buffers;
    return 0;
}

static void start(unsigned index)
{
    struct disk *disk = &disks[index];
    int error = map_queue(index);
    if (error) {
        fail(index, error, "cannot map the queue");
        return;
    }
    disk->state = DISK_STARTING;
    for (unsigned tag = 0; tag < disk->info.queue_depth; tag++)
        push_io(index, tag, UBLK_IO_FETCH_REQ, -1);
    push_control(index, UBLK_CMD_START_DEV, NULL, 0, (uint64_t)getpid());
}

static void control_done(unsigned index, unsigned command, int result)
{
    struct disk *disk = &disks[index];
    bool unknown = result == -EOPNOTSUPP || result == -ENODEV || result == -EINVAL;
    if (command == UBLK_CMD_ADD_DEV && unknown && !disk->legacy_control) {
        disk->legacy_control = true;
        push_add(index);
        return;
    }
    if (result < 0) {
        fail(index, result, command == UBLK_CMD_ADD_DEV ? "cannot add the disk"
                            : command == UBLK_CMD_SET_PARAMS ? "cannot set the disk's parameters"
                                                             : "cannot start the disk");
    } else if (command == UBLK_CMD_ADD_DEV) {
        if (!disk->info.queue_depth || disk->info.queue_depth > MAX_DEPTH ||
            disk->info.max_io_buf_bytes < page_size)
            fail(index, -ERANGE, "the kernel changed depth or request size");
        else
            set_params(index);
    } else if (command == UBLK_CMD_SET_PARAMS) {
        start(index);
    } else {
        disk->state = DISK_ONLINE;
        handler->online(index);
    }
}

/* A request from the block layer. Only reads travel: the disks are read-only and have no cache. */
static void io_arrived(unsigned index, unsigned tag)
{
    struct disk *disk = &disks[index];
    struct io_request *io = &disk->io[tag];
    const struct ublk_io_desc *desc = &disk->descs[tag];
    uint64_t start_byte = desc->start_sector << 9, bytes = (uint64_t)desc->nr_sectors << 9;
    unsigned op = desc->op_flags & 0xff;
    if (op != UBLK_IO_OP_READ) {
        int refusal = op == UBLK_IO_OP_WRITE ? -EROFS : op == UBLK_IO_OP_FLUSH ? 0 : -EOPNOTSUPP;
        ublk_complete(index, tag, refusal);
        return;
    }
    if (!bytes || bytes > disk->info.max_io_buf_bytes ||
        (start_byte | bytes) % disk->spec.block_size) {
        ublk_complete(index, tag, -EINVAL);
        return;
    }
    io->uses++;
    io->request_id = (uint32_t)io->uses << 16 | tag;
    io->lba = start_byte / disk->spec.block_size;
    io->num_blocks = (uint32_t)(bytes / disk->spec.block_size);
    io->state = IO_PARKED;
    handler->arrived(index, tag);
}

void ublk_complete(unsigned disk, unsigned tag, int32_t result)
{
    disks[disk].io[tag].state = IO_FREE;
    push_io(disk, tag, UBLK_IO_COMMIT_AND_FETCH_REQ, result);
}

uint8_t *ublk_buffer(unsigned disk, unsigned tag)
{
    return disks[disk].buffers + (size_t)tag * disks[disk].info.max_io_buf_bytes;
}

static void handle(const struct uring_cqe *cqe)
{
    unsigned kind = (unsigned)(cqe->user_data >> 32);
    unsigned disk = cqe->user_data >> 16 & 0xffff, low = cqe->user_data & 0xffff;
    if (kind == KIND_WAKE)
        arm_wake();
    else if (kind == KIND_CONTROL)
        control_done(disk, low, cqe->res);
    else if (cqe->res == 0)
        io_arrived(disk, low);
    /* Any other result takes the tag away for good: the disk is being torn down. */
}

void ublk_wait(void)
{
    long n = syscall(SYS_io_uring_enter, ring.fd, ring.pending, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    if (n > 0)
        ring.pending -= (unsigned)n;
    uint32_t head = *ring.cq_head;
    while (head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE)) {
        struct uring_cqe cqe = ring.cqes[head & *ring.cq_mask];
        __atomic_store_n(ring.cq_head, ++head, __ATOMIC_RELEASE);
        handle(&cqe);
    }
}
