/*
 * Loads the kernel modules of /modules/order. The host has put them in load order, dependencies
 * first, inflated; so there is no modules.dep here, and no decompression flag that depends on how
 * the kernel was built.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "phases.h"
#include "text.h"
#include "watch.h"

#define ORDER "/modules/order"
#define ORDER_BYTES 32768

static int load(const struct module_line *module)
{
    char path[256];
    text_format(path, sizeof path, "/modules/%s", module->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    long result = syscall(SYS_finit_module, fd, module->params, 0);
    int error = result && errno != EEXIST ? -errno : 0; /* EEXIST: loaded or built in */
    close(fd);
    return error;
}

void load_modules(void)
{
    static char text[ORDER_BYTES];
    unsigned loaded = 0, skipped = 0;
    watch_step("modules", ORDER, "the list of modules");
    int n = read_file(ORDER, text, sizeof text);
    if (n == -ENOENT) {
        log_line("phase=modules loaded=0 (no %s)", ORDER);
        return;
    }
    if (n < 0)
        fatal("modules", ORDER, -n, "cannot read the list");
    for (char *line = text, *next; line; line = next) {
        struct module_line module;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        int kind = parse_module_line(line, &module);
        if (kind < 0)
            fatal("modules", ORDER, -kind, "bad line \"%.60s\"", line);
        if (!kind)
            continue;
        watch_step("modules", module.name, "the kernel to load the module");
        int error = load(&module);
        if (error && !module.optional)
            fatal("modules", module.name, -error, "cannot load the module");
        if (error)
            log_line("phase=modules skipped=%s errno=%d", module.name, -error);
        *(error ? &skipped : &loaded) += 1;
    }
    log_line("phase=modules loaded=%u skipped=%u", loaded, skipped);
}
