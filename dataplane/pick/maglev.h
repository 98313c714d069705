// SPDX-License-Identifier: BSD-3-Clause
// Maglev: a hash in, a member out, the same on any box that has the same members, and nearly the
// same on one that has one more or one less (Eisenbud et al., "Maglev", NSDI 2016, section 3.4).
//
// Members take turns, in the order in which they are given, at claiming the next free cell of a
// permutation of their own; a member of half the weight is passed over every second time. What a
// member's permutation is follows from its identity alone. Hence equal shares to within one cell,
// and when a member leaves, most of what was not its own stays where it was.
//
// The size of a table is a prime that depends on the number of members through three bands, so
// wide that ordinary pools never leave theirs; crossing one moves most choices, once. At least 64
// cells a member up to 128 members, 32 beyond: shares are within 2 or 3 % of exact, and one of up
// to 128 that leaves moves at most 3 % more than its own. Tables of the first band have cells of
// one byte, so that one costs 8 kB and ten thousand of them 80 MB.
//
// Standalone: libc only. A table is immutable. Building: main lcore; picking: any worker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_MEMBERS_MAX 16384

struct maglev_member {
	uint64_t identity; // a well mixed hash: any two members differ
	uint32_t weight;   // at least 1
};

struct maglev {
	uint32_t size;       // cells
	uint32_t cell_bytes; // 1 or 2
	union {
		uint8_t byte[0];
		uint16_t word[0];
	} cells; // member indices
};

// NULL when out of memory, or when count is 0 or above MAGLEV_MEMBERS_MAX. One block: free() it.
// However small its weight, a member gets at least one cell.
struct maglev *maglev_new(const struct maglev_member *members, uint32_t count);
// Cells of a table for so many members.
uint32_t maglev_size(uint32_t count);

// Every bit of the result depends on every bit of the argument (the finalizer of MurmurHash3).
static inline uint64_t maglev_mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
	return x ^ x >> 33;
}

// The index of a member. The hash need not be a good one.
static inline uint32_t maglev_pick(const struct maglev *maglev, uint64_t hash)
{
	uint32_t cell = (uint32_t)(((maglev_mix(hash) >> 32) * maglev->size) >> 32);

	return maglev->cell_bytes == 1 ? maglev->cells.byte[cell] : maglev->cells.word[cell];
}
