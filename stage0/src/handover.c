/*
 * From the initramfs into the new root. The API mounts are bound, not moved: the server stays in
 * the initramfs and goes on finding /dev there. What the initramfs held in files is freed; the
 * server's text is this program's, which stays in memory while it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "protect.h"
#include "systemd.h"
#include "text.h"
#include "watch.h"

#define MAX_DEPTH 32

/* Where the modules are mounted in the new root: one or two places. */
static char bound_modules[2][160];
static unsigned bound_count;

static const char *const api_directories[] = {"proc", "sys", "dev", "run"};

static void bind_api_mounts(void)
{
    for (unsigned i = 0; i < sizeof api_directories / sizeof *api_directories; i++) {
        char from[16], to[32];
        text_format(from, sizeof from, "/%s", api_directories[i]);
        text_format(to, sizeof to, NEW_ROOT "/%s", api_directories[i]);
        watch_step("init", from, "the mount to be bound into the new root");
        int error = make_directory(to, 0755);
        if (error)
            fatal("init", to, -error, "cannot make the directory");
        if (mount(from, to, NULL, MS_BIND | MS_REC, NULL))
            fatal("init", to, errno, "cannot bind %s", from);
    }
}

/* A directory of the initramfs that is being emptied. */
struct tree {
    int fd, depth;
    dev_t device;
};

static void empty_tree(struct tree *tree);

/* Only what lies on the initramfs's own file system: mount points are on others, and stay. */
static void free_entry(const char *name, void *context)
{
    struct tree *tree = context;
    struct stat st;
    if (fstatat(tree->fd, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_dev != tree->device)
        return;
    if (S_ISDIR(st.st_mode) && tree->depth < MAX_DEPTH) {
        int fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct tree below = {fd, tree->depth + 1, tree->device};
        if (fd >= 0)
            empty_tree(&below);
    }
    (void)unlinkat(tree->fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

static void empty_tree(struct tree *tree)
{
    (void)list_directory(tree->fd, free_entry, tree);
    close(tree->fd);
}

static void free_initramfs(int old_root)
{
    struct stat st;
    struct tree tree = {dup(old_root), 0, 0};
    if (tree.fd < 0 || fstat(tree.fd, &st))
        return;
    tree.device = st.st_dev;
    empty_tree(&tree);
}

static void enter_new_root(void)
{
    watch_step("init", NEW_ROOT, "the new root to be entered");
    int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old_root < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL))
        fatal("init", "/", errno, "cannot make the mounts private");
    if (chdir(NEW_ROOT))
        fatal("init", NEW_ROOT, errno, "cannot change into it");
    free_initramfs(old_root);
    close(old_root);
    if (mount(".", "/", NULL, MS_MOVE, NULL))
        fatal("init", NEW_ROOT, errno, "cannot move it to /");
    if (chroot(".") || chdir("/"))
        fatal("init", NEW_ROOT, errno, "cannot enter it");
}

static void bind_modules_on(const char *parent, const char *release, int modules)
{
    char from[32], *to = bound_modules[bound_count];
    text_format(from, sizeof from, "/proc/self/fd/%d", modules);
    text_format(to, sizeof bound_modules[0], "%s/%s", parent, release);
    watch_step("init", parent, "the modules to be bound into the new root");
    int error = make_directories(to);
    if (error)
        fatal("init", to, -error, "cannot make the directory");
    if (mount(from, to, NULL, MS_BIND, NULL))
        fatal("init", to, errno, "cannot bind the modules");
    bound_count++;
}

/*
 * Inside the new root, so that its own symlinks decide: with /lib -> usr/lib one mount serves both
 * names; where /lib is a directory of its own, kmod looks only there, so it gets a second one.
 */
static void bind_modules(const char *release, int modules)
{
    struct stat usr_lib, lib;
    bind_modules_on("/usr/lib/modules", release, modules);
    if (stat("/usr/lib", &usr_lib) || stat("/lib", &lib) || !S_ISDIR(lib.st_mode))
        return;
    if (usr_lib.st_dev != lib.st_dev || usr_lib.st_ino != lib.st_ino)
        bind_modules_on("/lib/modules", release, modules);
}

static int start_init(const char *path, char **argv)
{
    static char *const environment[] = {"HOME=/", "TERM=linux", NULL};
    char *only_name[] = {(char *)path, NULL};
    char *shell = strrchr(path, '/');
    if (access(path, X_OK))
        return errno;
    watch_step("init", path, "the new root's init to start");
    /* systemd reads the kernel's command line itself; a shell would take its words for scripts. */
    bool alone = is_systemd(path) || (shell && !strcmp(shell, "/sh"));
    argv[0] = only_name[0];
    if (is_systemd(path))
        prepare_systemd(bound_modules, bound_count);
    else
        protect_server(path);
    log_line("phase=init exec=%s", path);
    execve(path, alone ? only_name : argv, environment);
    return errno;
}

_Noreturn void hand_over(const struct settings *s, const char *release, char **argv)
{
    static const char *const inits[] = {
        "/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init", "/etc/init", "/bin/init",
        "/bin/sh",
    };
    static char cmdline[4096], wanted[256];
    int modules = -1;
    if (read_file("/proc/cmdline", cmdline, sizeof cmdline) > 0)
        cmdline_value(cmdline, "init", wanted, sizeof wanted);
    if (s->init[0])
        strcpy(wanted, s->init);
    bind_api_mounts();
    if (s->modules != FORMAT_NONE) {
        modules = open(NEW_MODULES, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (modules < 0)
            fatal("init", NEW_MODULES, errno, "cannot open it");
    }
    enter_new_root();
    if (modules >= 0)
        bind_modules(release, modules);
    if (wanted[0])
        fatal("init", wanted, start_init(wanted, argv), "cannot start the init that was asked for");
    for (unsigned i = 0; i < sizeof inits / sizeof *inits; i++) {
        int error = start_init(inits[i], argv);
        if (error != ENOENT)
            log_line("phase=init cannot start %s: errno=%d", inits[i], error);
    }
    fatal("init", "/sbin/init", ENOENT, "the new root has no init that starts");
}
