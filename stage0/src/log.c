/*
 * Lines for people and for the lab. The console gets phase lines and failures; the kernel log gets
 * both, phase lines at debug level so that a chatty console does not show them twice. One /dev/kmsg
 * fd is kept: with printk_devkmsg=on the kernel does not count records against it.
 */
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_BYTES 640

static int kmsg_fd = -1;
static enum on_fail action = ON_FAIL_BOOTLOADER;

void fatal_action(enum on_fail wanted)
{
    action = wanted;
}

void log_open(void)
{
    /* The kernel ignores the word unless it ends in a newline. */
    int fd = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "on\n", 3);
        close(fd);
    }
    kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

/* `line` starts with three bytes of room for the kernel's "<n>" priority prefix. */
static void emit(char *line, int length, char level, bool console)
{
    if (length > LINE_BYTES - 2)
        length = LINE_BYTES - 2;
    for (int i = 3; i < length; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[length++] = '\n';
    line[0] = '<';
    line[1] = level;
    line[2] = '>';
    if (kmsg_fd >= 0)
        (void)!write(kmsg_fd, line, (size_t)length);
    if (console)
        (void)!write(STDERR_FILENO, line + 3, (size_t)length - 3);
}

static int start_line(char *line, const char *head)
{
    return 3 + text_format(line + 3, LINE_BYTES - 3, "stage0: %s", head);
}

void log_line(const char *format, ...)
{
    char line[LINE_BYTES];
    int n = start_line(line, "");
    va_list args;
    va_start(args, format);
    n += text_vformat(line + n, (size_t)(LINE_BYTES - n), format, args);
    va_end(args);
    emit(line, n, '7', true);
}

void log_kernel(const char *format, ...)
{
    char line[LINE_BYTES];
    int n = start_line(line, "");
    va_list args;
    va_start(args, format);
    n += text_vformat(line + n, (size_t)(LINE_BYTES - n), format, args);
    va_end(args);
    emit(line, n, '6', false);
}

/* LINUX_REBOOT_CMD_RESTART2: musl's reboot() cannot pass the word that reboot-mode drivers read. */
static void restart_with(const char *word)
{
    syscall(SYS_reboot, 0xfee1dead, 672274793, 0xa1b2c3d4, word);
}

static _Noreturn void end_machine(void)
{
    struct timespec_like {
        long seconds, nanoseconds;
    } pause = {0, 200000000}; /* lets a slow serial console print the line */
    syscall(SYS_nanosleep, &pause, NULL);
    switch (action) {
    case ON_FAIL_BOOTLOADER:
        restart_with("bootloader");
        break;
    case ON_FAIL_POWEROFF:
        reboot(RB_POWER_OFF);
        break;
    case ON_FAIL_PANIC: {
        /* Not by exiting: the caller may be a thread while the first one hangs in the kernel. */
        int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            (void)!write(fd, "c", 1);
        _exit(1);
    }
    case ON_FAIL_REBOOT:
        break;
    }
    reboot(RB_AUTOBOOT);
    _exit(1);
}

_Noreturn void fatal(const char *phase, const char *object, int error, const char *format, ...)
{
    char line[LINE_BYTES];
    int n = start_line(line, "FATAL");
    n += text_format(line + n, (size_t)(LINE_BYTES - n), " phase=%s object=%.200s errno=%d ", phase,
                  object, error);
    va_list args;
    va_start(args, format);
    n += text_vformat(line + n, (size_t)(LINE_BYTES - n), format, args);
    va_end(args);
    if (error && n < LINE_BYTES)
        n += text_format(line + n, (size_t)(LINE_BYTES - n), ": %s", strerror(error));
    emit(line, n, '3', true);
    end_machine();
}
