// SPDX-License-Identifier: BSD-3-Clause
#include "stride.h"

uint32_t stride_gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

uint32_t stride_of(uint32_t total)
{
	// 2^32 times the smaller part of the golden section.
	uint32_t stride = (uint32_t)((uint64_t)total * 1640531527 >> 32);

	if (stride == 0)
		stride = 1;
	while (stride_gcd(total, stride) != 1)
		stride++;
	return stride;
}
