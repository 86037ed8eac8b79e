/*
 * Parsers of the settings, of /modules/order and of the kernel command line. Pure: no system call
 * is made here, so that the host's tests compile this file as it is.
 */
#include "settings.h"

#include <errno.h>
#include <string.h>

const char *const setting_keys[] = {
    "stage0.onfail", /* first: a later bad value must already end the way that was asked for */
    "stage0.rootfs", "stage0.modules", "stage0.kver", "stage0.serial", "stage0.init",
    "stage0.timeout", "stage0.yeetfstab", "smoo.vendor", "smoo.product", "smoo.mimic_fastboot",
    "smoo.queue_depth", "smoo.max_io_bytes", NULL,
};

static const char *const on_fail_names[] = {"bootloader", "reboot", "poweroff", "panic"};
static const char *const format_names[] = {"none", "erofs", "ext4"};

const char *on_fail_name(enum on_fail action)
{
    return on_fail_names[action];
}

const char *format_name(enum disk_format format)
{
    return format_names[format];
}

void settings_defaults(struct settings *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->serial, "0001", 5);
    s->timeout_s = 60;
    s->on_fail = ON_FAIL_BOOTLOADER;
    s->remove_fstab = true;
    s->vendor = 0xdead;
    s->product = 0xbeef;
    s->queue_depth = 16;
    s->max_io_bytes = 262144;
}

int parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    unsigned base = 10, digits = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    for (; *text; text++, digits++) {
        unsigned digit;
        if (*text >= '0' && *text <= '9')
            digit = (unsigned)(*text - '0');
        else if (base == 16 && (*text | 32) >= 'a' && (*text | 32) <= 'f')
            digit = (unsigned)((*text | 32) - 'a') + 10;
        else
            return -EINVAL;
        value = value * base + digit;
        if (value > UINT32_MAX)
            return -EINVAL;
    }
    if (!digits || value < min || value > max)
        return -EINVAL;
    *out = (uint32_t)value;
    return 0;
}

static int apply_bool(bool *target, const char *value)
{
    uint32_t number;
    if (parse_number(value, 0, 1, &number))
        return -EINVAL;
    *target = number == 1;
    return 0;
}

static int apply_id(uint16_t *target, const char *value)
{
    uint32_t number;
    if (parse_number(value, 0, 0xffff, &number))
        return -EINVAL;
    *target = (uint16_t)number;
    return 0;
}

static int apply_text(char *target, size_t size, const char *value)
{
    size_t length = strlen(value);
    if (!length || length >= size)
        return -EINVAL;
    memcpy(target, value, length + 1);
    return 0;
}

static int apply_name(const char *const *names, unsigned first, unsigned count, const char *value)
{
    for (unsigned i = first; i < count; i++)
        if (!strcmp(names[i], value))
            return (int)i;
    return -EINVAL;
}

int settings_apply(struct settings *s, const char *key, const char *value)
{
    int found;
    if (!strcmp(key, "stage0.rootfs") || !strcmp(key, "stage0.modules")) {
        bool is_root = !strcmp(key, "stage0.rootfs");
        found = apply_name(format_names, is_root ? FORMAT_EROFS : FORMAT_EXT4, 3, value);
        if (found < 0)
            return found;
        *(is_root ? &s->rootfs : &s->modules) = (enum disk_format)found;
        return 0;
    }
    if (!strcmp(key, "stage0.onfail")) {
        found = apply_name(on_fail_names, 0, 4, value);
        if (found < 0)
            return found;
        s->on_fail = (enum on_fail)found;
        return 0;
    }
    if (!strcmp(key, "stage0.kver"))
        return apply_text(s->kver, sizeof s->kver, value);
    if (!strcmp(key, "stage0.serial"))
        return apply_text(s->serial, sizeof s->serial, value);
    if (!strcmp(key, "stage0.init"))
        return value[0] == '/' ? apply_text(s->init, sizeof s->init, value) : -EINVAL;
    if (!strcmp(key, "stage0.timeout"))
        return parse_number(value, 1, 86400, &s->timeout_s);
    if (!strcmp(key, "stage0.yeetfstab"))
        return apply_bool(&s->remove_fstab, value);
    if (!strcmp(key, "smoo.vendor"))
        return apply_id(&s->vendor, value);
    if (!strcmp(key, "smoo.product"))
        return apply_id(&s->product, value);
    if (!strcmp(key, "smoo.mimic_fastboot"))
        return apply_bool(&s->mimic_fastboot, value);
    if (!strcmp(key, "smoo.queue_depth"))
        return parse_number(value, 1, 64, &s->queue_depth);
    if (!strcmp(key, "smoo.max_io_bytes")) {
        uint32_t number; /* up to 4 MiB: 64 locked buffers of it are already 256 MiB a disk */
        if (parse_number(value, 4096, 4194304, &number) || number % 4096)
            return -EINVAL;
        s->max_io_bytes = number;
        return 0;
    }
    return -ENOENT;
}

void trim_end(char *text)
{
    size_t length = strlen(text);
    while (length && strchr(" \t\r\n", text[length - 1]))
        text[--length] = 0;
}

int parse_module_line(char *line, struct module_line *out)
{
    trim_end(line);
    while (*line == ' ' || *line == '\t')
        line++;
    if (!*line || *line == '#')
        return 0;
    out->optional = *line == '?';
    if (out->optional)
        line++;
    while (*line == ' ')
        line++;
    out->name = line;
    line += strcspn(line, " \t");
    if (*line)
        *line++ = 0;
    out->params = line + strspn(line, " \t");
    size_t length = strlen(out->name);
    /* The name becomes a path under /modules and must not lead out of it. */
    if (length < 4 || length > 200 || strchr(out->name, '/'))
        return -EINVAL;
    if (strcmp(out->name + length - 3, ".ko"))
        return -EINVAL;
    return 1;
}

bool cmdline_value(const char *cmdline, const char *key, char *out, size_t out_size)
{
    size_t key_length = strlen(key);
    bool found = false;
    while (*cmdline) {
        cmdline += strspn(cmdline, " \t\r\n");
        size_t word = strcspn(cmdline, " \t\r\n");
        if (word > key_length && cmdline[key_length] == '=' && !memcmp(cmdline, key, key_length)) {
            size_t length = word - key_length - 1;
            if (length && length < out_size) {
                memcpy(out, cmdline + key_length + 1, length);
                out[length] = 0;
                found = true;
            }
        }
        cmdline += word;
    }
    return found;
}
