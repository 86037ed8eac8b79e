/* The phases of PID 1, in the order in which main() runs them. Each ends in fatal() on failure. */
#ifndef STAGE0_PHASES_H
#define STAGE0_PHASES_H

#include "settings.h"

#define LOWER "/lower"
#define LOWER_MODULES "/lower-modules"
#define UPPER "/upper"
#define NEW_ROOT "/newroot"
#define NEW_MODULES "/newmodules"
#define FFS_DIRECTORY "/ffs"
#define EP0_PATH FFS_DIRECTORY "/ep0"
#define UDC_NAME_BYTES 64

/* mounts.c: /proc, /sys, /dev and /run, unless something is mounted there already. */
void mount_early(void);
/* config.c: reads /etc/stage0 and checks stage0.kver against the running kernel. */
void read_settings(struct settings *s, const char *release);
/* modules.c: loads /modules/order. */
void load_modules(void);
/* gadget.c: the wait for a controller, the gadget, and (descriptors written) the bind. */
void wait_for_udc(char name[UDC_NAME_BYTES]);
void build_gadget(const struct settings *s);
void bind_gadget(const char *udc);
/* wait.c: forks the server; waits for its messages. */
void start_server(const struct settings *s, char **argv);
void wait_for_descriptors(void);
void wait_for_disks(unsigned count);
/* disks.c: checks and mounts the disks, read-only. */
void mount_disks(const struct settings *s, const char *release);
/* overlay.c: the writable root, and the writable modules directory when there is one. */
void mount_overlays(const struct settings *s, const char *release);
/* handover.c: into the new root and to its init; never returns. */
_Noreturn void hand_over(const struct settings *s, const char *release, char **argv);

#endif
