/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that look at devices, and that drive them in ways no driver would. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/guest.h"

enum { PAGE = 4096 };

static const char pci_devices[] = "/sys/bus/pci/devices";

/* A one-line file of a PCI device, without the newline; "?" if it can't be read. */
static void pci_attribute(const char *address, const char *name, char *buf, size_t size)
{
	char path[512];
	long len;

	snprintf(path, sizeof(path), "%s/%s/%s", pci_devices, address, name);
	len = file_read(path, buf, size);
	if (len <= 0)
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
}

/* The name of the driver that has a PCI device, or "-". */
static void pci_driver(const char *address, char *buf, size_t size)
{
	char path[512];
	char target[256];
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s/driver", pci_devices, address);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0) {
		snprintf(buf, size, "-");
		return;
	}
	target[len] = '\0';
	name = strrchr(target, '/');
	snprintf(buf, size, "%.60s", name ? name + 1 : target);
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_lspci(int n_args, char **args, const char *rest)
{
	struct dirent **entries;
	int n = scandir(pci_devices, &entries, no_dots, alphasort);

	(void)n_args;
	(void)rest;
	if (n < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		const char *address = entries[i]->d_name;
		char vendor[16], device[16], class[16], driver[64];

		pci_attribute(address, "vendor", vendor, sizeof(vendor));
		pci_attribute(address, "device", device, sizeof(device));
		pci_attribute(address, "class", class, sizeof(class));
		pci_driver(address, driver, sizeof(driver));
		say("| %s %s:%s %s %s", address, vendor, device, class, driver);
		free(entries[i]);
	}
	free(entries);
	ok(args[0], "%d", n);
}

static void run_irqs(int n_args, char **args, const char *rest)
{
	static char text[65536];
	const char *only = n_args > 1 ? args[1] : "MSI";
	int n = 0;

	(void)rest;
	if (file_read("/proc/interrupts", text, sizeof(text)) < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (strcmp(only, "all") != 0 && !strstr(line, only))
			continue;
		say("| %s", line);
		n++;
	}
	ok(args[0], "%d", n);
}

static void run_rng(int n_args, char **args, const char *rest)
{
	uint8_t data[1024];
	char current[64];
	uint64_t wanted;
	size_t got = 0;
	int error = 0;

	(void)n_args;
	(void)rest;
	if (!word_number(args[1], &wanted) || wanted == 0 || wanted > sizeof(data)) {
		failed(args[0], "%s isn't a number from 1 to %zu", args[1], sizeof(data));
		return;
	}

	int fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		failed(args[0], "/dev/hwrng: %s", strerror(errno));
		return;
	}
	while (got < wanted) {
		ssize_t n = read(fd, data + got, wanted - got);

		if (n <= 0) {
			error = n < 0 ? errno : ENODATA;
			break;
		}
		got += (size_t)n;
	}
	close(fd);
	if (error) {
		failed(args[0], "/dev/hwrng after %zu bytes: %s", got, strerror(error));
		return;
	}
	for (size_t at = 0; at < got; at += 32) {
		char hex[65] = "";

		for (size_t i = 0; i < 32 && at + i < got; i++)
			snprintf(hex + 2 * i, 3, "%02x", data[at + i]);
		say("| %s", hex);
	}
	if (file_read("/sys/class/misc/hw_random/rng_current", current, sizeof(current)) <= 0)
		snprintf(current, sizeof(current), "?");
	current[strcspn(current, "\n")] = '\0';
	ok(args[0], "%zu %s", got, current);
}

static void run_winsize(int n_args, char **args, const char *rest)
{
	struct winsize size;

	(void)n_args;
	(void)rest;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0) {
		failed(args[0], "%s", strerror(errno));
		return;
	}
	ok(args[0], "%u %u", size.ws_row, size.ws_col);
}

/* A width in bytes: 1, 2, 4 or 8, but at most max. */
static bool parse_width(const char *word, unsigned max, unsigned *ret_width)
{
	uint64_t width;

	if (!word_number(word, &width) || width > max ||
	    (width != 1 && width != 2 && width != 4 && width != 8))
		return false;
	*ret_width = (unsigned)width;
	return true;
}

/* The arguments of the read and write orders: ADDRESS WIDTH [VALUE]. */
struct access {
	uint64_t address;
	unsigned width;
	uint64_t value;
	bool write;
};

static bool parse_access(const char *order, int n_words, char **words, unsigned max_width,
			 struct access *ret)
{
	struct access a = { .write = n_words > 2 };

	if (!word_number(words[0], &a.address)) {
		failed(order, "%s isn't an address", words[0]);
		return false;
	}
	if (!parse_width(words[1], max_width, &a.width)) {
		failed(order, "%s isn't a width in bytes", words[1]);
		return false;
	}
	if (a.write && !word_number(words[2], &a.value)) {
		failed(order, "%s isn't a value", words[2]);
		return false;
	}
	*ret = a;
	return true;
}

