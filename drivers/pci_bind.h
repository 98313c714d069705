// SPDX-License-Identifier: BSD-3-Clause
// A PCI device taken from its kernel driver and given to user space, through sysfs.
//
// By driver_override, so that only this device changes hands, and it is given back to the driver it
// was found with. `sysfs` is "/sys" but in tests. Main lcore.
#pragma once

#include <stdbool.h>

#include "reason.h"

struct pci_device {
	const char *sysfs;
	char address[16]; // "0000:00:03.0"
	char former[64];  // the driver it was found with; "" = none, or already ours
	char driver[64];  // the one it has now
};

// Completes "3:0.1" or "00:03.0" to "0000:00:03.0". False when it is no PCI address.
bool pci_address(const char *text, char address[static 16]);

// The driver of the device, "" when it has none. 0 or -errno (-ENODEV: no such device).
int pci_driver(const char *sysfs, const char *address, char driver[static 64]);

// "vfio-pci" where there is an IOMMU, else "uio_pci_generic".
const char *pci_user_driver(const char *sysfs);

// Checks that the device is a network controller that nobody uses (unless `force`), and that
// nothing else in its IOMMU group is in the kernel's hands, then binds it to `driver`. `port` is
// for the reason. 0 or -errno with the reason, everything as before.
int pci_bind(struct pci_device *device, const char *port, const char *driver, bool force,
	struct reason *reason);
void pci_give_back(struct pci_device *device);
