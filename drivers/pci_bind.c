// SPDX-License-Identifier: BSD-3-Clause
// See pci_bind.h. Documentation/ABI/testing/sysfs-bus-pci has the files' meaning.
#include "pci_bind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "netdev.h"

#define CLASS_NETWORK 0x02 // the top byte of the class
#define CLASS_BRIDGE  0x06

bool pci_address(const char *text, char address[static 16])
{
	unsigned domain = 0, bus, slot, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
		text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 31 || function > 7)
		return false;
	snprintf(address, 16, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

__attribute__((format(printf, 2, 3))) static void path(
	char text[static PATH_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, PATH_MAX, format, arguments);
	va_end(arguments);
}

static int read_link_name(const char *link, char name[static 64])
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	const char *slash;

	name[0] = 0;
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(name, 64, "%.63s", slash ? slash + 1 : target);
	return 0;
}

int pci_driver(const char *sysfs, const char *address, char driver[static 64])
{
	char file[PATH_MAX];

	path(file, "%s/bus/pci/devices/%s", sysfs, address);
	if (access(file, F_OK) < 0)
		return -ENODEV;
	path(file, "%s/bus/pci/devices/%s/driver", sysfs, address);
	return read_link_name(file, driver);
}

static bool is_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool empty = true;

	while (dir && empty && (entry = readdir(dir)))
		empty = entry->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return empty;
}

const char *pci_user_driver(const char *sysfs)
{
	char folder[PATH_MAX];

	path(folder, "%s/kernel/iommu_groups", sysfs);
	return is_empty(folder) ? "uio_pci_generic" : "vfio-pci";
}

static unsigned read_class(const char *sysfs, const char *address)
{
	char file[PATH_MAX], text[32] = "";
	int fd;

	path(file, "%s/bus/pci/devices/%s/class", sysfs, address);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	return (unsigned)strtoul(text, NULL, 16) >> 16;
}

static int write_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int run_modprobe(const char *module)
{
	char *const arguments[] = {"modprobe", (char *)module, NULL};
	char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	int status, rc;
	pid_t pid;

	rc = posix_spawn(&pid, "/sbin/modprobe", NULL, NULL, arguments, environment);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

// A driver that is built in has its folder, too.
static int load_driver(const char *sysfs, const char *driver)
{
	char folder[PATH_MAX];
	int rc;

	path(folder, "%s/bus/pci/drivers/%s", sysfs, driver);
	if (access(folder, F_OK) == 0)
		return 0;
	rc = run_modprobe(driver);
	if (rc)
		return rc;
	// The kernel loads this one by itself, but only some time later.
	if (strcmp(driver, "vfio-pci") == 0)
		run_modprobe("vfio_iommu_type1");
	return access(folder, F_OK) == 0 ? 0 : -ENOENT;
}

static int move_to(const struct pci_device *device, const char *driver)
{
	char file[PATH_MAX], now[64];
	int rc;

	path(file, "%s/bus/pci/devices/%s/driver_override", device->sysfs, device->address);
	rc = write_file(file, driver[0] ? driver : "\n");
	if (rc)
		return rc;
	path(file, "%s/bus/pci/devices/%s/driver/unbind", device->sysfs, device->address);
	if (access(file, F_OK) == 0) {
		rc = write_file(file, device->address);
		if (rc)
			return rc;
	}
	path(file, "%s/bus/pci/drivers_probe", device->sysfs);
	rc = write_file(file, device->address);
	if (rc)
		return rc;
	rc = pci_driver(device->sysfs, device->address, now);
	if (rc)
		return rc;
	return strcmp(now, driver) == 0 ? 0 : -EBUSY;
}

static void clear_override(const struct pci_device *device)
{
	char file[PATH_MAX];

	path(file, "%s/bus/pci/devices/%s/driver_override", device->sysfs, device->address);
	write_file(file, "\n");
}

// All devices of a group reach the same memory: the kernel lets us have one only when it drives
// none of the others itself. Bridges do not count.
static int check_group(const struct pci_device *device, const char *port, struct reason *reason)
{
	char folder[PATH_MAX], group[64], link[PATH_MAX], others[256] = "";
	const struct dirent *entry;
	DIR *dir;

	path(link, "%s/bus/pci/devices/%s/iommu_group", device->sysfs, device->address);
	if (read_link_name(link, group) || !group[0])
		return 0; // vfio-pci will say why not
	path(folder, "%s/kernel/iommu_groups/%s/devices", device->sysfs, group);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(others);
		char driver[64];

		if (entry->d_name[0] == '.' || strcmp(entry->d_name, device->address) == 0 ||
			read_class(device->sysfs, entry->d_name) == CLASS_BRIDGE ||
			pci_driver(device->sysfs, entry->d_name, driver) || !driver[0] ||
			strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "pci-stub") == 0)
			continue;
		snprintf(others + length, sizeof(others) - length, "%s%.15s (%s)",
			length ? ", " : "", entry->d_name, driver);
	}
	if (dir)
		closedir(dir);
	if (!others[0])
		return 0;
	reason_add(reason,
		"port %s: device %s: shares IOMMU group %s with %s; all of a group must leave the "
		"kernel's drivers: unbind these, too, or choose a device in a group of its own",
		port, device->address, group, others);
	return -EPERM;
}

