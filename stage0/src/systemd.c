/*
 * Units below /run for a systemd that is about to start. Only for it: programs take the directory
 * /run/systemd/system as the sign that systemd is the running init.
 *
 * - sleep.target is masked: a sleeping machine freezes the server, and then nothing can read the
 *   root to wake up again.
 * - The mounts of the modules lose their default dependencies. Otherwise systemd unmounts them
 *   early at shutdown, while udev still has the index files open, and reports a failure.
 */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "text.h"

#define UNITS "/run/systemd/system"

bool is_systemd(const char *path)
{
    char target[512];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n > 0) {
        target[n] = 0;
        path = target;
    }
    size_t length = strlen(path);
    return length >= 8 && !strcmp(path + length - 8, "/systemd");
}

/* systemd.unit(5), "String Escaping for Inclusion in Unit Names": / is -, the rest is \xNN. */
static void escape_path(const char *path, char *out, size_t size)
{
    size_t used = 0;
    for (path++; *path && used + 5 < size; path++) {
        char c = *path;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr(":_.", c);
        if (c == '/')
            out[used++] = '-';
        else if (plain)
            out[used++] = c;
        else
            used += (size_t)text_format(out + used, size - used, "\\x%02x", (unsigned char)c);
    }
    out[used] = 0;
}

static int keep_mounted(const char *mount)
{
    char name[320], path[400];
    escape_path(mount, name, sizeof name);
    int n = text_format(path, sizeof path, UNITS "/%s.mount.d", name);
    int error = make_directories(path);
    if (error)
        return error;
    text_format(path + n, sizeof path - (size_t)n, "/fastboop.conf");
    return create_file(path, "[Unit]\nDefaultDependencies=no\n");
}

void prepare_systemd(char (*mounts)[160], unsigned count)
{
    int error = make_directories(UNITS);
    if (!error && symlink("/dev/null", UNITS "/sleep.target") && errno != EEXIST)
        error = -errno;
    for (unsigned i = 0; i < count && !error; i++)
        error = keep_mounted(mounts[i]);
    if (error)
        log_line("phase=init cannot prepare units for systemd: errno=%d", -error);
}
