/*
 * The exporter: hands the gadget that stage0 put on the virtual USB port to usbip-host, and answers
 * USB/IP's discovery and import on port 3240. After an import the kernel owns the connection.
 *
 * Source: Documentation/usb/usbip_protocol.rst, drivers/usb/usbip/stub_dev.c in the kernel tree.
 */
#define _GNU_SOURCE
#include "lab.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { USBIP_PORT = 3240, CONTROL_PORT = 3241 };
enum { STATUS_AVAILABLE = 1, STATUS_ERROR = 3 };
enum { REPLY_OK = 0, REPLY_BUSY = 2, REPLY_NO_DEVICE = 4 };
enum { BUSID_SIZE = 32, RECORD_SIZE = 312 };

#define DEVICES "bus/usb/devices/"
#define STUB "bus/usb/drivers/usbip-host/"
#define NETLINK_UEVENT 15

int lab_listen(int port)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8)) {
		lab_say("listen on %d: %m", port);
		return -1;
	}
	return listener;
}

static int attribute(const char *busid, const char *name, char *into, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, DEVICES "%s/%s", busid, name);
	return lab_read(lab_mounts.sys, path, into, size);
}

static long attribute_number(const char *busid, const char *name, int base)
{
	char text[32];
	return attribute(busid, name, text, sizeof text) > 0 ? strtol(text, NULL, base) : -1;
}

/* The one device on the virtual port: neither a root hub (usb1) nor an interface (1-1:1.0). */
static int find_gadget(char busid[BUSID_SIZE])
{
	int file = openat(lab_mounts.sys, DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *devices = file < 0 ? NULL : fdopendir(file);
	int found = 0;
	for (struct dirent *entry; devices && (entry = readdir(devices)) && !found;) {
		if (!strchr(entry->d_name, '-') || strchr(entry->d_name, ':') ||
		    strlen(entry->d_name) >= BUSID_SIZE)
			continue;
		memset(busid, 0, BUSID_SIZE);
		strcpy(busid, entry->d_name);
		found = 1;
	}
	if (devices)
		closedir(devices);
	return found;
}

static int has_stub(const char *busid)
{
	char path[128], target[256] = "";
	snprintf(path, sizeof path, DEVICES "%s/driver", busid);
	if (readlinkat(lab_mounts.sys, path, target, sizeof target - 1) < 0)
		return 0;
	const char *name = strrchr(target, '/');
	return name && !strcmp(name, "/usbip-host");
}

/* Gives a freshly enumerated gadget to usbip-host, and takes one that failed through a new bind. */
static void bind_stub(void)
{
	char busid[BUSID_SIZE], add[BUSID_SIZE + 4];
	if (!find_gadget(busid))
		return;
	size_t length = strlen(busid);
	if (has_stub(busid)) {
		if (attribute_number(busid, "usbip_status", 10) != STATUS_ERROR)
			return;
		lab_say("export of %s failed: bind again", busid);
		lab_write(lab_mounts.sys, STUB "unbind", busid, length);
	}
	int added = snprintf(add, sizeof add, "add %s", busid);
	lab_write(lab_mounts.sys, STUB "match_busid", add, added);
	lab_write(lab_mounts.sys, "bus/usb/drivers/usb/unbind", busid, length);
	if (lab_write(lab_mounts.sys, STUB "bind", busid, length) && !has_stub(busid))
		return;
	char speed[16] = "?";
	attribute(busid, "speed", speed, sizeof speed);
	lab_say("READY %s %s Mbit/s", busid, speed);
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, 4);
}

