// SPDX-License-Identifier: BSD-3-Clause
// The interfaces that sluice.conf speaks of, as they are called in the kernel, too: each port and
// after it its VLANs, "wan", "wan.7". Any thread.
#pragma once

#include "settings.h"

struct interface_walk {
	const struct settings *settings;
	unsigned port, part; // what comes next: part 0 is the port itself
	char name[PAIR_INTERFACE_TEXT];
	const struct prefix *addresses;
	unsigned address_count;
};

// To the first one, of a walk with nothing but its settings, or to the next. False: there is none.
bool interface_next(struct interface_walk *walk);
