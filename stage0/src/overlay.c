/*
 * The writable layers. One tmpfs carries the upper directories of two overlays: the root, and the
 * directory of the running kernel's modules. The second is an overlay of its own that is later
 * bound over <root>/usr/lib/modules/<release>: the modules image then never merges with the root
 * (no owner or mode of its directories shows through, stale modules of the root do not mix in),
 * yet depmod and package scripts can write there as they could on an installed system.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "text.h"
#include "watch.h"

static void copy_xattrs(const char *from, const char *to)
{
    static char names[4096], value[4096];
    ssize_t length = listxattr(from, names, sizeof names);
    for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
        ssize_t n = getxattr(from, name, value, sizeof value);
        /* A label that tmpfs cannot hold is no reason not to boot. */
        if (n >= 0 && strncmp(name, "trusted.overlay.", 16))
            (void)setxattr(to, name, value, (size_t)n, 0);
    }
}

/* The upper directory, not the lower one, decides owner, mode and label of the merged root. */
static void make_upper(const char *upper, const char *lower)
{
    struct stat st;
    int error = make_directory(upper, 0755);
    if (error)
        fatal("overlay", upper, -error, "cannot make the directory");
    if (stat(lower, &st) || chown(upper, st.st_uid, st.st_gid) || chmod(upper, st.st_mode & 07777))
        fatal("overlay", upper, errno, "cannot copy owner and mode of %s", lower);
    copy_xattrs(lower, upper);
}

/* `name` is both the upper directory's name and the stem of its work directory. */
static void mount_overlay(const char *lower, const char *name, const char *target)
{
    char upper[64], work[64], options[512];
    text_format(upper, sizeof upper, UPPER "/%s", name);
    text_format(work, sizeof work, UPPER "/%s-work", name);
    watch_step("overlay", target, "the overlay to mount");
    make_upper(upper, lower);
    int error = make_directory(work, 0755);
    if (!error)
        error = make_directory(target, 0755);
    if (error)
        fatal("overlay", target, -error, "cannot make the directories");
    int n = text_format(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper,
                     work);
    /* With redirect_dir directories of the root can be renamed; some kernels do not know it. */
    text_format(options + n, sizeof options - (size_t)n, ",redirect_dir=on");
    if (!mount("overlay", target, "overlay", 0, options))
        return;
    options[n] = 0;
    if (mount("overlay", target, "overlay", 0, options))
        fatal("overlay", target, errno, "cannot mount the overlay");
}

void mount_overlays(const struct settings *s, const char *release)
{
    watch_step("overlay", UPPER, "the tmpfs of the upper layer");
    int error = make_directory(UPPER, 0755);
    if (error)
        fatal("overlay", UPPER, -error, "cannot make the directory");
    if (mount("tmpfs", UPPER, "tmpfs", 0, "size=75%,mode=0755"))
        fatal("overlay", UPPER, errno, "cannot mount tmpfs");
    mount_overlay(LOWER, "root", NEW_ROOT);
    if (s->modules != FORMAT_NONE) {
        char lower[160];
        text_format(lower, sizeof lower, LOWER_MODULES "/usr/lib/modules/%s", release);
        mount_overlay(lower, "modules", NEW_MODULES);
    }
    /* Never through a symlink of the root: /etc itself may point anywhere. */
    int root = open(NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int etc = root < 0 ? -1 : openat(root, "etc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->remove_fstab && etc >= 0 && unlinkat(etc, "fstab", 0) && errno != ENOENT)
        fatal("overlay", "/etc/fstab", errno, "cannot remove it");
    if (etc >= 0)
        close(etc);
    if (root >= 0)
        close(root);
    log_line("phase=overlay root=%s", NEW_ROOT);
}
