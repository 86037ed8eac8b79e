/*
 * The block server: a forked copy of stage0 that outlives the initramfs and everything after it.
 * It serves the disk on which PID 1's own text lies, so it must never wait for that disk: it opens
 * nothing after its start but /dev/ublkcN, allocates nothing, keeps all its memory locked, and its
 * kernel allocations do no I/O (PR_SET_IO_FLUSHER). It has no timers: when the host is away, reads
 * wait, for minutes or for ever.
 *
 * One thread does everything but ep0 (ffs.c). Every CONFIG_EXPORTS is the start of a session: what
 * was in flight is called back, and nothing is sent until the host asks for STATUS. A set that
 * drops or changes a disk is refused, since the disk may be mounted; more disks may be added.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ffs.h"
#include "files.h"
#include "link.h"
#include "log.h"
#include "plane.h"
#include "text.h"
#include "ublk.h"

#define PR_SET_IO_FLUSHER_NUMBER 57
#define GRND_INSECURE_FLAG 4
#define NAME "@fastboop"

static int link_end;
static struct export_set running;
static struct ffs_mail mail;
static uint64_t session_id;
static unsigned online_count;
static uint16_t problem;      /* SMOO_STATUS_REFUSED or _FAULT */
static bool boundary_pending; /* a session has ended and the plane is not closed yet */
static bool set_accepted;     /* the newest CONFIG_EXPORTS fits the running disks */

static void tell(const struct link_message *message)
{
    /* After the hand-over nobody listens: the pair's other end went away at exec. */
    (void)send(link_end, message, sizeof *message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_fatal(const char *phase, const char *object, int error, const char *text)
{
    struct link_message message = {.kind = LINK_FATAL, .error = error < 0 ? -error : error};
    text_format(message.phase, sizeof message.phase, "%s", phase);
    text_format(message.object, sizeof message.object, "%s", object);
    text_format(message.text, sizeof message.text, "%s", text);
    tell(&message);
}

static _Noreturn void give_up(const char *object, int error, const char *text)
{
    tell_fatal("server", object, error, text);
    _exit(1);
}

static void publish_status(void)
{
    uint16_t flags = problem | (online_count ? SMOO_STATUS_ACTIVE : 0);
    ffs_set_status(flags, online_count, session_id);
}

/* Random and not zero. The random pool may not be ready this early; that is not waited for. */
static uint64_t new_session_id(void)
{
    uint64_t id = 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (syscall(SYS_getrandom, &id, sizeof id, GRND_INSECURE_FLAG) != sizeof id)
        id = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15ULL ^ (uint64_t)now.tv_sec << 20;
    return id ? id : 1;
}

static void read_arrived(unsigned disk, unsigned tag)
{
    plane_queue(disk, tag);
}

static void disk_online(unsigned index)
{
    struct link_message message = {.kind = LINK_DISK, .index = index,
                                   .size_bytes = disks[index].spec.size_bytes};
    online_count++;
    publish_status();
    tell(&message);
}

static void disk_failed(unsigned index, int error, const char *what)
{
    char name[32];
    text_format(name, sizeof name, "/dev/ublkb%u", index);
    log_kernel("server: %s: %s: errno=%d", name, what, -error);
    problem |= SMOO_STATUS_REFUSED;
    publish_status();
    tell_fatal("disks", name, error, what);
}

static void plane_fault(int error, bool host_knows, const char *what)
{
    log_kernel("server: session over while %s: errno=%d", what, -error);
    boundary_pending = true;
    set_accepted = false;
    if (host_knows)
        return;
    /* A host that sees another session id starts over, which is exactly what is needed. */
    session_id = new_session_id();
    problem |= SMOO_STATUS_FAULT;
    publish_status();
}

/* Decides on a new set of exports and starts the disks that it adds. */
static void apply_exports(void)
{
    struct link_message message = {.kind = LINK_HOST, .index = mail.exports.count};
    int added = smoo_compare_exports(&running, &mail.exports);
    if (added < 0) {
        log_kernel("server: refused a set of %u exports that changes the running %u",
                   mail.exports.count, running.count);
        problem |= SMOO_STATUS_REFUSED;
        return;
    }
    for (unsigned i = running.count; i < mail.exports.count; i++)
        ublk_add(&mail.exports.disk[i]);
    running = mail.exports;
    set_accepted = running.count > 0;
    if (added)
        tell(&message);
}

static void read_mail(void)
{
    ffs_take_mail(&mail);
    if (!mail.boundary)
        return;
    boundary_pending = true;
    set_accepted = false;
    problem = mail.refused ? SMOO_STATUS_REFUSED : 0;
    if (mail.config)
        apply_exports();
    publish_status();
    plane_abort();
}

/* Runs until nothing moves any more; then only the kernel or ep0 can have news. */
static void settle(void)
{
    bool moved;
    do {
        read_mail();
        moved = plane_pump();
        if (boundary_pending && plane_state() == PLANE_CLOSED)
            boundary_pending = false;
        if (!boundary_pending && plane_state() == PLANE_CLOSED && set_accepted && mail.ready) {
            plane_start();
            moved = true;
        }
    } while (moved);
}

/* "@..." as argv[0] asks systemd to spare this process at shutdown; it reads /proc/PID/cmdline. */
static void take_name(char **argv)
{
    size_t room = strlen(argv[0]);
    /* The environment follows the arguments, and the kernel follows a name that runs into it. */
    for (char **next = argv + 1; *next; next++)
        room += strlen(*next) + 1;
    for (char **next = environ; *next && *next == argv[0] + room + 1; next++)
        room += strlen(*next) + 1;
    memset(argv[0], 0, room);
    strncpy(argv[0], NAME, room);
    prctl(PR_SET_NAME, NAME, 0, 0, 0);
}

static void ignore_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGQUIT};
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
}

