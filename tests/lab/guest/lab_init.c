/*
 * Started by the virtual phone's kernel with rdinit=/lab/init, before stage0 and never part of it.
 *
 * It loads the modules of a virtual USB port, starts the exporter, removes every trace of the lab from
 * the initramfs and execs /init as PID 1 with the arguments and environment that the kernel gave.
 */
#define _GNU_SOURCE
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The new mount API has one number on every architecture (include/uapi/asm-generic/unistd.h). */
enum { NR_FSOPEN = 430, NR_FSCONFIG = 431, NR_FSMOUNT = 432 };
enum { FSCONFIG_CREATE = 6, FSOPEN_FLAG = 1, FSMOUNT_FLAG = 1 };

struct lab_mounts lab_mounts = { -1, -1, -1 };

void lab_say(const char *format, ...)
{
	char line[512] = "LAB ";
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line + 4, sizeof line - 6, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if (length > (int)sizeof line - 7)
		length = sizeof line - 7;
	memcpy(line + 4 + length, "\r\n", 2);
	int console = lab_mounts.dev < 0 ? dup(1) :
		openat(lab_mounts.dev, "console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		return;
	if (write(console, line, 4 + length + 2) < 0) { /* nowhere left to say it */ }
	close(console);
}

int lab_mount(const char *type)
{
	int context = syscall(NR_FSOPEN, type, FSOPEN_FLAG);
	if (context < 0)
		return -1;
	int root = -1;
	if (syscall(NR_FSCONFIG, context, FSCONFIG_CREATE, NULL, NULL, 0) == 0)
		root = syscall(NR_FSMOUNT, context, FSMOUNT_FLAG, 0);
	close(context);
	return root;
}

int lab_read(int root, const char *path, char *into, size_t size)
{
	int file = openat(root, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	ssize_t length = read(file, into, size - 1);
	close(file);
	if (length < 0)
		return -1;
	if (length > 0 && into[length - 1] == '\n')
		length--;
	into[length] = 0;
	return length;
}

int lab_write(int root, const char *path, const char *value, size_t length)
{
	int file = openat(root, path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -1;
	ssize_t written = write(file, value, length);
	int error = errno;
	close(file);
	errno = error;
	return written < 0 ? -1 : 0;
}

static void load_modules(void)
{
	FILE *order = fopen("/lab/modules/order", "re");
	if (!order) {
		lab_say("no /lab/modules/order: %m");
		return;
	}
	char line[256], path[320];
	while (fgets(line, sizeof line, order)) {
		line[strcspn(line, "\n")] = 0;
		char *parameters = strchr(line, ' ');
		if (parameters)
			*parameters++ = 0;
		snprintf(path, sizeof path, "/lab/modules/%s", line);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || syscall(SYS_finit_module, file, parameters ? parameters : "", 0))
			lab_say("module %s: %m", line);
		if (file >= 0)
			close(file);
		unlink(path);
	}
	fclose(order);
	unlink("/lab/modules/order");
}

/* QEMU's user network gives the guest 10.0.2.15/24 and forwards ports to it. */
static void bring_network_up(void)
{
	static const struct { const char *name, *address, *mask; } links[] = {
		{ "lo", "127.0.0.1", "255.0.0.0" },
		{ "eth0", "10.0.2.15", "255.255.255.0" },
	};
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		struct ifreq request = { 0 };
		struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
		strcpy(request.ifr_name, links[i].name);
		address->sin_family = AF_INET;
		address->sin_addr.s_addr = inet_addr(links[i].address);
		if (ioctl(control, SIOCSIFADDR, &request))
			lab_say("address of %s: %m", links[i].name);
		address->sin_addr.s_addr = inet_addr(links[i].mask);
		if (ioctl(control, SIOCSIFNETMASK, &request))
			lab_say("netmask of %s: %m", links[i].name);
		request.ifr_flags = IFF_UP | IFF_RUNNING;
		if (ioctl(control, SIOCSIFFLAGS, &request))
			lab_say("%s up: %m", links[i].name);
	}
	close(control);
}

/* Lives as long as stage0's server does: systemd spares argv[0] with '@', other inits send SIGTERM first. */
static void become_exporter(void)
{
	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	lab_mounts.proc = lab_mount("proc");
	lab_mounts.sys = lab_mount("sysfs");
	lab_mounts.dev = lab_mount("devtmpfs");
	for (int file = 0; file < 3; file++)
		close(file);
	int null = openat(lab_mounts.dev, "null", O_RDWR);
	while (null >= 0 && null < 2)
		null = dup(null);
	lab_write(lab_mounts.proc, "self/oom_score_adj", "-1000", 5);
	lab_export();
}

static void start_exporter(char *envp[])
{
	int started[2];
	if (pipe2(started, O_CLOEXEC))
		return;
	if (fork() == 0) {
		char *arguments[] = { "@lab-export", NULL };
		execve("/lab/init", arguments, envp);
		_exit(127);
	}
	close(started[1]);
	char end;
	if (read(started[0], &end, 1)) { /* returns 0 once the exec has closed the other side */ }
	close(started[0]);
}

int main(int argc, char *argv[], char *envp[])
{
	(void)argc;
	if (argv[0][0] == '@')
		become_exporter();
	load_modules();
	bring_network_up();
	start_exporter(envp);
	rmdir("/lab/modules");
	unlink("/lab/init");
	rmdir("/lab");
	argv[0] = "/init";
	execve("/init", argv, envp);
	lab_say("cannot start /init: %m");
	reboot(RB_POWER_OFF);
	return 1;
}