static void say_access(const char *order, const struct access *a)
{
	ok(order, "0x%" PRIx64 " 0x%0*" PRIx64, a->address, (int)a->width * 2, a->value);
}

/* One load or store, of just that width. */
static void touch(volatile void *at, struct access *a)
{
	switch (a->width) {
	case 1:
		if (a->write)
			*(volatile uint8_t *)at = (uint8_t)a->value;
		else
			a->value = *(volatile uint8_t *)at;
		break;
	case 2:
		if (a->write)
			*(volatile uint16_t *)at = (uint16_t)a->value;
		else
			a->value = *(volatile uint16_t *)at;
		break;
	case 4:
		if (a->write)
			*(volatile uint32_t *)at = (uint32_t)a->value;
		else
			a->value = *(volatile uint32_t *)at;
		break;
	default:
		if (a->write)
			*(volatile uint64_t *)at = a->value;
		else
			a->value = *(volatile uint64_t *)at;
		break;
	}
}

static void run_mem(int n_args, char **args, const char *rest)
{
	struct access a;

	(void)rest;
	if (!parse_access(args[0], n_args - 1, args + 1, 8, &a))
		return;

	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	uint64_t page = a.address / PAGE * PAGE;

	if (fd < 0) {
		failed(args[0], "/dev/mem: %s", strerror(errno));
		return;
	}

	/* Only an access across a page's end needs the next page, which may be another device's. */
	size_t len = a.address - page + a.width > PAGE ? 2 * PAGE : PAGE;
	uint8_t *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)page);

	close(fd);
	if (map == MAP_FAILED) {
		failed(args[0], "map 0x%" PRIx64 ": %s%s", page, strerror(errno),
		       errno == EPERM ? " (a driver has it: iomem=relaxed)" : "");
		return;
	}
	touch(map + (a.address - page), &a);
	munmap(map, len);
	say_access(args[0], &a);
}

static void run_pio(int n_args, char **args, const char *rest)
{
	struct access a;

	(void)rest;
	if (!parse_access(args[0], n_args - 1, args + 1, 4, &a))
		return;
	if (a.address > 0xffff) {
		failed(args[0], "%s isn't a port", args[1]);
		return;
	}
	if (iopl(3) < 0) {
		failed(args[0], "iopl: %s", strerror(errno));
		return;
	}

	uint16_t port = (uint16_t)a.address;

	if (a.width == 1 && a.write)
		outb((uint8_t)a.value, port);
	else if (a.width == 1)
		a.value = inb(port);
	else if (a.width == 2 && a.write)
		outw((uint16_t)a.value, port);
	else if (a.width == 2)
		a.value = inw(port);
	else if (a.write)
		outl((uint32_t)a.value, port);
	else
		a.value = inl(port);
	say_access(args[0], &a);
}

static void run_config(int n_args, char **args, const char *rest)
{
	struct access a;
	char path[128];
	const char *domain = strlen(args[1]) == strlen("00:00.0") ? "0000:" : "";

	(void)rest;
	if (strchr(args[1], '/')) {
		failed(args[0], "%s isn't a PCI address", args[1]);
		return;
	}
	if (!parse_access(args[0], n_args - 2, args + 2, 4, &a))
		return;
	snprintf(path, sizeof(path), "%s/%s%s/config", pci_devices, domain, args[1]);

	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		failed(args[0], "%s: %s", args[1], strerror(errno));
		return;
	}

	ssize_t n = a.write ? pwrite(fd, &a.value, a.width, (off_t)a.address)
			    : pread(fd, &a.value, a.width, (off_t)a.address);
	int error = errno;

	close(fd);
	if (n != (ssize_t)a.width) {
		failed(args[0], "%s at 0x%" PRIx64 ": %s", args[1], a.address,
		       n < 0 ? strerror(error) : "beyond its end");
		return;
	}
	say_access(args[0], &a);
}

const struct order device_orders[] = {
	{ "lspci", "", 0, 0, run_lspci },
	{ "irqs", "[PART|all]", 0, 1, run_irqs },
	{ "rng", "BYTES", 1, 1, run_rng },
	{ "winsize", "", 0, 0, run_winsize },
	{ "mem-read", "PHYS WIDTH", 2, 2, run_mem },
	{ "mem-write", "PHYS WIDTH VALUE", 3, 3, run_mem },
	{ "pio-read", "PORT WIDTH", 2, 2, run_pio },
	{ "pio-write", "PORT WIDTH VALUE", 3, 3, run_pio },
	{ "config-read", "ADDRESS OFFSET WIDTH", 3, 3, run_config },
	{ "config-write", "ADDRESS OFFSET WIDTH VALUE", 4, 4, run_config },
	{ NULL },
};
