/* Reads the settings from /etc/stage0, one file per key. */
#include <errno.h>
#include <string.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "text.h"

static void read_setting(struct settings *s, const char *key)
{
    char path[64], value[512];
    text_format(path, sizeof path, "/etc/stage0/%s", key);
    int n = read_file(path, value, sizeof value);
    if (n == -ENOENT)
        return;
    if (n < 0)
        fatal("settings", key, -n, "cannot read the setting");
    trim_end(value);
    int error = settings_apply(s, key, value);
    if (error)
        fatal("settings", key, -error, "value \"%.80s\" is not allowed", value);
}

void read_settings(struct settings *s, const char *release)
{
    settings_defaults(s);
    for (const char *const *key = setting_keys; *key; key++) {
        read_setting(s, *key);
        fatal_action(s->on_fail);
    }
    if (s->rootfs == FORMAT_NONE)
        fatal("settings", "stage0.rootfs", ENOENT, "the file system of export 0 is not set");
    if (s->kver[0] && strcmp(s->kver, release))
        fatal("settings", "stage0.kver", ENOEXEC, "the modules are for %s, the kernel is %s",
              s->kver, release);
}
