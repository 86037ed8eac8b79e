/* PID 1's view of the server: the fork, and the waits for what the server reports. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link.h"
#include "log.h"
#include "phases.h"
#include "server.h"
#include "smoo.h"
#include "text.h"
#include "watch.h"

static int link_fd = -1;
static unsigned exports;
static bool online[SMOO_MAX_DISKS];

void start_server(const struct settings *s, char **argv)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        fatal("server", "socketpair", errno, "cannot make the pair (CONFIG_UNIX is needed)");
    pid_t pid = fork();
    if (pid < 0)
        fatal("server", "fork", errno, "cannot fork the server");
    if (!pid) {
        close(pair[0]);
        serve(s, pair[1], argv);
    }
    close(pair[1]);
    link_fd = pair[0];
}

/* The next message; fatal when the step is over, or the server is gone or reports failure. */
static void receive(struct link_message *message)
{
    for (;;) {
        struct pollfd ready = {link_fd, POLLIN, 0};
        int left = watch_left_ms();
        if (!left)
            watch_expired();
        int n = poll(&ready, 1, left);
        if (n < 0 && errno != EINTR)
            fatal("server", "poll", errno, "cannot wait for the server");
        if (n > 0)
            break;
    }
    ssize_t n = recv(link_fd, message, sizeof *message, 0);
    if (n == 0)
        fatal("server", "server", EPIPE, "the block server died");
    if (n != sizeof *message)
        fatal("server", "server", n < 0 ? errno : EPROTO, "cannot hear the server");
    if (message->kind == LINK_FATAL)
        fatal(message->phase, message->object, message->error, "%s", message->text);
    if (message->kind == LINK_HOST)
        exports = message->index;
    if (message->kind == LINK_DISK && message->index < SMOO_MAX_DISKS) {
        online[message->index] = true;
        log_line("phase=disks ublkb%u size=%llu", message->index,
                 (unsigned long long)message->size_bytes);
    }
}

void wait_for_descriptors(void)
{
    struct link_message message;
    watch_step("gadget", EP0_PATH, "the server to write the USB descriptors");
    do
        receive(&message);
    while (message.kind != LINK_DESCRIPTORS);
}

void wait_for_disks(unsigned count)
{
    struct link_message message;
    watch_step("host", "smoo", "a host that configures the exports");
    log_line("phase=host waiting for a host that serves %u disk%s", count, count > 1 ? "s" : "");
    while (!exports)
        receive(&message);
    log_line("phase=host exports=%u", exports);
    if (exports < count)
        fatal("host", "exports", ENODEV, "the host serves %u disk, %u are needed", exports, count);
    for (unsigned i = 0; i < count; i++) {
        static char path[16]; /* outlives the step: the deadline thread prints it */
        struct stat st;
        text_format(path, sizeof path, "/dev/ublkb%u", i);
        watch_step("disks", path, "the disk to come online");
        while (!online[i])
            receive(&message);
        if (stat(path, &st) || !S_ISBLK(st.st_mode))
            fatal("disks", path, ENOENT, "the disk is online but its node is missing");
    }
}
