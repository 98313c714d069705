// SPDX-License-Identifier: BSD-3-Clause
// What a worker asks of the main lcore: find this neighbour's MAC. Elements of a ring.
#pragma once

#include <stdint.h>

#include "addr.h"

struct resolve_request {
	struct addr neighbour;
	uint32_t iface;
};

_Static_assert(sizeof(struct resolve_request) % 4 == 0, "an element of a ring is of 4-byte words");
