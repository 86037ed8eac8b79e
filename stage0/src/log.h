/* What stage0 says, and how it ends when it cannot go on. */
#ifndef STAGE0_LOG_H
#define STAGE0_LOG_H

#include "settings.h"

/* Opens /dev/kmsg and lifts its rate limit; before it only the console hears. */
void log_open(void);
/* One line, "stage0: ...", on the console and in the kernel log. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The kernel log alone: for the server, which must never wait for a console. */
void log_kernel(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From now on a failure ends this way. */
void fatal_action(enum on_fail action);
/* Prints the one FATAL line and ends the machine by the configured action. `error` is an errno. */
_Noreturn void fatal(const char *phase, const char *object, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