// Looks at the netdevs below a folder: "net" itself, or below a virtio device.
static bool folder_in_use(const char *folder, char *uses, unsigned size)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool used = false;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			used |= netdev_in_use(entry->d_name, uses, size);
	if (dir)
		closedir(dir);
	return used;
}

static bool device_in_use(const struct pci_device *device, char *uses, unsigned size)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	bool used;
	DIR *dir;

	path(folder, "%s/bus/pci/devices/%s/net", device->sysfs, device->address);
	used = folder_in_use(folder, uses, size);
	path(folder, "%s/bus/pci/devices/%s", device->sysfs, device->address);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "virtio", 6) != 0)
			continue;
		path(folder, "%s/bus/pci/devices/%s/%s/net", device->sysfs, device->address,
			entry->d_name);
		used |= folder_in_use(folder, uses, size);
	}
	if (dir)
		closedir(dir);
	return used;
}

static int check(
	const struct pci_device *device, const char *port, bool force, struct reason *reason)
{
	char uses[256] = "";

	if (read_class(device->sysfs, device->address) != CLASS_NETWORK) {
		reason_add(reason, "port %s: device %s: is no network controller", port,
			device->address);
		return -EINVAL;
	}
	if (!force && device_in_use(device, uses, sizeof(uses))) {
		reason_add(reason,
			"port %s: device %s: the kernel uses it: %s; take it out of use (ip addr "
			"flush, ip "
			"link set down), or say options = \"force=yes\"",
			port, device->address, uses);
		return -EBUSY;
	}
	return 0;
}

int pci_bind(struct pci_device *device, const char *port, const char *driver, bool force,
	struct reason *reason)
{
	char now[64];
	int rc = pci_driver(device->sysfs, device->address, now);

	device->former[0] = 0;
	if (rc) {
		reason_add(reason, "port %s: device %s: no such PCI device", port, device->address);
		return rc;
	}
	rc = check(device, port, force, reason);
	if (rc == 0 && strcmp(driver, "vfio-pci") == 0)
		rc = check_group(device, port, reason);
	if (rc)
		return rc;
	snprintf(device->driver, sizeof(device->driver), "%s", driver);
	if (strcmp(now, driver) == 0)
		return 0;
	rc = load_driver(device->sysfs, driver);
	if (rc) {
		reason_add(reason,
			"port %s: device %s: the kernel has no driver %s: %s (modprobe %s failed)",
			port, device->address, driver, strerror(-rc), driver);
		return rc;
	}
	rc = move_to(device, driver);
	if (rc) {
		reason_add(reason, "port %s: device %s: cannot be bound to %s: %s", port,
			device->address, driver, strerror(-rc));
		move_to(device, now);
		clear_override(device);
		return rc;
	}
	snprintf(device->former, sizeof(device->former), "%s", now);
	return 0;
}

void pci_give_back(struct pci_device *device)
{
	int rc;

	if (!device->former[0])
		return;
	rc = move_to(device, device->former);
	clear_override(device);
	if (rc)
		log_warning("port", "%s: cannot be given back to %s: %s", device->address,
			device->former, strerror(-rc));
}
