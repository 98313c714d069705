// SPDX-License-Identifier: BSD-3-Clause
// What building and looking up share: the shape of the block, and how a path is hashed.
//
// An open hash table by kind and by the path's elements, so that the hash of every prefix falls out
// on the way to that of the whole. Slots, patterns (the longest first) and records lie behind the
// head, in this order. A lookup in a block that no cache has waits for memory twice: head and slots
// can be asked for together, by whoever knows the block alone, and a path's record has its text.
#pragma once

#include "route.h"

#include <smmintrin.h>
#include <string.h>

#define ROUTE_NONE UINT32_MAX

struct route_path { // a record, at a multiple of ROUTE_UNIT
	uint32_t hash;
	uint32_t rule;
	uint16_t length; // of the text
	bool exact;
	bool slash;  // a prefix that was written with a slash at its end (or is "/")
	char text[]; // a prefix is without the slash at its end; "/" is ""
};

#define ROUTE_UNIT      16u
#define ROUTE_UNITS_MAX ((1u << 24) - 1)

struct route_pattern {
	struct pattern *pattern;
	const char *written; // while it is built
	uint32_t length;     // as it is written
	uint32_t rule;
};

struct route_paths {
	uint64_t depths;     // bit n: there are prefixes of n elements; 63: of 63 and more
	uint32_t deepest;    // elements of the prefix that has most
	uint32_t by_default; // rule, or ROUTE_NONE
	bool catches_all;    // by_default is of that kind
	bool exact;          // there are exact paths
	uint32_t mask;
	uint32_t patterns, records; // offsets
	uint32_t pattern_count;
	uint32_t slots[]; // the upper 8 bits of the hash, and the record's unit; or ROUTE_NONE
};

static inline const struct route_path *route_path_at(const struct route_paths *paths, uint32_t slot)
{
	size_t unit = slot & ROUTE_UNITS_MAX;

	return (const struct route_path *)((const char *)paths + paths->records +
					   unit * ROUTE_UNIT);
}

static inline struct route_pattern *route_pattern_at(const struct route_paths *paths, uint32_t i)
{
	return (struct route_pattern *)((const char *)paths + paths->patterns) + i;
}

// Of up to 8 bytes at a time, each byte counted.
static inline uint32_t route_hash(uint32_t hash, const char *at, size_t length)
{
	uint64_t part;

	for (; length >= 8; at += 8, length -= 8) {
		memcpy(&part, at, 8);
		hash = (uint32_t)_mm_crc32_u64(hash, part);
	}
	for (; length; at++, length--)
		hash = _mm_crc32_u8(hash, (uint8_t)*at);
	return hash;
}

// One element more, with the slash in front of it.
static inline uint32_t route_hash_element(uint32_t hash, const char *at, size_t length)
{
	return route_hash(_mm_crc32_u8(hash, '/'), at, length);
}

static inline uint32_t route_hash_exact(uint32_t hash)
{
	return _mm_crc32_u8(hash, 0);
}

// Where to begin in the table. The hashes are CRCs: linear, so that names that are alike land side
// by side; a multiplication scatters them.
static inline uint32_t route_place(uint32_t hash, uint32_t mask)
{
	return (uint32_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

// The end of the element that begins behind the slash at `at`.
static inline const char *route_element_end(const char *at, const char *end)
{
	const char *slash = at + 1 < end ? memchr(at + 1, '/', (size_t)(end - at - 1)) : NULL;

	return slash ? slash : end;
}

// NULL: there is none.
const struct route_path *route_find_path(
	const struct route_paths *paths, uint32_t hash, struct route_text text, bool exact);
