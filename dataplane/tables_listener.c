// SPDX-License-Identifier: BSD-3-Clause
// Listeners in a change of the tables: those it names, and those whose pool it changes.
#include "tables_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const struct listener *listener_find(
	const struct tables *tables, const struct addr *vip, uint8_t protocol, in_port_t port)
{
	return tables_listener(tables, vip, protocol, port);
}

// Room for one more; the steps of a whole change can be many more than the change names.
static bool reserve_step(struct build *build)
{
	uint32_t capacity = build->listener_step_capacity ? build->listener_step_capacity * 2 : 64;
	struct listener_step *steps;

	if (build->listener_step_count < build->listener_step_capacity)
		return true;
	steps = realloc(build->listener_steps, capacity * sizeof(*steps));
	if (!steps) {
		build->edit.failed = true;
		return false;
	}
	build->listener_steps = steps;
	build->listener_step_capacity = capacity;
	return true;
}

static void step(struct build *build, const struct listener *before, const struct listener *after)
{
	const struct listener *either = after ? after : before;
	struct address_key key = {&either->vip, either->port, either->protocol};

	if (!reserve_step(build))
		return;
	rows_put(build, &build->listeners, address_key_hash(&key), either->slot, before, after);
	build->listener_steps[build->listener_step_count++] = (struct listener_step){before, after};
}

static struct listener *listener_make(
	struct build *build, const struct listener *from, const struct prefix *sources)
{
	size_t sources_bytes = from->source_count * sizeof(*sources);
	size_t sources_room = (sources_bytes + 15) & ~(size_t)15;
	size_t http_bytes = from->http ? http_listener_bytes(from->http) : 0;
	struct listener *listener =
		edit_make(&build->edit, sizeof(*listener) + sources_room + http_bytes);

	if (!listener)
		return NULL;
	*listener = *from;
	if (sources_bytes)
		memcpy(listener + 1, sources, sources_bytes);
	listener->sources = sources_bytes ? (const struct prefix *)(listener + 1) : NULL;
	if (from->http)
		listener->http =
			http_listener_copy((char *)(listener + 1) + sources_room, from->http);
	return listener;
}

static bool sources_same(const struct listener *a, const struct plan_listener *b)
{
	if (a->source_count != b->source_count)
		return false;
	for (uint32_t i = 0; i < a->source_count; i++)
		if (a->sources[i].length != b->sources[i].length ||
			addr_compare(&a->sources[i].addr, &b->sources[i].addr) != 0)
			return false;
	return true;
}

static bool listener_same(const struct listener *a, const struct listener *b)
{
	return a->pool == b->pool && a->mode == b->mode && a->affinity_s == b->affinity_s &&
	       strcmp(a->service, b->service) == 0 && http_listener_same(a->http, b->http);
}

static uint8_t flags_of(const struct plan_listener *plan)
{
	if (plan->affinity_s)
		return LISTENER_OWNER_CLIENT_IP;
	return plan->mode == MODE_DNAT ? LISTENER_OWNER_CLIENT : 0;
}

// Endpoints must be of the VIP's family: nothing here translates between the two.
static void check_family(struct build *build, const struct listener *listener)
{
	const struct pool *pool = listener->pool;
	bool v4 = addr_is_v4(&listener->vip);
	char where[LISTENER_TEXT];
	char text[ADDR_TEXT];

	if (!pool || !(pool->families & (v4 ? POOL_IPV6 : POOL_IPV4)))
		return;
	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct endpoint *it = pool->members[i];

		if (addr_is_v4(&it->address) == v4)
			continue;
		build_mistake(build,
			"listener %s: pool \"%s\" has endpoint %s port %u, expected %s endpoints "
			"as "
			"the vip's",
			listener_format(&listener->vip, listener->protocol, listener->port, where),
			pool->name, addr_format(&it->address, text), ntohs(it->port),
			v4 ? "IPv4" : "IPv6");
		return;
	}
}

