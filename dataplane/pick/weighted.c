// SPDX-License-Identifier: BSD-3-Clause
// Weighted round robin: in every weight_total picks of a worker each ready member is chosen exactly
// as often as its weight says, and in between nearly so (stride.h). Begins like round robin.
#include "maglev.h"
#include "pick_internal.h"
#include "stride.h"

static uint32_t pick_by_weight(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	uint64_t step;

	if (!state->begun) {
		state->begun = 1;
		state->next = (uint32_t)maglev_mix(key->tuple) % pool->weight_total;
	}
	step = state->next++;
	return stride_find(pool->weight_ends, pool->ready_count,
		(uint32_t)(step * pool->weight_stride % pool->weight_total));
}

const struct pick_kind pick_weighted = {.name = "weighted", .pick = pick_by_weight};