static void detach(char **argv)
{
    take_name(argv);
    ignore_signals();
    setsid();
    (void)chdir("/");
    (void)write_file("/proc/self/oom_score_adj", "-1000");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    /* Before the threads and the ring: both inherit it. Absent before 5.6, and then only a loss. */
    (void)prctl(PR_SET_IO_FLUSHER_NUMBER, 1, 0, 0, 0);
    if (mlockall(MCL_CURRENT | MCL_FUTURE))
        give_up("mlockall", errno, "cannot lock the server's memory");
}

_Noreturn void serve(const struct settings *s, int link_fd, char **argv)
{
    static const struct ublk_events on_ublk = {read_arrived, disk_online, disk_failed};
    static const struct plane_events on_plane = {plane_fault};
    struct link_message ready = {.kind = LINK_DESCRIPTORS};
    int endpoints[EP_COUNT];
    const char *what = "eventfd";
    link_end = link_fd;
    detach(argv);
    session_id = new_session_id();
    publish_status();
    uint32_t page_bytes = (uint32_t)getauxval(AT_PAGESZ);
    int wake_fd = eventfd(0, EFD_CLOEXEC);
    int error = wake_fd < 0 ? -errno : 0;
    if (!error)
        error = ublk_open(s->queue_depth, s->max_io_bytes, page_bytes, wake_fd, &on_ublk, &what);
    if (error)
        give_up(what, error, "cannot open it");
    error = ffs_open(s->mimic_fastboot, endpoints, &what);
    if (error)
        give_up(what, error, "FunctionFS refuses it");
    error = plane_open(endpoints, wake_fd, &on_plane);
    if (error)
        give_up("io_setup", error, "cannot set up AIO (CONFIG_AIO is needed)");
    error = ffs_start(wake_fd, page_bytes);
    if (error)
        give_up("ep0", error, "cannot start its thread");
    tell(&ready);
    for (;;) {
        settle();
        ublk_wait();
    }
}
