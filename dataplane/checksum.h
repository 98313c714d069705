// SPDX-License-Identifier: BSD-3-Clause
// Internet checksums, changed by what changed (RFC 1624). All words as they stand in memory.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// The sum of an even number of bytes, not folded.
static inline uint64_t checksum_words(const void *bytes, unsigned length)
{
	const uint8_t *p = bytes;
	uint64_t sum = 0;

	for (; length >= 4; length -= 4, p += 4) {
		uint32_t word;

		memcpy(&word, p, 4);
		sum += word;
	}
	if (length) {
		uint16_t word;

		memcpy(&word, p, 2);
		sum += word;
	}
	return sum;
}

// What to add to a checksum's complement when `before` becomes `after`.
static inline uint16_t checksum_delta(uint64_t before, uint64_t after)
{
	return checksum_fold((uint64_t)(uint16_t)~checksum_fold(before) + after);
}

static inline uint16_t checksum_apply(uint16_t checksum, uint16_t delta)
{
	uint32_t sum = (uint32_t)(uint16_t)~checksum + delta;

	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
