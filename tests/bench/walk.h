// SPDX-License-Identifier: BSD-3-Clause
// A walk over all of 0..n-1 in an order that looks random, with no memory of its own.
//
// The powers of a primitive root modulo a prime pass through every residue once, so each flow is
// visited exactly once a round and two visits in a row are far apart in any table. A list in
// memory would do the same, but would compete with the box under test for the shared cache.
#pragma once

#include <stdint.h>

struct walk {
	uint64_t n;
	uint64_t prime, root, inverse; // inverse = 2^64 / prime, for the remainder
	uint64_t value;                // 1..prime-1
};

void walk_start(struct walk *walk, uint64_t n); // 1 <= n <= 2^30

// The next of 0..n-1.
static inline uint32_t walk_next(struct walk *walk)
{
	do {
		uint64_t product = walk->value * walk->root;
		uint64_t quotient = ((unsigned __int128)product * walk->inverse) >> 64;
		uint64_t rest = product - quotient * walk->prime;
		walk->value = rest >= walk->prime ? rest - walk->prime : rest;
	} while (__builtin_expect(walk->value > walk->n, 0));
	return (uint32_t)(walk->value - 1);
}
