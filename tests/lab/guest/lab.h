/* The lab's program inside the virtual phone: what its parts share. */
#ifndef LAB_H
#define LAB_H

#include <stddef.h>

/*
 * Root directories of this program's own mounts. They come from fsmount(2) and are attached nowhere:
 * stage0 finds its file system as the boot image left it, and nothing it moves or frees reaches them.
 */
struct lab_mounts {
	int proc;
	int sys;
	int dev;
};

extern struct lab_mounts lab_mounts;

/* Prints `LAB text` on the console; opened anew each time, since a terminal hang-up ends old files. */
void lab_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Directory fd of a fresh, detached mount of `type`, or -1 with errno set. */
int lab_mount(const char *type);

/* Reads a small file below `root`, without its final newline. Length, or -1. */
int lab_read(int root, const char *path, char *into, size_t size);

/* Writes `value` to a file below `root` in one call. 0, or -1 with errno set. */
int lab_write(int root, const char *path, const char *value, size_t length);

/* Serves USB/IP (3240) and the control port (3241) for ever. */
void lab_export(void) __attribute__((noreturn));

/* Answers one connection of the control port. */
void lab_control(int connection);

/* Listening TCP socket on every address, or -1. */
int lab_listen(int port);

#endif
