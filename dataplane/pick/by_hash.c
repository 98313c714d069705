// SPDX-License-Identifier: BSD-3-Clause
// Maglev, the default, chooses by the whole tuple; source hash by the client's address alone, so
// that a client meets the same endpoint on every connection and through every VIP of the pool.
// Neither remembers anything: another box, or this one after a restart, chooses the same.
#include "maglev.h"
#include "pick_internal.h"

static uint32_t pick_by_tuple(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	return maglev_pick(pool->maglev, key->tuple);
}

static uint32_t pick_by_client(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load)
{
	return maglev_pick(pool->maglev, key->client);
}

const struct pick_kind pick_maglev = {.name = "maglev", .pick = pick_by_tuple};
const struct pick_kind pick_source_hash = {.name = "source_hash", .pick = pick_by_client};