/* Fills the 312-byte device record. The stub compares devid, so bus and device number are read now. */
static int fill_record(const char *busid, uint8_t record[RECORD_SIZE])
{
	uint8_t descriptor[18];
	char path[128];
	snprintf(path, sizeof path, DEVICES "%s/descriptors", busid);
	int file = openat(lab_mounts.sys, path, O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? -1 : read(file, descriptor, sizeof descriptor);
	if (file >= 0)
		close(file);
	if (length != sizeof descriptor)
		return -1;
	memset(record, 0, RECORD_SIZE);
	snprintf((char *)record, 256, "/sys/" DEVICES "%s", busid);
	memcpy(record + 256, busid, strlen(busid));
	put32(record + 288, attribute_number(busid, "busnum", 10));
	put32(record + 292, attribute_number(busid, "devnum", 10));
	long megabits = attribute_number(busid, "speed", 10);
	put32(record + 296, megabits >= 5000 ? 5 : megabits >= 480 ? 3 : 2);
	for (int i = 0; i < 3; i++) { /* idVendor, idProduct, bcdDevice: little-endian in the descriptor */
		record[300 + 2 * i] = descriptor[9 + 2 * i];
		record[301 + 2 * i] = descriptor[8 + 2 * i];
	}
	memcpy(record + 306, descriptor + 4, 3);
	record[310] = descriptor[17];
	return 0;
}

static int read_all(int from, void *into, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t length = read(from, (char *)into + done, size - done);
		if (length <= 0)
			return -1;
		done += length;
	}
	return 0;
}

static void answer_list(int connection)
{
	char busid[BUSID_SIZE];
	uint8_t reply[12 + RECORD_SIZE] = { 1, 0x11, 0, 5 };
	size_t length = 12;
	if (find_gadget(busid) && has_stub(busid) && !fill_record(busid, reply + 12)) {
		put32(reply + 8, 1);
		length += RECORD_SIZE;
	}
	if (write(connection, reply, length) < 0) { /* the client has gone */ }
}

static void answer_import(int connection)
{
	char wanted[BUSID_SIZE + 1] = "", busid[BUSID_SIZE], number[16], path[128];
	uint8_t reply[8 + RECORD_SIZE] = { 1, 0x11, 0, 3 };
	if (read_all(connection, wanted, BUSID_SIZE))
		return;
	uint32_t status = REPLY_OK;
	if (!find_gadget(busid) || strcmp(busid, wanted) || !has_stub(busid) ||
	    fill_record(busid, reply + 8))
		status = REPLY_NO_DEVICE;
	else if (attribute_number(busid, "usbip_status", 10) != STATUS_AVAILABLE)
		status = REPLY_BUSY;
	put32(reply + 4, status);
	if (write(connection, reply, status ? 8 : sizeof reply) < 0 || status)
		return;
	snprintf(path, sizeof path, DEVICES "%s/usbip_sockfd", busid);
	snprintf(number, sizeof number, "%d", connection);
	if (lab_write(lab_mounts.sys, path, number, strlen(number)))
		lab_say("import of %s: %m", busid);
}

static void answer_usbip(int connection)
{
	uint8_t request[8];
	if (read_all(connection, request, sizeof request) || request[0] != 1 || request[1] != 0x11)
		return;
	if (request[2] == 0x80 && request[3] == 5)
		answer_list(connection);
	else if (request[2] == 0x80 && request[3] == 3)
		answer_import(connection);
}

/* One short-lived process per connection: a client that says nothing delays nobody else. */
static void accept_one(int listener, void (*answer)(int))
{
	int one = 1, connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0)
		return;
	if (fork() == 0) {
		struct timeval patience = { .tv_sec = 10 };
		setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		answer(connection);
		_exit(0);
	}
	close(connection);
}

static int open_uevents(void)
{
	struct { uint16_t family, pad; uint32_t pid, groups; } address = { AF_NETLINK, 0, 0, 1 };
	int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_UEVENT);
	if (events >= 0 && bind(events, (struct sockaddr *)&address, sizeof address))
		lab_say("uevents: %m");
	return events;
}

void lab_export(void)
{
	struct pollfd files[] = {
		{ .fd = open_uevents(), .events = POLLIN },
		{ .fd = lab_listen(USBIP_PORT), .events = POLLIN },
		{ .fd = lab_listen(CONTROL_PORT), .events = POLLIN },
	};
	char event[4096];
	for (;;) {
		bind_stub();
		/* The tick finds an export that failed: usbip-host sends no event for that. */
		if (poll(files, 3, 500) <= 0)
			continue;
		while (files[0].revents && recv(files[0].fd, event, sizeof event, 0) > 0) { }
		if (files[1].revents)
			accept_one(files[1].fd, answer_usbip);
		if (files[2].revents)
			accept_one(files[2].fd, lab_control);
	}
}
