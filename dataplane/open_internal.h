// SPDX-License-Identifier: BSD-3-Clause
// What open.c and open_preview.c share. Nothing here changes anything.
#pragma once

#include "open.h"

// What no host sends, and what therefore is not answered either.
enum drop open_sender_sane(const struct flow_key *key);
bool open_source_allowed(const struct listener *listener, const struct flow_key *key);
struct pick_key open_pick_key(const struct flow_key *key);
// The record of the client's affinity to an endpoint, or NULL.
struct flow *open_affinity(const struct opener *opener, const struct flow_key *key);
// The endpoint of that record, as long as it is one of the pool and may have new flows, or NULL.
static inline const struct endpoint *open_remembered(
	const struct opener *opener, const struct flow *record, const struct pool *pool)
{
	const struct endpoint *endpoint =
		record ? tables_endpoint(opener->tables, record->endpoint) : NULL;

	return endpoint && endpoint->state == ENDPOINT_READY && endpoint->pool_slot == pool->slot
		       ? endpoint
		       : NULL;
}
