/* What only systemd is told. */
#ifndef STAGE0_SYSTEMD_H
#define STAGE0_SYSTEMD_H

#include <stdbool.h>

/* Whether `path`, or what it links to, is systemd's own binary. */
bool is_systemd(const char *path);
/* Writes units to /run/systemd/system; `mounts` are the places where the modules are mounted. */
void prepare_systemd(char (*mounts)[160], unsigned count);

#endif
