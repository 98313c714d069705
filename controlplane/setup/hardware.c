// SPDX-License-Identifier: BSD-3-Clause
#include "hardware.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 512

// The first line of a file; "" when there is none.
static void read_line(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (!file)
		return;
	if (!fgets(text, (int)room, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

// The last part of what a symbolic link says.
static void read_link(const char *path, char *text, size_t room)
{
	char target[PATH_BYTES];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *last;

	text[0] = '\0';
	if (n <= 0)
		return;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(text, room, "%.*s", (int)room - 1, last ? last + 1 : target);
}

// "0-3,8": how many.
static unsigned count_list(const char *text)
{
	unsigned count = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last > 4096)
			break;
		count += (unsigned)(last - first + 1);
		text = *end == ',' ? end + 1 : end;
	}
	return count;
}

static uint64_t memory_mb(const char *root)
{
	char path[PATH_BYTES], line[128];
	unsigned long long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "MemTotal:", 9) == 0)
			kb = strtoull(line + 9, NULL, 10);
	fclose(file);
	return kb / 1024;
}

// Has the kernel an address on it, or the way out? Both tables name the interface first or last.
static bool names_interface(const char *root, const char *table, const char *netdev, bool way_out)
{
	char path[PATH_BYTES], line[512], first[64], second[64], last[64];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/net/%s", root, table);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (way_out) // Iface Destination ...
			found = sscanf(line, "%63s %63s", first, second) == 2 &&
				strcmp(first, netdev) == 0 && strcmp(second, "00000000") == 0;
		else if (strcmp(table, "route") == 0)
			found = sscanf(line, "%63s", first) == 1 && strcmp(first, netdev) == 0;
		else // address index length scope flags name; link-local ones say nothing
			found = sscanf(line, "%63s %*s %*s %63s %*s %63s", first, second, last) ==
					3 &&
				strcmp(last, netdev) == 0 && strcmp(second, "20") != 0;
	}
	fclose(file);
	return found;
}

static void read_netdev(struct nic *nic, const char *root, const char *device)
{
	char path[PATH_BYTES + 64], text[32];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/net", device);
	folder = opendir(path);
	// virtio has its own device in between.
	if (!folder) {
		DIR *inner = opendir(device);

		while (inner && !folder && (entry = readdir(inner)))
			if (strncmp(entry->d_name, "virtio", 6) == 0) {
				snprintf(path, sizeof(path), "%s/%.20s/net", device, entry->d_name);
				folder = opendir(path);
			}
		if (inner)
			closedir(inner);
	}
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			snprintf(nic->netdev, sizeof(nic->netdev), "%.15s", entry->d_name);
	if (folder)
		closedir(folder);
	if (!*nic->netdev)
		return;
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/address", root, nic->netdev);
	read_line(path, nic->mac, sizeof(nic->mac));
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/carrier", root, nic->netdev);
	read_line(path, text, sizeof(text));
	nic->linked = text[0] == '1';
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/speed", root, nic->netdev);
	read_line(path, text, sizeof(text));
	nic->mbit = nic->linked && text[0] != '-' ? (unsigned)strtoul(text, NULL, 10) : 0;
	nic->is_default = names_interface(root, "route", nic->netdev, true);
	nic->has_address = names_interface(root, "route", nic->netdev, false) ||
			   names_interface(root, "if_inet6", nic->netdev, false);
}

static void read_nic(struct nic *nic, const char *root, const char *pci)
{
	char device[PATH_BYTES], path[PATH_BYTES + 64], vendor[16], model[16];

	*nic = (struct nic){0};
	snprintf(nic->pci, sizeof(nic->pci), "%.15s", pci);
	snprintf(device, sizeof(device), "%s/sys/bus/pci/devices/%s", root, pci);
	snprintf(path, sizeof(path), "%s/driver", device);
	read_link(path, nic->driver, sizeof(nic->driver));
	snprintf(path, sizeof(path), "%s/vendor", device);
	read_line(path, vendor, sizeof(vendor));
	snprintf(path, sizeof(path), "%s/device", device);
	read_line(path, model, sizeof(model));
	if (strlen(vendor) == 6 && strlen(model) == 6)
		snprintf(nic->model, sizeof(nic->model), "%.4s:%.4s", vendor + 2, model + 2);
	read_netdev(nic, root, device);
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct nic *)a)->pci, ((const struct nic *)b)->pci);
}

void hardware_read(struct hardware *hardware, const char *root)
{
	char path[PATH_BYTES], text[512];
	struct dirent *entry;
	DIR *folder;

	*hardware = (struct hardware){.memory_mb = memory_mb(root)};
	snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/online", root);
	read_line(path, text, sizeof(text));
	hardware->cpus = count_list(text);
	snprintf(path, sizeof(path), "%s/sys/kernel/iommu_groups", root);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		hardware->iommu |= entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", root);
	folder = opendir(path);
	while (folder && hardware->nic_count < HARDWARE_NICS_MAX && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%.15s/class", root,
			entry->d_name);
		read_line(path, text, sizeof(text));
		if (strncmp(text, "0x0200", 6) == 0) // Ethernet
			read_nic(&hardware->nics[hardware->nic_count++], root, entry->d_name);
	}
	if (folder)
		closedir(folder);
	qsort(hardware->nics, hardware->nic_count, sizeof(hardware->nics[0]), by_address);
}
