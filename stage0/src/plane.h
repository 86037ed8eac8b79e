/* The data plane: Requests out, Responses and payloads in, over the four endpoint files. */
#ifndef STAGE0_PLANE_H
#define STAGE0_PLANE_H

#include "ffs.h"

enum plane_state {
    PLANE_CLOSED,   /* nothing in flight; requests wait */
    PLANE_OPEN,     /* a host is served */
    PLANE_DRAINING, /* transfers are being called back */
};

struct plane_events {
    /* The pipe cannot be trusted any more. `host_knows` is true when the link itself went down. */
    void (*fault)(int error, bool host_knows, const char *what);
};

int plane_open(const int endpoints[EP_COUNT], int wake_fd, const struct plane_events *events);
/* A read is IO_PARKED: send it when there is a host. */
void plane_queue(unsigned disk, unsigned tag);
/* Calls every transfer back. The plane is closed when plane_pump() has seen the last one end. */
void plane_abort(void);
/* Starts a session: everything unanswered goes out again, under a new generation. */
void plane_start(void);
/* Moves whatever can be moved; true when it did something, so call it until it says false. */
bool plane_pump(void);
enum plane_state plane_state(void);

#endif
