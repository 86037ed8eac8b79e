/*
 * PID 1 must never hang without a word. Its own waits look at watch_left_ms(); but mount(2),
 * finit_module(2) or a read of a disk whose host went away wait inside the kernel, where no signal
 * ends them. A thread looks after those: it prints the same FATAL line and ends the machine while
 * the first thread is still stuck. exec() ends the thread, so nothing of it outlives the hand-over.
 */
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "log.h"

/* The watched thread gets this long to notice its own deadline and to say it better. */
#define GRACE_MS 500
#define LOOK_NS 100000000L

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t deadline_ms;
static uint32_t step_seconds;
static const char *step_phase = "start", *step_object = "-", *step_what = "the start";

int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void watch_step(const char *phase, const char *object, const char *what)
{
    pthread_mutex_lock(&lock);
    deadline_ms = monotonic_ms() + (int64_t)step_seconds * 1000;
    step_phase = phase;
    step_object = object;
    step_what = what;
    pthread_mutex_unlock(&lock);
}

int watch_left_ms(void)
{
    int64_t left = deadline_ms - monotonic_ms();
    return left > 0 ? (int)left : 0;
}

_Noreturn void watch_expired(void)
{
    fatal(step_phase, step_object, ETIMEDOUT, "waited %u s for %s", step_seconds, step_what);
}

static void *look(void *unused)
{
    struct timespec pause = {0, LOOK_NS};
    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock); /* never released on expiry: the step may not change any more */
        if (monotonic_ms() > deadline_ms + GRACE_MS)
            watch_expired();
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

void watch_start(uint32_t timeout_s)
{
    pthread_t thread;
    step_seconds = timeout_s;
    watch_step("start", "-", "the start");
    int error = pthread_create(&thread, NULL, look, NULL);
    if (error)
        fatal("start", "watch", error, "cannot start the thread that keeps the deadlines");
}
