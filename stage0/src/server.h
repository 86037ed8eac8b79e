/* The block server's entry. */
#ifndef STAGE0_SERVER_H
#define STAGE0_SERVER_H

#include "settings.h"

/* Serves for ever in a forked child. `link_fd` is its end of the pair; argv becomes its name. */
_Noreturn void serve(const struct settings *s, int link_fd, char **argv);

#endif
