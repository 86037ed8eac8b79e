/* Keeps the server alive through the shutdown of an init that knows no `@`. */
#ifndef STAGE0_PROTECT_H
#define STAGE0_PROTECT_H

/* Called by PID 1 as its last act before it executes `init`, which is not systemd. */
void protect_server(const char *init);

#endif
