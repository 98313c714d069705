// SPDX-License-Identifier: BSD-3-Clause
// What a packet without a flow would do; nothing is opened, counted or chosen.
#include "open_internal.h"

static bool is_certain(const struct pool *pool)
{
	return pool->ready_count == 1 || pool->algorithm == ALGORITHM_MAGLEV ||
	       pool->algorithm == ALGORITHM_SOURCE_HASH;
}

static const struct endpoint *would_pick(
	const struct opener *opener, const struct listener *listener, const struct flow_key *key)
{
	const struct pool *pool = listener->pool;
	struct pick_key pick = open_pick_key(listener, key);
	struct pick_state state = opener->pick_states[pool->slot];
	struct pick_load load = {opener->load, SLUICE_ENDPOINTS_MAX, NULL};
	uint32_t index = pick_endpoint(pool, &pick, &state, &load);

	return index == UINT32_MAX ? NULL : pool->members[index];
}

const struct endpoint *open_sure_choice(
	const struct opener *opener, const struct listener *listener, const struct flow_key *client)
{
	const struct flow *record = listener->affinity_s ? open_affinity(opener, client) : NULL;
	const struct endpoint *endpoint = open_remembered(opener, record, listener->pool);

	if (endpoint)
		return endpoint;
	return is_certain(listener->pool) ? would_pick(opener, listener, client) : NULL;
}

static void choose(
	const struct opener *opener, const struct flow_key *key, struct open_preview *preview)
{
	const struct listener *listener = preview->listener;
	const struct pool *pool = listener->pool;
	const struct flow *record = listener->affinity_s ? open_affinity(opener, key) : NULL;
	const struct endpoint *endpoint = open_remembered(opener, record, pool);

	if (endpoint) {
		preview->endpoint = endpoint;
		preview->remembered = preview->certain = true;
		return;
	}
	preview->endpoint = would_pick(opener, listener, key);
	if (!preview->endpoint)
		preview->drop = DROP_NO_ENDPOINT;
	else
		preview->certain = is_certain(pool);
}

struct open_preview open_preview(const struct opener *opener, const struct flow_key *key)
{
	struct open_preview preview = {0};
	struct addr dst;

	addr_from_bytes(&dst, key->dst, key->family == 4 ? 4 : 16);
	preview.listener =
		tables_listener(opener->tables, &dst, key->protocol, (in_port_t)(key->ports >> 16));
	preview.worker = open_owner(opener, key, &preview.ours);
	preview.drop = open_sender_sane(key);
	if (preview.drop != DROP_NONE)
		return preview;
	if (!preview.listener)
		preview.drop = tables_vip(opener->tables, &dst) ? DROP_NO_LISTENER : DROP_NONE;
	else if (preview.listener->http)
		return preview;
	else if (!open_source_allowed(preview.listener, key))
		preview.drop = DROP_SOURCE_RANGE;
	else
		choose(opener, key, &preview);
	return preview;
}