static bool listener_check(struct build *build, const struct plan_listener *plan, const char *where,
	const struct pool *pool)
{
	char text[ADDR_TEXT];
	bool ok = true;

	if (!vip_find(build->tables, &plan->vip)) {
		build_mistake(build, "listener %s: vip %s is not in the plan", where,
			addr_format(&plan->vip, text));
		ok = false;
	}
	if (!plan->site && (!pool || pool->upstream)) {
		build_mistake(build, "listener %s: pool \"%s\" is %s", where, plan->pool,
			pool ? "the proxy's" : "not in the plan");
		ok = false;
	}
	if (plan->site && !site_find(build->tables, plan->site)) {
		build_mistake(
			build, "listener %s: site \"%s\" is not in the plan", where, plan->site);
		ok = false;
	}
	if (strlen(plan->service) >= SLUICE_NAME_MAX || plan->mode < MODE_FULL_NAT ||
		plan->mode > MODE_DSR) {
		build_mistake(build,
			"listener %s: mode %u, service \"%.300s\": expected a mode from 1 to %u, a "
			"name below %u bytes",
			where, plan->mode, plan->service, MODE_DSR, SLUICE_NAME_MAX);
		ok = false;
	}
	return ok;
}

static void listener_set(struct build *build, const struct plan_listener *plan)
{
	const struct listener *before =
		listener_find(build->tables, &plan->vip, plan->protocol, plan->port);
	struct listener next = {
		.vip = plan->vip,
		.port = plan->port,
		.protocol = plan->protocol,
		.mode = plan->mode,
		.flags = flags_of(plan),
		.affinity_s = plan->affinity_s,
		.pool = plan->site ? NULL : pool_find(build->tables, plan->pool),
		.source_count = plan->source_count,
	};
	struct http_listener http;
	struct listener *after;
	char where[LISTENER_TEXT];

	listener_format(&plan->vip, plan->protocol, plan->port, where);
	if (before && rows_seen(build, &build->listeners, before->slot)) {
		build_mistake(build, "listener %s: named twice", where);
		return;
	}
	if (before)
		rows_see(build, &build->listeners, before->slot);
	if (!listener_check(build, plan, where, next.pool))
		return;
	if (plan->site) {
		http = http_listener_of(plan, site_find(build->tables, plan->site)->slot);
		next.http = &http;
	}
	memcpy(next.service, plan->service, strlen(plan->service) + 1);
	if (before && listener_same(before, &next) && sources_same(before, plan))
		return;
	next.slot =
		before ? before->slot : build_slot(build, &build->store->listeners, "listeners");
	if (next.slot == SLOT_NONE)
		return;
	after = listener_make(build, &next, plan->sources);
	if (!after)
		return;
	check_family(build, after);
	step(build, before, after);
}

static void listener_remove_named(struct build *build, const struct plan_listener_key *key)
{
	const struct listener *listener =
		listener_find(build->tables, &key->vip, key->protocol, key->port);
	char where[LISTENER_TEXT];

	listener_format(&key->vip, key->protocol, key->port, where);
	if (!listener)
		build_mistake(build, "listener %s: to be removed, but not in the plan", where);
	else if (rows_seen(build, &build->listeners, listener->slot))
		build_mistake(build, "listener %s: both set and removed", where);
	else
		step(build, listener, NULL);
}

// The listeners of a changed pool that the change itself does not name get the new pool.
static void follow_pool(struct build *build, const struct pool_step *pool_step)
{
	const struct links *links = &build->store->links;
	const struct tables *tables = build->store->current;
	uint32_t slot = pool_step->before ? pool_step->before->slot : SLOT_NONE;

	if (slot == SLOT_NONE)
		return;
	for (slot = links->first[slot]; slot != SLOT_NONE; slot = links->next[slot]) {
		const struct listener *before = slots_get(&tables->listeners, slot);
		struct listener next = *before;
		struct listener *after;
		char where[LISTENER_TEXT];

		if (rows_seen(build, &build->listeners, slot))
			continue;
		if (!pool_step->after) {
			build_mistake(build, "pool \"%s\": to be removed, but listener %s uses it",
				pool_step->before->name,
				listener_format(
					&before->vip, before->protocol, before->port, where));
			continue;
		}
		next.pool = pool_step->after;
		after = listener_make(build, &next, before->sources);
		if (!after)
			return;
		check_family(build, after);
		step(build, before, after);
	}
}

