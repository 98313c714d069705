// SPDX-License-Identifier: BSD-3-Clause
// What the machine has that the first configuration is made of: CPUs, memory, NICs and which of
// them are linked. Read from /sys and /proc below a root, so that a made-up machine can be read
// too.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HARDWARE_NICS_MAX 32

struct nic {
	char pci[16];     // "0000:03:00.0"
	char netdev[16];  // of the kernel; "" = it has no driver there
	char driver[32];  // "" = none
	char mac[18];     // "" = not known
	char model[16];   // "8086:1572", vendor and device
	bool linked;      // as far as the kernel sees
	unsigned mbit;    // 0 = not known
	bool is_default;  // carries the default route
	bool has_address; // somebody may be connected through it
};

struct hardware {
	unsigned cpus;
	uint64_t memory_mb;
	bool iommu;
	unsigned nic_count; // by PCI address
	struct nic nics[HARDWARE_NICS_MAX];
};

// `root` is "" for this machine. What cannot be read counts as not there.
void hardware_read(struct hardware *hardware, const char *root);
