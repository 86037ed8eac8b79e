/* Formatting into a fixed buffer, because printf alone would be a sixth of the binary. */
#ifndef STAGE0_TEXT_H
#define STAGE0_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * %s %.Ns %d %u %llu %x %0Nx %%, cut to the buffer, always NUL-terminated.
 * Both return the length that is in the buffer, not the one that was wanted.
 */
int text_format(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int text_vformat(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