// After VIPs have been removed: is any listener left without its own?
static void check_vips(struct build *build)
{
	const struct tables *tables = build->tables;
	char text[ADDR_TEXT], where[LISTENER_TEXT];

	for (uint32_t slot = 0; slot < build->store->listeners.end; slot++) {
		const struct listener *it = slots_get(&tables->listeners, slot);

		if (it && !vip_find(tables, &it->vip))
			build_mistake(build, "vip %s: to be removed, but listener %s is on it",
				addr_format(&it->vip, text),
				listener_format(&it->vip, it->protocol, it->port, where));
	}
}

void listeners_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->listener_count && !build->edit.failed; i++)
		listener_set(build, &change->listeners[i]);
	for (uint32_t i = 0; i < change->listener_removed_count && !build->edit.failed; i++)
		listener_remove_named(build, &change->listeners_removed[i]);
	for (uint32_t slot = 0; change->base == 0 && slot < before->listener_end; slot++) {
		const struct listener *listener = slots_get(&before->listeners, slot);

		if (listener && !rows_seen(build, &build->listeners, slot))
			step(build, listener, NULL);
	}
	for (uint32_t i = 0; i < build->pool_step_count && !build->edit.failed; i++)
		follow_pool(build, &build->pool_steps[i]);
	if (build->vips_removed && !build->edit.failed)
		check_vips(build);
}

static bool grow(uint32_t **array, uint32_t from, uint32_t to)
{
	uint32_t *grown = realloc(*array, to * sizeof(*grown));

	if (!grown)
		return false;
	for (uint32_t i = from; i < to; i++)
		grown[i] = SLOT_NONE;
	*array = grown;
	return true;
}

bool links_reserve(struct links *links, uint32_t listeners, uint32_t pools)
{
	if (pools > links->pool_capacity) {
		uint32_t capacity = pools + pools / 2;

		if (!grow(&links->first, links->pool_capacity, capacity))
			return false;
		links->pool_capacity = capacity;
	}
	if (listeners > links->listener_capacity) {
		uint32_t capacity = listeners + listeners / 2;

		if (!grow(&links->next, links->listener_capacity, capacity) ||
			!grow(&links->previous, links->listener_capacity, capacity))
			return false;
		links->listener_capacity = capacity;
	}
	return true;
}

static uint32_t slot_of(const struct listener *listener)
{
	return listener->pool ? listener->pool->slot : SLOT_NONE;
}

void links_change(struct links *links, const struct build *build)
{
	for (uint32_t i = 0; i < build->listener_step_count; i++) {
		const struct listener *before = build->listener_steps[i].before;
		const struct listener *after = build->listener_steps[i].after;
		uint32_t slot = (before ? before : after)->slot;
		uint32_t *first;

		if (before && after && slot_of(before) == slot_of(after))
			continue;
		if (before && before->pool) {
			if (links->previous[slot] == SLOT_NONE)
				links->first[before->pool->slot] = links->next[slot];
			else
				links->next[links->previous[slot]] = links->next[slot];
			if (links->next[slot] != SLOT_NONE)
				links->previous[links->next[slot]] = links->previous[slot];
		}
		if (!after || !after->pool)
			continue;
		first = &links->first[after->pool->slot];
		links->previous[slot] = SLOT_NONE;
		links->next[slot] = *first;
		if (*first != SLOT_NONE)
			links->previous[*first] = slot;
		*first = slot;
	}
}

void links_close(struct links *links)
{
	free(links->first);
	free(links->next);
	free(links->previous);
}
