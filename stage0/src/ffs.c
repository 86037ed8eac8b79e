/*
 * FunctionFS. ep0 has a thread of its own that does nothing but read events and answer, so that
 * IDENT and STATUS are prompt whatever the data plane is doing: a host counts a late STATUS as a
 * lost phone. What matters to the data plane is folded into one record instead of a queue, since
 * only the newest CONFIG_EXPORTS and the last state of the link are worth acting on.
 *
 * Interrupt endpoints have 64-byte packets at every speed (28 bytes are sent; 1024 does not fit
 * every controller's FIFO); bulk is 64, 512 and 1024 as USB demands, without which a SuperSpeed
 * host cannot set the configuration.
 */
#include "ffs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "phases.h"
#include "uapi.h"

struct usb_interface {
    uint8_t length, type, number, alternate, endpoints, class, subclass, protocol, string;
} __attribute__((packed));
struct usb_endpoint {
    uint8_t length, type, address, attributes;
    uint16_t max_packet;
    uint8_t interval;
} __attribute__((packed));
struct usb_companion {
    uint8_t length, type, max_burst, attributes;
    uint16_t bytes_per_interval;
} __attribute__((packed));
struct usb_super_endpoint {
    struct usb_endpoint endpoint;
    struct usb_companion companion;
} __attribute__((packed));
_Static_assert(sizeof(struct usb_interface) == 9, "interface descriptor");
_Static_assert(sizeof(struct usb_endpoint) == 7, "endpoint descriptor");
_Static_assert(sizeof(struct usb_companion) == 6, "endpoint companion descriptor");

struct plain_speed {
    struct usb_interface interface;
    struct usb_endpoint endpoint[EP_COUNT];
} __attribute__((packed));
struct super_speed {
    struct usb_interface interface;
    struct usb_super_endpoint endpoint[EP_COUNT];
} __attribute__((packed));
struct descriptors {
    uint32_t magic, length, flags, full_count, high_count, super_count;
    struct plain_speed full, high;
    struct super_speed super;
} __attribute__((packed));

#define INTERFACE {9, 4, 0, 0, EP_COUNT, 0xff, 0x53, 0x4d, 1}
#define INTERRUPT(address) {7, 5, address, 3, FFS_MESSAGE_PACKET, 1}
#define BULK(address, packet) {7, 5, address, 2, packet, 0}
#define PLAIN(packet) \
    {INTERFACE, {INTERRUPT(0x81), INTERRUPT(0x02), BULK(0x83, packet), BULK(0x04, packet)}}
#define PERIODIC_COMPANION {6, 0x30, 0, 0, FFS_MESSAGE_PACKET}
#define BULK_COMPANION {6, 0x30, 0, 0, 0}

static struct descriptors descriptors = {
    FFS_DESCRIPTORS_MAGIC_V2, sizeof(struct descriptors),
    FFS_HAS_FS_DESC | FFS_HAS_HS_DESC | FFS_HAS_SS_DESC, 1 + EP_COUNT, 1 + EP_COUNT,
    1 + 2 * EP_COUNT, PLAIN(64), PLAIN(512),
    {INTERFACE,
     {{INTERRUPT(0x81), PERIODIC_COMPANION}, {INTERRUPT(0x02), PERIODIC_COMPANION},
      {BULK(0x83, 1024), BULK_COMPANION}, {BULK(0x04, 1024), BULK_COMPANION}}},
};

static const struct {
    uint32_t magic, length, string_count, language_count;
    uint16_t language;
    char interface_name[5];
} __attribute__((packed)) strings = {FFS_STRINGS_MAGIC, 23, 1, 1, 0x409, "smoo"};
_Static_assert(sizeof strings == 23, "strings length");

static int ep0 = -1, mail_fd = -1;
static uint32_t page_size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ffs_mail mail;
static bool configured;
static uint16_t status_flags;
static uint32_t status_count;
static uint64_t status_session;

void ffs_set_status(uint16_t flags, uint32_t export_count, uint64_t session_id)
{
    pthread_mutex_lock(&lock);
    status_flags = flags;
    status_count = export_count;
    status_session = session_id;
    pthread_mutex_unlock(&lock);
}

void ffs_take_mail(struct ffs_mail *out)
{
    pthread_mutex_lock(&lock);
    *out = mail;
    mail.boundary = mail.config = mail.refused = false;
    pthread_mutex_unlock(&lock);
}

static void send_mail(void)
{
    uint64_t one = 1;
    (void)!write(mail_fd, &one, sizeof one);
}

/* The link came or went: a host must configure again before anything is sent to it. */
static void note_link(void)
{
    pthread_mutex_lock(&lock);
    mail.boundary = true;
    mail.ready = configured = false;
    pthread_mutex_unlock(&lock);
    send_mail();
}

