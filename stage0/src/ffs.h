/* FunctionFS: the gadget's descriptors, its control requests, and what they tell the data plane. */
#ifndef STAGE0_FFS_H
#define STAGE0_FFS_H

#include <stdbool.h>

#include "smoo.h"

/* Endpoint files, in the order of the descriptors. */
enum ffs_endpoint { EP_REQUEST, EP_RESPONSE, EP_WRITE_DATA, EP_READ_DATA, EP_COUNT };

/* Largest packet of the interrupt pair, at every speed: a message is 28 bytes. */
#define FFS_MESSAGE_PACKET 64

/* Where the session stands, folded from every event since the last call. */
struct ffs_mail {
    bool boundary; /* ENABLE, DISABLE or CONFIG_EXPORTS happened: what was in flight is void */
    bool refused;  /* the newest CONFIG_EXPORTS was malformed */
    bool config;   /* `exports` holds a new, well-formed set */
    bool ready;    /* configured, and the host has asked for STATUS since */
    struct export_set exports;
};

/* Opens ep0, writes descriptors and strings, opens the endpoints. 0, or -errno with `*what` set. */
int ffs_open(bool mimic_fastboot, int endpoints[EP_COUNT], const char **what);
/* Starts the thread that answers ep0; it writes to `wake_fd` (an eventfd) when there is mail. */
int ffs_start(int wake_fd, uint32_t page_bytes);
void ffs_take_mail(struct ffs_mail *out);
/* What STATUS answers from now on. */
void ffs_set_status(uint16_t flags, uint32_t export_count, uint64_t session_id);

#endif
