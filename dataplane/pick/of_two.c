// SPDX-License-Identifier: BSD-3-Clause
// Kinds of the proxy: two members are drawn, and the better one is taken (Mitzenmacher 2001). Least
// requests: the one with fewer under way for its weight. EWMA: the one where the moving average of
// the time to a response, times the requests under way, is less; one not known yet is tried.
#include "maglev.h"
#include "pick_internal.h"

static uint64_t requests(const struct pick_load *load, uint32_t slot)
{
	return (slot < load->count ? load->flows[slot] : 0) + 1ull;
}

static void draw(const struct pool *pool, uint64_t random, uint32_t two[2])
{
	two[0] = (uint32_t)((random >> 32) * pool->ready_count >> 32);
	random = maglev_mix(random);
	two[1] = pool->ready_count == 1
			 ? 0
			 : (two[0] + 1 +
				   (uint32_t)((random >> 32) * (pool->ready_count - 1) >> 32)) %
				   pool->ready_count;
}

static uint32_t pick_least(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	const struct endpoint *a, *b;
	uint32_t two[2];

	draw(pool, key->tuple, two);
	a = pool->members[two[0]];
	b = pool->members[two[1]];
	return requests(load, b->slot) * a->weight < requests(load, a->slot) * b->weight ? two[1]
											 : two[0];
}

static uint64_t cost(const struct pick_load *load, const struct endpoint *endpoint)
{
	uint64_t latency = load->latency_us ? load->latency_us[endpoint->slot] : 0;

	return latency * requests(load, endpoint->slot);
}

static uint32_t pick_fastest(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	const struct endpoint *a, *b;
	uint32_t two[2];

	draw(pool, key->tuple, two);
	a = pool->members[two[0]];
	b = pool->members[two[1]];
	return cost(load, b) * a->weight < cost(load, a) * b->weight ? two[1] : two[0];
}

const struct pick_kind pick_least_requests = {.name = "least_requests", .pick = pick_least};
const struct pick_kind pick_ewma = {.name = "ewma", .pick = pick_fastest};
