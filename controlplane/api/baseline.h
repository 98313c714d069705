// SPDX-License-Identifier: BSD-3-Clause
// The counters as they were when somebody cleared them. Loop thread only.
#pragma once

#include "publish.h"

#include <stdint.h>

struct baseline {
	uint64_t since_us;    // CLOCK_REALTIME
	Sluice__Stats *stats; // NULL: nobody has
};

// 0: these counters have not been cleared.
uint64_t baseline_since(const struct baseline *baseline, const Sluice__Stats *stats);
void baseline_subtract(const struct baseline *baseline, Sluice__Stats *stats);
void baseline_clear(struct baseline *baseline);
