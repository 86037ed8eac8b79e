/* The disks: ublk devices driven through one io_uring, by one thread. */
#ifndef STAGE0_UBLK_H
#define STAGE0_UBLK_H

#include <stdbool.h>

#include "smoo.h"
#include "uapi.h"

#define MAX_DEPTH 64

enum disk_state { DISK_NONE, DISK_ADDING, DISK_SETTING, DISK_STARTING, DISK_ONLINE, DISK_FAILED };
enum io_state {
    IO_FREE,    /* the kernel holds the tag */
    IO_PARKED,  /* to be sent when there is a host */
    IO_SENT,    /* on its way, or with the host */
    IO_PAYLOAD, /* answered; the data is arriving */
};

struct io_request {
    enum io_state state;
    uint32_t request_id, num_blocks;
    uint64_t lba;
    uint16_t uses; /* of the tag: makes ids differ from one use to the next */
};

struct disk {
    enum disk_state state;
    struct export_spec spec;
    struct ublk_dev_info info;
    struct ublk_params params;
    const struct ublk_io_desc *descs;
    uint8_t *buffers;
    int fd;
    bool legacy_control; /* per disk: several are added before the first answer is there */
    struct io_request io[MAX_DEPTH];
};

extern struct disk disks[SMOO_MAX_DISKS];
extern unsigned disk_count;

struct ublk_events {
    void (*arrived)(unsigned disk, unsigned tag); /* a read is IO_PARKED */
    void (*online)(unsigned disk);
    void (*failed)(unsigned disk, int error, const char *what);
};

/* 0 or -errno with `*what` set. Depth and request size are what each disk will ask for. */
int ublk_open(unsigned depth, uint32_t max_io_bytes, uint32_t page_bytes, int wake_fd,
              const struct ublk_events *events, const char **what);
/* Starts to create /dev/ublkb<disk_count>; the rest follows in ublk_wait(). */
void ublk_add(const struct export_spec *spec);
/* Submits what is pending, waits for at least one event, and handles all there are. */
void ublk_wait(void);
/* Ends a request: bytes read or -errno. The tag goes back to the kernel. */
void ublk_complete(unsigned disk, unsigned tag, int32_t result);
uint8_t *ublk_buffer(unsigned disk, unsigned tag);

#endif
