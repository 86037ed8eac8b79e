/*
 * AIO rather than io_uring: FunctionFS registers an AIO-only cancel hook, and before its fix of
 * early 2024 an io_uring read of an endpoint file corrupts kernel memory (fs/aio.c,
 * kiocb_set_cancel_fn). AIO also lets several transfers wait on one endpoint without threads.
 */
#include "aio.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static unsigned long context;
static int resfd = -1;
static unsigned in_flight;

int aio_open(unsigned capacity, int wake_fd)
{
    resfd = wake_fd;
    return syscall(SYS_io_setup, capacity, &context) ? -errno : 0;
}

void aio_submit(struct aio_slot *slot, int fd, bool is_read, void *data, uint32_t length)
{
    struct aio_block *block = &slot->block;
    memset(block, 0, sizeof *block);
    block->data = (uintptr_t)slot;
    block->opcode = is_read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    block->fildes = (uint32_t)fd;
    block->buf = (uintptr_t)data;
    block->nbytes = length;
    block->flags = IOCB_FLAG_RESFD;
    block->resfd = (uint32_t)resfd;
    slot->busy = true;
    slot->done = false;
    long n;
    do
        n = syscall(SYS_io_submit, context, 1L, &block);
    while (n < 0 && errno == EINTR);
    if (n == 1) {
        in_flight++;
    } else {
        slot->done = true;
        slot->result = n < 0 ? -errno : -EAGAIN;
    }
}

void aio_reap(void)
{
    struct aio_event events[32];
    struct timespec now = {0, 0};
    while (in_flight) {
        long n = syscall(SYS_io_getevents, context, 0L, 32L, events, &now);
        if (n < 0 && errno == EINTR)
            continue;
        for (long i = 0; i < n; i++) {
            struct aio_slot *slot = (struct aio_slot *)(uintptr_t)events[i].data;
            slot->done = true;
            slot->result = (int32_t)events[i].res;
            in_flight--;
        }
        if (n < 32)
            return;
    }
}

void aio_cancel(struct aio_slot *slot)
{
    struct aio_event unused;
    if (slot->busy && !slot->done)
        (void)syscall(SYS_io_cancel, context, &slot->block, &unused);
}

unsigned aio_in_flight(void)
{
    return in_flight;
}
