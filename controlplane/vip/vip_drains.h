// SPDX-License-Identifier: BSD-3-Clause
// VIPs that this box is not to be found for, or all of them, by somebody's word: kept in a file,
// "box" or an address a line, by each box for itself. Loop thread only.
#pragma once

#include "addr.h"
#include "reason.h"

#include <stdbool.h>

struct vip_drains {
	char *path;
	bool box;
	unsigned count;
	struct addr *list;
};

// Reads the file if it is there. 0 or -ENOMEM.
int vip_drains_open(struct vip_drains *drains, const char *state_dir);
void vip_drains_close(struct vip_drains *drains);
bool vip_drains_has(const struct vip_drains *drains, const struct addr *address);
// NULL: the box. -errno with the reason when it could not be written; it is drained all the same.
int vip_drains_set(
	struct vip_drains *drains, const struct addr *address, bool on, struct reason *reason);
