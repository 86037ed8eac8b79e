/*
 * Runs stage0's pure parsers on the host: one parser per call, named by the first word, input from
 * the arguments or from stdin, result as text on stdout. tests/stage0/ compiles and asks it.
 */
#include <stdio.h>
#include <string.h>

#include "../src/settings.h"
#include "../src/smoo.h"
#include "../src/superblock.h"
#include "../src/text.h"

static uint8_t input[1 << 20];

static size_t read_input(void)
{
    return fread(input, 1, sizeof input, stdin);
}

/* KEY VALUE ... -> the error of the last pair, then every setting. */
static int settings(int count, char **words)
{
    struct settings s;
    int error = 0;
    settings_defaults(&s);
    for (int i = 0; i + 1 < count; i += 2)
        error = settings_apply(&s, words[i], words[i + 1]);
    printf("error=%d rootfs=%s modules=%s kver=%s serial=%s init=%s timeout=%u onfail=%s fstab=%d "
           "id=%04x:%04x mimic=%d depth=%u max=%u\n",
           error, format_name(s.rootfs), format_name(s.modules), s.kver, s.serial, s.init,
           s.timeout_s, on_fail_name(s.on_fail), s.remove_fstab, s.vendor, s.product,
           s.mimic_fastboot, s.queue_depth, s.max_io_bytes);
    return 0;
}

static int module_line(char *line)
{
    struct module_line module = {"", "", false};
    int kind = parse_module_line(line, &module);
    printf("%d name=%s params=%s optional=%d\n", kind, kind == 1 ? module.name : "",
           kind == 1 ? module.params : "", module.optional);
    return 0;
}

static int cmdline(const char *text, const char *key)
{
    char value[16] = "";
    bool found = cmdline_value(text, key, value, sizeof value);
    printf("%d %s\n", found, value);
    return 0;
}

/* PAGE < bytes */
static int exports(const char *page_text)
{
    struct export_set set;
    uint32_t page = 4096;
    parse_number(page_text, 1, UINT32_MAX, &page);
    size_t length = read_input();
    int error = smoo_parse_exports(input, length, page, &set);
    printf("%d", error);
    for (uint32_t i = 0; i < set.count && !error; i++)
        printf(" %u/%u/%llu", set.disk[i].id, set.disk[i].block_size,
               (unsigned long long)set.disk[i].size_bytes);
    printf("\n");
    return 0;
}

/* Two sets as lists of ids, one character each: how the second relates to the first. */
static int compare(const char *running, const char *wanted)
{
    struct export_set sets[2] = {{0}, {0}};
    const char *lists[2] = {running, wanted};
    for (int s = 0; s < 2; s++)
        for (const char *id = lists[s]; *id; id++)
            sets[s].disk[sets[s].count++] = (struct export_spec){(uint32_t)*id, 4096, 4096};
    printf("%d\n", smoo_compare_exports(&sets[0], &sets[1]));
    return 0;
}

static int superblock(void)
{
    char label[17];
    if (read_input() < SUPERBLOCK_PROBE_BYTES)
        return 1;
    ext4_label(input, label);
    printf("%s %s\n", format_name(probe_format(input)), label);
    return 0;
}

static void print_bytes(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

/* < 28 bytes -> decoded, and encoded again. */
static int message(void)
{
    struct smoo_message m;
    uint8_t out[SMOO_MESSAGE_BYTES];
    if (read_input() != SMOO_MESSAGE_BYTES)
        return 1;
    int error = smoo_decode_message(input, &m);
    printf("%d op=%u status=%u id=%u export=%u lba=%llu blocks=%u flags=%u ", error, m.op, m.status,
           m.request_id, m.export_id, (unsigned long long)m.lba, m.num_blocks, m.flags);
    smoo_encode_message(out, &m);
    print_bytes(out, sizeof out);
    return 0;
}

static int control(void)
{
    uint8_t ident[SMOO_IDENT_BYTES], status[SMOO_STATUS_BYTES];
    smoo_encode_ident(ident);
    smoo_encode_status(status, SMOO_STATUS_ACTIVE, 2, 0x0102030405060708ULL);
    print_bytes(ident, sizeof ident);
    print_bytes(status, sizeof status);
    return 0;
}

static int text(void)
{
    char out[64], tiny[8];
    text_format(out, sizeof out, "%s|%.3s|%d|%d|%u|%llu|%04x|%%", "abc", "defghi", -5, INT32_MIN,
                7U, 18446744073709551615ULL, 0xbeU);
    int n = text_format(tiny, sizeof tiny, "%s", "longer than it is");
    printf("%s %s %d\n", out, tiny, n);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "settings"))
        return settings(argc - 2, argv + 2);
    if (!strcmp(what, "module") && argc == 3)
        return module_line(argv[2]);
    if (!strcmp(what, "cmdline") && argc == 4)
        return cmdline(argv[2], argv[3]);
    if (!strcmp(what, "exports") && argc == 3)
        return exports(argv[2]);
    if (!strcmp(what, "compare") && argc == 4)
        return compare(argv[2], argv[3]);
    if (!strcmp(what, "superblock"))
        return superblock();
    if (!strcmp(what, "message"))
        return message();
    if (!strcmp(what, "control"))
        return control();
    if (!strcmp(what, "text"))
        return text();
    return 2;
}
