// SPDX-License-Identifier: BSD-3-Clause
// Walking through `total` shares so that each is visited once in every `total` steps and any few
// steps in a row are spread evenly: step k is at k * stride modulo total, where the stride is near
// the golden section of the total and has no divisor in common with it. Weights then are met
// exactly in every round and closely within one, and nothing is remembered but k.
// Pure; stride_of() by main lcore, stride_find() by any worker.
#pragma once

#include <stdint.h>

// total is at least 1.
uint32_t stride_of(uint32_t total);
uint32_t stride_gcd(uint32_t a, uint32_t b);

// The index of the first end above `share`: ends are ascending and the last is above it.
static inline uint32_t stride_find(const uint32_t *ends, uint32_t count, uint32_t share)
{
	uint32_t low = 0;

	while (count > 1) {
		uint32_t half = count / 2;

		low += ends[low + half - 1] <= share ? half : 0;
		count -= half;
	}
	return low;
}
