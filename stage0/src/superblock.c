/*
 * Recognises the two file systems that an export may hold. Sources: fs/erofs/erofs_fs.h
 * (super block at 1024, magic 0xE0F5E1E2) and fs/ext4/ext4.h (s_magic at 56, s_volume_name at 120
 * of the super block at 1024).
 */
#include "superblock.h"

#include <string.h>

enum disk_format probe_format(const uint8_t head[SUPERBLOCK_PROBE_BYTES])
{
    static const uint8_t erofs[4] = {0xe2, 0xe1, 0xf5, 0xe0};
    if (!memcmp(head + 1024, erofs, 4))
        return FORMAT_EROFS;
    if (head[1080] == 0x53 && head[1081] == 0xef)
        return FORMAT_EXT4;
    return FORMAT_NONE;
}

void ext4_label(const uint8_t head[SUPERBLOCK_PROBE_BYTES], char out[17])
{
    unsigned n = 0;
    for (; n < 16 && head[1144 + n]; n++)
        out[n] = head[1144 + n] > 32 && head[1144 + n] < 127 ? (char)head[1144 + n] : '?';
    out[n] = 0;
}
