/*
 * The control port: what a person would do to the phone. One command per connection, one line:
 *
 *   unplug            pull the cable: unbind every gadget from its controller
 *   replug CONTROLLER put it back
 *   read PATH         print a file below /proc or /sys
 *   write PATH VALUE  write one
 *   sysrq LETTER
 *   poweroff | reset  hold the power button: nothing is shut down before
 *
 * The answer is the file's text, or `ok`, or `error: reason`, ended by closing.
 */
#define _GNU_SOURCE
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

/* Writes `value` to the UDC attribute of every gadget; the former controller's name is printed. */
static int set_controller(int connection, const char *value)
{
	int root = lab_mount("configfs"), failed = -1;
	int file = root < 0 ? -1 : openat(root, "usb_gadget", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *gadgets = file < 0 ? NULL : fdopendir(file);
	for (struct dirent *entry; gadgets && (entry = readdir(gadgets));) {
		char path[320], former[128] = "";
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "usb_gadget/%s/UDC", entry->d_name);
		lab_read(root, path, former, sizeof former);
		failed = lab_write(root, path, value, strlen(value));
		if (!failed && former[0])
			dprintf(connection, "%s\n", former);
	}
	if (gadgets)
		closedir(gadgets);
	return failed;
}

static int open_path(const char *path, int flags)
{
	if (!strncmp(path, "/proc/", 6))
		return openat(lab_mounts.proc, path + 6, flags | O_CLOEXEC);
	if (!strncmp(path, "/sys/", 5))
		return openat(lab_mounts.sys, path + 5, flags | O_CLOEXEC);
	errno = EINVAL;
	return -1;
}

static int copy_file(int connection, const char *path)
{
	char piece[4096];
	ssize_t length;
	int file = open_path(path, O_RDONLY);
	if (file < 0)
		return -1;
	while ((length = read(file, piece, sizeof piece)) > 0)
		if (write(connection, piece, length) < 0)
			break;
	return length < 0 ? -1 : 0;
}

static int write_file(char *path)
{
	char *value = strchr(path, ' ');
	if (!value) {
		errno = EINVAL;
		return -1;
	}
	*value++ = 0;
	int file = open_path(path, O_WRONLY);
	return file < 0 || write(file, value, strlen(value)) < 0 ? -1 : 0;
}

static int obey(int connection, char *command)
{
	if (!strcmp(command, "unplug"))
		return set_controller(connection, "\n");
	if (!strncmp(command, "replug ", 7))
		return set_controller(connection, command + 7);
	if (!strncmp(command, "read ", 5))
		return copy_file(connection, command + 5);
	if (!strncmp(command, "write ", 6))
		return write_file(command + 6);
	if (!strncmp(command, "sysrq ", 6))
		return lab_write(lab_mounts.proc, "sysrq-trigger", command + 6, 1);
	if (!strcmp(command, "poweroff"))
		return reboot(RB_POWER_OFF);
	if (!strcmp(command, "reset"))
		return reboot(RB_AUTOBOOT);
	errno = ENOSYS;
	return -1;
}

void lab_control(int connection)
{
	char command[1024];
	size_t length = 0;
	while (length < sizeof command - 1) {
		if (read(connection, command + length, 1) <= 0)
			return;
		if (command[length] == '\n')
			break;
		length++;
	}
	command[length] = 0;
	int is_read = !strncmp(command, "read ", 5);
	if (obey(connection, command))
		dprintf(connection, "error: %s\n", strerror(errno));
	else if (!is_read)
		dprintf(connection, "ok\n");
}
