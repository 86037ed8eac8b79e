/*
 * The final kill of an init. systemd spares processes whose argv[0] starts with `@`. busybox,
 * OpenRC and sysvinit do not: kill(-1, SIGKILL) reaches every process but PID 1.
 *
 * Where the kernel has Landlock's signal scope (6.12 and later, in the `lsm=` list), PID 1 enters a
 * domain that restricts nothing else before it executes the init: then nothing that descends from
 * it can signal the server, which was forked outside. Elsewhere the server dies with the others.
 * The disks then answer with errors, not with silence (no user recovery is asked for), and all that
 * the init still needs to power off is its own text; so that is moved into memory: opening a file
 * of an overlay for writing copies it to the upper layer, which is a tmpfs.
 * Source: Documentation/userspace-api/landlock.rst, "IPC scoping"; Documentation/filesystems/
 * overlayfs.rst, "Non-directories".
 */
#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "uapi.h"
#include "watch.h"

#define MAX_PINNED_BYTES (8 << 20)
/* A script, its shell, the shell's dynamic loader. */
#define MAX_INTERPRETERS 3
#define PATH_BYTES 256

static int scope_signals(void)
{
    struct landlock_ruleset rules = {0, 0, LANDLOCK_SCOPE_SIGNAL};
    long fd = syscall(SYS_LANDLOCK_CREATE_RULESET, &rules, sizeof rules, 0);
    if (fd < 0)
        return -errno;
    int error = syscall(SYS_LANDLOCK_RESTRICT_SELF, (int)fd, 0) ? -errno : 0;
    close((int)fd);
    return error;
}

static void copy_up(const char *path)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size > MAX_PINNED_BYTES)
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
}

/* The program that the kernel starts in place of, or together with, the one in `path`. */
static bool find_interpreter(const char *path, char out[PATH_BYTES])
{
    struct elf_header header = {0};
    struct elf_segment segment;
    bool found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    memset(out, 0, PATH_BYTES);
    ssize_t n = pread(fd, out, PATH_BYTES - 1, 0);
    if (n > 2 && out[0] == '#' && out[1] == '!') {
        size_t start = 2 + strspn(out + 2, " \t"), length = strcspn(out + start, " \t\r\n");
        memmove(out, out + start, length);
        out[length] = 0;
        found = true;
    }
    if (!found && pread(fd, &header, sizeof header, 0) == sizeof header &&
        !memcmp(header.ident, ELF64_MAGIC, 5)) {
        for (unsigned i = 0; i < header.segment_count && i < 64 && !found; i++) {
            off_t at = (off_t)(header.segments_at + i * sizeof segment);
            if (pread(fd, &segment, sizeof segment, at) != sizeof segment)
                break;
            found = segment.type == ELF_PT_INTERP && segment.file_size < PATH_BYTES &&
                    pread(fd, out, segment.file_size, (off_t)segment.offset) ==
                        (ssize_t)segment.file_size;
            if (found)
                out[segment.file_size] = 0;
        }
    }
    close(fd);
    return found && out[0] == '/';
}

void protect_server(const char *init)
{
    static char names[2][PATH_BYTES];
    int error = scope_signals();
    if (!error) {
        log_line("phase=init server=protected");
        return;
    }
    log_line("phase=init server=unprotected errno=%d (a final kill ends it)", -error);
    for (unsigned i = 0; i < MAX_INTERPRETERS; i++) {
        watch_step("init", init, "the init's text");
        copy_up(init);
        if (!find_interpreter(init, names[i % 2]))
            break;
        init = names[i % 2];
    }
}
