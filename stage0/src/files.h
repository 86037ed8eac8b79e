/* The few file operations that several phases need. All return 0 (or a length) or -errno. */
#ifndef STAGE0_FILES_H
#define STAGE0_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes `text` to an existing file in one write, as configfs and sysfs attributes want it. */
int write_file(const char *path, const char *text);
/* The same for a file that is made if it is not there. */
int create_file(const char *path, const char *text);
/* Reads at most size-1 bytes and ends them with a NUL; -EFBIG when the file holds more. */
int read_file(const char *path, char *out, size_t size);
/* mkdir that is content with an existing directory. */
int make_directory(const char *path, mode_t mode);
/* Every missing directory of `path`, 0755. */
int make_directories(const char *path);
bool is_directory(const char *path);
/* Calls `visit` for every name in the open directory but `.` and `..`; it may remove that name. */
int list_directory(int fd, void (*visit)(const char *name, void *context), void *context);

#endif
