// SPDX-License-Identifier: BSD-3-Clause
#include "pick.h"

#include "pick_internal.h"

static const struct pick_kind *const kinds[] = {
	[ALGORITHM_MAGLEV] = &pick_maglev,
	[ALGORITHM_ROUND_ROBIN] = &pick_round_robin,
	[ALGORITHM_WEIGHTED] = &pick_weighted,
	[ALGORITHM_LEAST_CONNECTIONS] = &pick_least_connections,
	[ALGORITHM_SOURCE_HASH] = &pick_source_hash,
	[ALGORITHM_LEAST_REQUESTS] = &pick_least_requests,
	[ALGORITHM_EWMA] = &pick_ewma,
	[ALGORITHM_HASH] = &pick_maglev,
};

uint32_t pick_endpoint(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	if (pool->ready_count == 0)
		return UINT32_MAX;
	return kinds[pool->algorithm]->pick(pool, key, state, load);
}
