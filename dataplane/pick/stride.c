// SPDX-License-Identifier: BSD-3-Clause
#include "stride.h"

// Candidates on either side of the golden section.
#define STRIDE_SEARCH 16

uint32_t stride_gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

// How uneven the steps of this stride are: the largest quotient of Euclid's algorithm on the two,
// 1 and 2 being the best there is (the golden section has ones alone). 0 when they have a divisor
// in common.
static uint32_t unevenness(uint32_t total, uint32_t stride)
{
	uint32_t worst = 0;

	while (stride) {
		uint32_t rest = total % stride;

		if (total / stride > worst)
			worst = total / stride;
		total = stride;
		stride = rest;
	}
	return total == 1 ? worst : 0;
}

uint32_t stride_of(uint32_t total)
{
	// 2^32 times the smaller part of the golden section.
	uint32_t middle = (uint32_t)((uint64_t)total * 1640531527 >> 32);
	uint32_t least = UINT32_MAX;
	uint32_t best = 1;

	for (uint32_t i = 0; i <= 2 * STRIDE_SEARCH; i++) {
		uint32_t distance = (i + 1) / 2;
		uint32_t stride = i % 2 ? middle + distance : middle - distance;
		uint32_t found = stride - 1 < total - 1 ? unevenness(total, stride) : 0;

		if (found && found < least) {
			least = found;
			best = stride;
		}
	}
	return best;
}
