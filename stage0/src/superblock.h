/* What a disk says it is, read from its first 4096 bytes. */
#ifndef STAGE0_SUPERBLOCK_H
#define STAGE0_SUPERBLOCK_H

#include "settings.h"

#define SUPERBLOCK_PROBE_BYTES 4096
#define MODULES_LABEL "fastboop-modules"

/* EROFS magic at 1024, ext4 magic at 1080; FORMAT_NONE for anything else. */
enum disk_format probe_format(const uint8_t head[SUPERBLOCK_PROBE_BYTES]);
/* The ext4 volume label (16 bytes at 1144, not always NUL-terminated), made printable. */
void ext4_label(const uint8_t head[SUPERBLOCK_PROBE_BYTES], char out[17]);

#endif
