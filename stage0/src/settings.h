/* The settings of stage0 and the pure parsers of everything the host wrote into the initramfs. */
#ifndef STAGE0_SETTINGS_H
#define STAGE0_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum on_fail { ON_FAIL_BOOTLOADER, ON_FAIL_REBOOT, ON_FAIL_POWEROFF, ON_FAIL_PANIC };
enum disk_format { FORMAT_NONE, FORMAT_EROFS, FORMAT_EXT4 };

struct settings {
    enum disk_format rootfs, modules;
    char kver[65]; /* utsname.release holds 64 bytes and a NUL */
    char serial[127];
    char init[256];
    uint32_t timeout_s;
    enum on_fail on_fail;
    bool remove_fstab, mimic_fastboot;
    uint16_t vendor, product;
    uint32_t queue_depth, max_io_bytes;
};

/* One line of /modules/order. */
struct module_line {
    const char *name, *params;
    bool optional;
};

extern const char *const setting_keys[];

void settings_defaults(struct settings *s);
/* 0, -ENOENT for a key that does not exist, -EINVAL for a value that does not fit. */
int settings_apply(struct settings *s, const char *key, const char *value);
/* Unsigned number, decimal or 0x hex, within [min, max]; the whole text must be used. */
int parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out);
/* 1 = a module, 0 = nothing on this line, -EINVAL; cuts `line` in place. */
int parse_module_line(char *line, struct module_line *out);
/* Copies the value of the last `key=` word of a kernel command line; false when there is none. */
bool cmdline_value(const char *cmdline, const char *key, char *out, size_t out_size);
/* Cuts spaces, tabs and newlines off the end, in place. */
void trim_end(char *text);
const char *on_fail_name(enum on_fail action);
const char *format_name(enum disk_format format);

#endif
