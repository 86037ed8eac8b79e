/* The few conversions that stage0 uses. The compiler checks the calls as it does printf's. */
#include "text.h"

#include <stdint.h>
#include <string.h>

struct sink {
    char *out;
    size_t used, size;
};

static void put(struct sink *sink, char c)
{
    if (sink->used + 1 < sink->size)
        sink->out[sink->used++] = c;
}

static void put_number(struct sink *sink, uint64_t value, unsigned base, unsigned width)
{
    char digits[24];
    unsigned n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (n < width && n < sizeof digits)
        digits[n++] = '0';
    while (n)
        put(sink, digits[--n]);
}

static unsigned read_width(const char **format)
{
    unsigned width = 0;
    while (**format >= '0' && **format <= '9')
        width = width * 10 + (unsigned)(*(*format)++ - '0');
    return width;
}

int text_vformat(char *out, size_t size, const char *format, va_list args)
{
    struct sink sink = {out, 0, size};
    for (; *format; format++) {
        if (*format != '%') {
            put(&sink, *format);
            continue;
        }
        format++;
        unsigned width = read_width(&format), limit = UINT32_MAX;
        if (*format == '.') {
            format++;
            limit = read_width(&format);
        }
        if (*format == 's') {
            const char *text = va_arg(args, const char *);
            while (limit-- && *text)
                put(&sink, *text++);
        } else if (*format == 'd') {
            int value = va_arg(args, int);
            if (value < 0)
                put(&sink, '-');
            put_number(&sink, value < 0 ? -(int64_t)value : value, 10, width);
        } else if (*format == 'u' || *format == 'x') {
            put_number(&sink, va_arg(args, unsigned), *format == 'x' ? 16 : 10, width);
        } else if (*format == 'l') { /* %llu only */
            format += 2;
            put_number(&sink, va_arg(args, unsigned long long), 10, width);
        } else {
            put(&sink, *format);
        }
    }
    if (size)
        out[sink.used] = 0;
    return (int)sink.used;
}

int text_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = text_vformat(out, size, format, args);
    va_end(args);
    return n;
}
