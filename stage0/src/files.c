/* Small file operations with errno as result; nothing here decides what a failure means. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int write_text(const char *path, int flags, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    int error = n < 0 ? -errno : 0;
    close(fd);
    return error;
}

int write_file(const char *path, const char *text)
{
    return write_text(path, 0, text);
}

int create_file(const char *path, const char *text)
{
    return write_text(path, O_CREAT | O_TRUNC, text);
}

int read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t used = 0;
    ssize_t n;
    while (used < size && (n = read(fd, out + used, size - used)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int error = -errno;
            close(fd);
            return error;
        }
        used += (size_t)n;
    }
    close(fd);
    if (used == size)
        return -EFBIG;
    out[used] = 0;
    return (int)used;
}

int make_directory(const char *path, mode_t mode)
{
    if (!mkdir(path, mode))
        return 0;
    if (errno == EEXIST && is_directory(path))
        return 0;
    return -errno;
}

int make_directories(const char *path)
{
    char part[512];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        int error = make_directory(part, 0755);
        if (error)
            return error;
    }
    return 0;
}

bool is_directory(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* struct linux_dirent64 (include/linux/dirent.h); opendir() would bring malloc into the binary. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};
_Static_assert(offsetof(struct directory_entry, name) == 19, "linux_dirent64.d_name");

int list_directory(int fd, void (*visit)(const char *name, void *context), void *context)
{
    _Alignas(8) char buffer[2048];
    long n;
    while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < n;) {
            struct directory_entry *entry = (struct directory_entry *)(buffer + at);
            at += entry->length;
            if (strcmp(entry->name, ".") && strcmp(entry->name, ".."))
                visit(entry->name, context);
        }
    }
    return n < 0 ? -errno : 0;
}
