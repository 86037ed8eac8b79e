/* The four API mounts. */
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "files.h"
#include "log.h"
#include "phases.h"

struct early_mount {
    const char *path, *type, *options;
    unsigned long flags;
};

static const struct early_mount early[] = {
    {"/proc", "proc", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"/sys", "sysfs", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"/dev", "devtmpfs", "mode=0755", MS_NOSUID},
    {"/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
};

/* A program started before this one (rdinit=) may have mounted some of them. */
static bool is_mount_point(const char *path)
{
    struct stat root, here;
    return !stat("/", &root) && !stat(path, &here) && root.st_dev != here.st_dev;
}

void mount_early(void)
{
    for (unsigned i = 0; i < sizeof early / sizeof *early; i++) {
        const struct early_mount *m = &early[i];
        int error = make_directory(m->path, 0755);
        if (error)
            fatal("mounts", m->path, -error, "cannot make the directory");
        if (is_mount_point(m->path))
            continue;
        if (mount(m->type, m->path, m->type, m->flags, m->options) && errno != EBUSY)
            fatal("mounts", m->path, errno, "cannot mount %s", m->type);
    }
}
