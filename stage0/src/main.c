/*
 * stage0: PID 1 of the initramfs. It brings up the kernel modules and the USB gadget, forks the
 * block server, mounts the disks that the server provides, and becomes the distribution's init.
 * Every phase either succeeds or ends the machine with one line that says why.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "log.h"
#include "phases.h"
#include "watch.h"

/* The kernel opens /dev/console for PID 1 when it finds one; make sure that 0 to 2 are taken. */
static void open_console(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/console", O_RDWR) < 0)
            (void)open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
    static struct utsname kernel;
    static struct settings settings;
    char udc[UDC_NAME_BYTES];
    (void)argc;
    if (getpid() != 1)
        return 1; /* it would mount over a running system */
    umask(022);
    settings_defaults(&settings);
    mount_early();
    open_console();
    log_open();
    uname(&kernel);
    read_settings(&settings, kernel.release);
    log_line("phase=start kernel=%s timeout=%us onfail=%s", kernel.release, settings.timeout_s,
             on_fail_name(settings.on_fail));
    watch_start(settings.timeout_s);
    load_modules();
    wait_for_udc(udc);
    build_gadget(&settings);
    start_server(&settings, argv);
    wait_for_descriptors();
    bind_gadget(udc);
    wait_for_disks(settings.modules == FORMAT_NONE ? 1 : 2);
    mount_disks(&settings, kernel.release);
    mount_overlays(&settings, kernel.release);
    hand_over(&settings, kernel.release, argv);
}
