/* The deadline of whatever PID 1 is doing now. */
#ifndef STAGE0_WATCH_H
#define STAGE0_WATCH_H

#include <stdint.h>

/* Starts the thread that ends the boot when a step outlives its deadline. */
void watch_start(uint32_t timeout_s);
/* A step begins: `what` says what is waited for. Every later call replaces it. */
void watch_step(const char *phase, const char *object, const char *what);
/* Milliseconds left of the step, 0 when it is over. */
int watch_left_ms(void);
/* Ends the boot: the step is over. */
_Noreturn void watch_expired(void);
int64_t monotonic_ms(void);

#endif
