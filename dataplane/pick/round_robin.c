// SPDX-License-Identifier: BSD-3-Clause
// Each ready member in turn. Every worker goes round by itself and begins where its first flow's
// hash says, so that many workers with few flows do not all begin with the first member.
#include "maglev.h"
#include "pick_internal.h"

static uint32_t pick_next(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	if (!state->begun) {
		state->begun = 1;
		state->next = (uint32_t)maglev_mix(key->tuple) % pool->ready_count;
	}
	return state->next++ % pool->ready_count;
}

const struct pick_kind pick_round_robin = {.name = "round_robin", .pick = pick_next};
