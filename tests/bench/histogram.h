// SPDX-License-Identifier: BSD-3-Clause
// Times, counted in buckets that are 1/64 of their value wide or finer: quantiles of any number of
// samples in 30 kB.
#pragma once

#include <stdint.h>

#define HISTOGRAM_STEPS   64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 60)

struct histogram {
	uint64_t samples;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < 2 * HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - 6; // 2^6 = HISTOGRAM_STEPS
	return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((value >> shift) - HISTOGRAM_STEPS);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->samples++;
	histogram->counts[histogram_bucket(value)]++;
}

// The lowest value of the bucket in which the given share (0..1) of the samples is reached.
uint64_t histogram_quantile(const struct histogram *histogram, double share);
