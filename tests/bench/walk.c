// SPDX-License-Identifier: BSD-3-Clause
// Finding the prime and its primitive root; see walk.h.
#include "walk.h"

#include <stdbool.h>

static bool is_prime(uint64_t n)
{
	for (uint64_t i = 2; i * i <= n; i++) {
		if (n % i == 0)
			return false;
	}
	return n >= 2;
}

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus)
{
	uint64_t result = 1 % modulus;

	for (base %= modulus; exponent; exponent >>= 1) {
		if (exponent & 1)
			result = result * base % modulus;
		base = base * base % modulus;
	}
	return result;
}

// A root is primitive when no power of it by (prime-1)/f, f a prime factor of prime-1, is one.
static bool is_primitive(uint64_t root, uint64_t prime)
{
	uint64_t rest = prime - 1;

	for (uint64_t f = 2; f * f <= rest; f++) {
		if (rest % f)
			continue;
		if (power(root, (prime - 1) / f, prime) == 1)
			return false;
		while (rest % f == 0)
			rest /= f;
	}
	return rest == 1 || power(root, (prime - 1) / rest, prime) != 1;
}

void walk_start(struct walk *walk, uint64_t n)
{
	uint64_t prime = n + 1, root;

	while (!is_prime(prime))
		prime++;
	// From the middle: small roots would begin the walk with a run of near neighbours.
	root = prime / 2;
	while (!is_primitive(root ? root : 1, prime))
		root = root + 1 < prime ? root + 1 : 1;
	*walk = (struct walk){
		.n = n,
		.prime = prime,
		.root = root ? root : 1,
		.inverse = (uint64_t)(((unsigned __int128)1 << 64) / prime),
		.value = 1,
	};
}
