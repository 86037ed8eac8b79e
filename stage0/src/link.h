/* Messages from the server to PID 1: whole records on a SOCK_SEQPACKET pair. */
#ifndef STAGE0_LINK_H
#define STAGE0_LINK_H

#include <stdint.h>

enum link_kind {
    LINK_DESCRIPTORS = 1, /* FunctionFS has the descriptors; the endpoint files are open */
    LINK_HOST,            /* a host has configured `index` disks */
    LINK_DISK,            /* /dev/ublkb<index> is there, `size_bytes` long */
    LINK_FATAL,           /* the server cannot go on */
};

struct link_message {
    uint32_t kind, index;
    uint64_t size_bytes;
    int32_t error;
    char phase[12], object[32], text[96];
};

#endif
