/*
 * Runs stage0's ublk.c on the host against a made-up kernel: a ring in this program's own memory and
 * control commands that are answered at once. `old` is a kernel that knows only the numbers before the
 * ioctl encoding (6.1 to 6.3: an unknown one is ENODEV), `new` one that refuses those (EOPNOTSUPP).
 * Two disks are added in one go; what becomes of each is printed. tests/stage0/ compiles and asks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../src/uapi.h"

static long fake_syscall(long number, ...);
static void *fake_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
static int fake_open(const char *path, int flags);

#define syscall fake_syscall
#define mmap fake_mmap
#define open fake_open
#include "../src/ublk.c"
#undef syscall
#undef mmap
#undef open

#define RING_FD 100
#define CONTROL_FD 101
#define ENTRIES 1024

/* Both rings: head, tail and mask, then the array or the completions. */
static struct {
    uint32_t head, tail, mask, array[ENTRIES];
} sq;
static struct {
    uint32_t head, tail, mask, unused;
    struct uring_cqe cqes[2 * ENTRIES];
} cq;
static struct uring_sqe entries[ENTRIES];
static bool is_old;

static int fake_open(const char *path, int flags)
{
    (void)flags;
    return strcmp(path, "/dev/ublk-control") ? RING_FD + 2 : CONTROL_FD;
}

static void *fake_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    (void)at, (void)protection, (void)flags;
    if (fd != RING_FD)
        return calloc(1, length);
    if (offset == (off_t)IORING_OFF_SQES)
        return entries;
    return offset == (off_t)IORING_OFF_CQ_RING ? (void *)&cq : (void *)&sq;
}

static long set_up(unsigned wanted, struct uring_params *p)
{
    if (wanted > ENTRIES)
        return -1;
    sq.mask = ENTRIES - 1;
    cq.mask = 2 * ENTRIES - 1;
    p->sq_entries = ENTRIES;
    p->cq_entries = 2 * ENTRIES;
    p->sq_off = (struct uring_sq_offsets){.head = 0, .tail = 4, .ring_mask = 8, .array = 12};
    p->cq_off = (struct uring_cq_offsets){.head = 0, .tail = 4, .ring_mask = 8, .cqes = 16};
    return RING_FD;
}

/* Control commands end in the order of submission; I/O commands and the wake-up wait for ever. */
static long enter(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct uring_sqe *sqe = &entries[sq.array[sq.head++ & sq.mask]];
        if (sqe->opcode != IORING_OP_URING_CMD || sqe->fd != CONTROL_FD)
            continue;
        bool encoded = sqe->cmd_op > 0xff;
        int result = encoded && is_old ? -ENODEV : !encoded && !is_old ? -EOPNOTSUPP : 0;
        cq.cqes[cq.tail++ & cq.mask] = (struct uring_cqe){sqe->user_data, result, 0};
    }
    return count;
}

static long fake_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    unsigned first = va_arg(args, unsigned);
    long result = -1;
    if (number == SYS_io_uring_setup)
        result = set_up(first, va_arg(args, struct uring_params *));
    else if (number == SYS_io_uring_enter)
        result = enter(va_arg(args, unsigned));
    va_end(args);
    return result;
}

static void arrived(unsigned disk, unsigned tag)
{
    printf("arrived %u %u\n", disk, tag);
}

static void online(unsigned disk)
{
    printf("online %u\n", disk);
}

static void failed(unsigned disk, int error, const char *what)
{
    printf("failed %u %d %s\n", disk, error, what);
}

int main(int argc, char **argv)
{
    static const struct ublk_events events = {arrived, online, failed};
    const struct export_spec spec[] = {{1, 4096, 1 << 20}, {2, 512, 1 << 20}};
    const char *what = "";
    is_old = argc > 1 && !strcmp(argv[1], "old");
    if (ublk_open(16, 262144, 4096, RING_FD + 1, &events, &what))
        return 1;
    ublk_add(&spec[0]);
    ublk_add(&spec[1]);
    for (int turn = 0; turn < 10; turn++)
        ublk_wait();
    return 0;
}