static void note_config(const uint8_t *data, size_t length)
{
    struct export_set set;
    int error = smoo_parse_exports(data, length, page_size, &set);
    pthread_mutex_lock(&lock);
    mail.boundary = true;
    mail.ready = false;
    mail.refused = error != 0;
    configured = !error;
    mail.config = !error;
    if (!error)
        mail.exports = set;
    /* The verdict on the last set says nothing about this one; the main thread judges it soon. */
    status_flags &= SMOO_STATUS_ACTIVE;
    status_flags |= error ? SMOO_STATUS_REFUSED : 0;
    pthread_mutex_unlock(&lock);
    send_mail();
}

static void note_status(void)
{
    pthread_mutex_lock(&lock);
    bool news = configured && !mail.ready;
    mail.ready = configured;
    pthread_mutex_unlock(&lock);
    if (news)
        send_mail();
}

/* A transfer in the wrong direction is how FunctionFS is told to stall. */
static void stall(bool to_host)
{
    char byte = 0;
    if (to_host)
        (void)!read(ep0, &byte, 0);
    else
        (void)!write(ep0, &byte, 0);
}

static bool reply(const uint8_t *data, size_t length)
{
    ssize_t n;
    do
        n = write(ep0, data, length);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)length;
}

static void answer_status(void)
{
    uint8_t out[SMOO_STATUS_BYTES];
    pthread_mutex_lock(&lock);
    smoo_encode_status(out, status_flags, status_count, status_session);
    pthread_mutex_unlock(&lock);
    if (reply(out, sizeof out))
        note_status();
}

static void receive_config(uint16_t length)
{
    static uint8_t data[SMOO_CONFIG_MAX_BYTES];
    ssize_t n;
    do
        n = read(ep0, data, length);
    while (n < 0 && errno == EINTR);
    if (n == length)
        note_config(data, length);
}

static void answer_setup(const struct usb_setup *setup)
{
    bool to_host = setup->request_type & 0x80;
    uint8_t ident[SMOO_IDENT_BYTES];
    switch (setup->request_type << 8 | setup->request) {
    case SMOO_IDENT:
        if (setup->length < SMOO_IDENT_BYTES)
            break;
        smoo_encode_ident(ident);
        (void)reply(ident, sizeof ident);
        return;
    case SMOO_STATUS:
        if (setup->length < SMOO_STATUS_BYTES)
            break;
        answer_status();
        return;
    case SMOO_CONFIG_EXPORTS:
        if (setup->length < 8 || setup->length > SMOO_CONFIG_MAX_BYTES)
            break;
        receive_config(setup->length);
        return;
    }
    stall(to_host);
}

static void *answer_ep0(void *unused)
{
    for (;;) {
        struct ffs_event event;
        ssize_t n = read(ep0, &event, sizeof event); /* one at a time: a SETUP must be the last */
        if (n != sizeof event) {
            struct timespec pause = {0, 20000000};
            if (n >= 0 || (errno != EINTR && errno != EIDRM))
                nanosleep(&pause, NULL);
            continue;
        }
        if (event.type == FFS_SETUP)
            answer_setup(&event.setup);
        else if (event.type == FFS_ENABLE || event.type == FFS_DISABLE || event.type == FFS_UNBIND)
            note_link();
    }
    return unused;
}

int ffs_open(bool mimic_fastboot, int endpoints[EP_COUNT], const char **what)
{
    struct usb_interface *interface[] = {&descriptors.full.interface, &descriptors.high.interface,
                                         &descriptors.super.interface};
    for (int i = 0; mimic_fastboot && i < 3; i++) {
        interface[i]->subclass = 0x42;
        interface[i]->protocol = 0x03;
    }
    *what = "ep0";
    ep0 = open(EP0_PATH, O_RDWR | O_CLOEXEC);
    if (ep0 < 0)
        return -errno;
    *what = "descriptors";
    if (write(ep0, &descriptors, sizeof descriptors) != sizeof descriptors)
        return -errno;
    *what = "strings";
    if (write(ep0, &strings, sizeof strings) != sizeof strings)
        return -errno;
    for (int i = 0; i < EP_COUNT; i++) {
        char path[] = FFS_DIRECTORY "/ep1";
        path[sizeof path - 2] = (char)('1' + i);
        *what = "endpoints";
        /* Non-blocking: a submission must not wait for a host while the disks wait for it. */
        endpoints[i] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (endpoints[i] < 0)
            return -errno;
    }
    return 0;
}

int ffs_start(int wake_fd, uint32_t page_bytes)
{
    pthread_t thread;
    mail_fd = wake_fd;
    page_size = page_bytes;
    return -pthread_create(&thread, NULL, answer_ep0, NULL);
}
