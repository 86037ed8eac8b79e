/*
 * Checks that each disk is what the settings say, and mounts it read-only. Nothing is mounted by
 * position alone: export 0 must carry the file system of stage0.rootfs, export 1 the label that
 * only the modules image has.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "superblock.h"
#include "text.h"
#include "watch.h"

#define ROOT_DISK "/dev/ublkb0"
#define MODULES_DISK "/dev/ublkb1"

static void read_head(const char *disk, uint8_t head[SUPERBLOCK_PROBE_BYTES])
{
    watch_step("disks", disk, "the first block of the disk");
    int fd = open(disk, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fatal("disks", disk, errno, "cannot open the disk");
    ssize_t n = pread(fd, head, SUPERBLOCK_PROBE_BYTES, 0);
    int error = n < 0 ? errno : EIO;
    close(fd);
    if (n != SUPERBLOCK_PROBE_BYTES)
        fatal("disks", disk, error, "cannot read the super block");
}

static void check_format(const char *disk, const uint8_t *head, enum disk_format wanted)
{
    enum disk_format found = probe_format(head);
    if (found == FORMAT_NONE)
        fatal("disks", disk, EINVAL, "no known file system, %s expected", format_name(wanted));
    if (found != wanted)
        fatal("disks", disk, EINVAL, "it holds %s, %s expected", format_name(found),
              format_name(wanted));
}

static void mount_disk(const char *disk, const char *target, enum disk_format format,
                       unsigned long flags)
{
    int error = make_directory(target, 0755);
    if (error)
        fatal("disks", target, -error, "cannot make the directory");
    watch_step("disks", disk, "the file system to mount");
    /* noload: without it ext4 insists on replaying a journal, and the disk cannot be written. */
    const char *options = format == FORMAT_EXT4 ? "noload" : "";
    if (mount(disk, target, format_name(format), MS_RDONLY | flags, options))
        fatal("disks", disk, errno, "cannot mount it as %s", format_name(format));
    log_line("phase=disks mounted=%s type=%s on=%s", disk, format_name(format), target);
}

static void check_release(const char *release)
{
    char path[160];
    text_format(path, sizeof path, LOWER_MODULES "/usr/lib/modules/%s", release);
    watch_step("disks", MODULES_DISK, "the modules directory");
    if (!is_directory(path))
        fatal("disks", MODULES_DISK, ENOENT, "the modules image has no usr/lib/modules/%s",
              release);
}

void mount_disks(const struct settings *s, const char *release)
{
    static uint8_t head[SUPERBLOCK_PROBE_BYTES];
    read_head(ROOT_DISK, head);
    check_format(ROOT_DISK, head, s->rootfs);
    mount_disk(ROOT_DISK, LOWER, s->rootfs, 0);
    if (s->modules == FORMAT_NONE)
        return;
    char label[17];
    read_head(MODULES_DISK, head);
    check_format(MODULES_DISK, head, s->modules);
    ext4_label(head, label);
    if (strcmp(label, MODULES_LABEL))
        fatal("disks", MODULES_DISK, EINVAL, "its label is \"%s\", \"%s\" expected", label,
              MODULES_LABEL);
    mount_disk(MODULES_DISK, LOWER_MODULES, s->modules, MS_NOSUID | MS_NODEV | MS_NOEXEC);
    check_release(release);
}
