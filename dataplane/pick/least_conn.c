// SPDX-License-Identifier: BSD-3-Clause
// Least connections: the member for which one more flow weighs least, (flows + 1) / weight, by the
// flows of this worker. Up to SCAN_MAX ready members all are compared, and of those that are equal
// each is as likely as the other; among more, two are drawn by weight and the better one taken,
// which keeps the longest within a few flows of the mean (Mitzenmacher 2001) at a fixed cost.
#include "maglev.h"
#include "pick_internal.h"
#include "stride.h"

#define SCAN_MAX 64

static uint64_t load_with(const struct pick_load *load, uint32_t slot)
{
	return (slot < load->count ? load->flows[slot] : 0) + 1ull;
}

static uint32_t draw(const struct pool *pool, uint64_t random)
{
	uint32_t share = (uint32_t)((random >> 32) * pool->weight_total >> 32);

	return stride_find(pool->weight_ends, pool->ready_count, share);
}

static uint32_t pick_of_two(const struct pool *pool, const struct pick_load *load, uint64_t random)
{
	uint32_t a = draw(pool, random);
	uint32_t b = draw(pool, maglev_mix(random + 1));
	uint64_t load_a = load_with(load, pool->shares[a].slot);
	uint64_t load_b = load_with(load, pool->shares[b].slot);

	return load_b * pool->shares[a].weight < load_a * pool->shares[b].weight ? b : a;
}

static uint32_t pick_of_all(const struct pool *pool, const struct pick_load *load, uint64_t random)
{
	uint64_t least = load_with(load, pool->shares[0].slot);
	uint64_t weight = pool->shares[0].weight;
	uint32_t best = 0;
	uint32_t equals = 1;

	for (uint32_t i = 1; i < pool->ready_count; i++) {
		uint64_t flows = load_with(load, pool->shares[i].slot);
		uint64_t left = flows * weight;
		uint64_t right = least * pool->shares[i].weight;

		if (left > right)
			continue;
		if (left == right) {
			// The n-th that is equal takes the place with a chance of 1 in n.
			random = maglev_mix(random + 1);
			if ((random >> 32) * ++equals >> 32)
				continue;
		} else {
			equals = 1;
		}
		least = flows;
		weight = pool->shares[i].weight;
		best = i;
	}
	return best;
}

static uint32_t pick_least(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	uint64_t random = maglev_mix(key->tuple + ((uint64_t)state->next++ << 32));

	if (pool->ready_count <= SCAN_MAX)
		return pick_of_all(pool, load, random);
	return pick_of_two(pool, load, random);
}

const struct pick_kind pick_least_connections = {.name = "least_connections", .pick = pick_least};
