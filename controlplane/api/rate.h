// SPDX-License-Identifier: BSD-3-Clause
// How often one address may ask: a bucket each, filled with `rate` a second up to twice as many.
// There is a fixed number of buckets; the one that was used longest ago is taken for a new address.
// Pure: time is an argument.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

#define RATE_BUCKETS 256

struct rate_bucket {
	struct addr address;
	uint64_t used_ms; // 0 = never
	double left;
};

struct rate {
	uint32_t per_second;
	struct rate_bucket buckets[RATE_BUCKETS];
};

// Takes `cost` requests out of the address' bucket; false when it has not that many.
bool rate_take(struct rate *rate, const struct addr *address, unsigned cost, uint64_t now_ms);
