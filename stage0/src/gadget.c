/*
 * The USB gadget: one configuration with one FunctionFS function. The server writes the
 * descriptors; only after that may the gadget be bound, since binding earlier fails (EBUSY) and
 * leaves an error in the kernel log.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "text.h"
#include "watch.h"

#define CONFIGFS "/sys/kernel/config"
#define GADGET CONFIGFS "/usb_gadget/fastboop"
#define UDC_CLASS "/sys/class/udc"
#define LOOK_MS 20
#define REAL_UDC_GRACE_MS 300

static void pause_ms(int ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

/* Controllers made of software lose to hardware: a phone's kernel may carry both. */
static bool is_virtual(const char *name)
{
    return !strncmp(name, "dummy_udc", 9) || !strncmp(name, "usbip-vudc", 10);
}

/* Keeps the best controller in `context`: hardware first, then the first in byte order. */
static void consider_udc(const char *found, void *context)
{
    char *best = context;
    if (strlen(found) >= UDC_NAME_BYTES)
        return;
    if (!best[0] || is_virtual(found) < is_virtual(best) ||
        (is_virtual(found) == is_virtual(best) && strcmp(found, best) < 0))
        strcpy(best, found);
}

static void look_for_udc(char name[UDC_NAME_BYTES])
{
    name[0] = 0;
    int fd = open(UDC_CLASS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)list_directory(fd, consider_udc, name);
    close(fd);
}

/* kernfs sends no inotify event for a new class device, so this looks every 20 ms. */
void wait_for_udc(char name[UDC_NAME_BYTES])
{
    watch_step("udc", UDC_CLASS, "a USB device controller");
    int64_t virtual_until = 0;
    for (;; pause_ms(LOOK_MS)) {
        look_for_udc(name);
        if (name[0] && !is_virtual(name))
            break;
        if (name[0] && !virtual_until)
            virtual_until = monotonic_ms() + REAL_UDC_GRACE_MS;
        if (name[0] && monotonic_ms() >= virtual_until)
            break;
        if (!watch_left_ms())
            watch_expired();
    }
    log_line("phase=udc name=%s", name);
}

static void set(const char *attribute, const char *value)
{
    char path[160];
    text_format(path, sizeof path, GADGET "/%s", attribute);
    int error = write_file(path, value);
    if (error)
        fatal("gadget", attribute, -error, "cannot set it to \"%s\"", value);
}

static void add_directory(const char *name)
{
    char path[160];
    text_format(path, sizeof path, GADGET "%s%s", name[0] ? "/" : "", name);
    int error = make_directory(path, 0755);
    if (error)
        fatal("gadget", path, -error, "cannot make it in configfs");
}

void build_gadget(const struct settings *s)
{
    char id[8];
    watch_step("gadget", CONFIGFS, "configfs and FunctionFS");
    if (mount("configfs", CONFIGFS, "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") &&
        errno != EBUSY)
        fatal("gadget", CONFIGFS, errno, "cannot mount configfs");
    add_directory("");
    text_format(id, sizeof id, "0x%04x", s->vendor);
    set("idVendor", id);
    text_format(id, sizeof id, "0x%04x", s->product);
    set("idProduct", id);
    set("bcdUSB", "0x0200"); /* the composite layer raises it for a SuperSpeed host */
    add_directory("strings/0x409");
    set("strings/0x409/manufacturer", "smoo");
    set("strings/0x409/product", "smoo gadget");
    set("strings/0x409/serialnumber", s->serial);
    add_directory("configs/c.1");
    set("configs/c.1/bmAttributes", "0x80");
    set("configs/c.1/MaxPower", "500");
    add_directory("configs/c.1/strings/0x409");
    set("configs/c.1/strings/0x409/configuration", "config");
    add_directory("functions/ffs.fastboop");
    if (symlink(GADGET "/functions/ffs.fastboop", GADGET "/configs/c.1/ffs.fastboop") &&
        errno != EEXIST)
        fatal("gadget", "ffs.fastboop", errno, "cannot add the function to the configuration");
    int error = make_directory(FFS_DIRECTORY, 0755);
    if (error)
        fatal("gadget", FFS_DIRECTORY, -error, "cannot make the directory");
    if (mount("fastboop", FFS_DIRECTORY, "functionfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""))
        fatal("gadget", FFS_DIRECTORY, errno, "cannot mount functionfs");
}

/* A controller whose PHY is still probing answers EBUSY or ENODEV for a while. */
void bind_gadget(const char *udc)
{
    watch_step("gadget", udc, "the controller to take the gadget");
    for (;;) {
        int error = write_file(GADGET "/UDC", udc);
        if (!error)
            break;
        bool transient = error == -EBUSY || error == -ENODEV || error == -EAGAIN;
        if (!transient || !watch_left_ms())
            fatal("gadget", udc, -error, "cannot bind the gadget");
        pause_ms(LOOK_MS);
    }
    log_line("phase=gadget bound=%s", udc);
}
