/* Linux AIO on the endpoint files: submission that never blocks, completion through an eventfd. */
#ifndef STAGE0_AIO_H
#define STAGE0_AIO_H

#include <stdbool.h>

#include "uapi.h"

struct aio_slot {
    struct aio_block block;
    bool busy; /* submitted or done, and not yet released by its owner */
    bool done;
    int32_t result; /* bytes, or -errno */
};

/* 0 or -errno; `wake_fd` is an eventfd that every completion signals. */
int aio_open(unsigned capacity, int wake_fd);
/* Submits a read or a write; a refusal shows as a slot that is done with an error. */
void aio_submit(struct aio_slot *slot, int fd, bool is_read, void *data, uint32_t length);
/* Marks the slots whose transfers have ended. */
void aio_reap(void);
/* Asks the controller to give a transfer back; the slot is done when aio_reap() says so. */
void aio_cancel(struct aio_slot *slot);
/* Transfers that the kernel still holds. */
unsigned aio_in_flight(void);

#endif
