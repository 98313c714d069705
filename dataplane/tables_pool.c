// SPDX-License-Identifier: BSD-3-Clause
// Pools and their endpoints in a change of the tables.
//
// The members of a pool, before and after, come by address and port, so one walk along both tells
// who stays (with its slot, and with its very block if nothing about it changed), who is new and
// who is gone. The Maglev table is kept as long as the ready members and their weights are.
#include "tables_internal.h"

#include "maglev.h"
#include "stride.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

// A pool that the change names, while it is being looked at.
struct draft {
	const struct plan_pool *plan;
	const struct pool *before; // or NULL
	uint32_t slot;
	const struct upstream_policy *upstream;
	const struct endpoint **members; // after the change, by address and port
	bool changed;                    // any of them is not the very same as before
};

// A walk over a pool's two runs, the ready and the draining, as one.
struct walk {
	const struct pool *pool;
	uint32_t ready, draining;
};

static struct walk walk_begin(const struct pool *pool)
{
	return (struct walk){pool, 0, pool ? pool->ready_count : 0};
}

static int compare(const struct addr *address_a, in_port_t port_a, const struct addr *address_b,
	in_port_t port_b)
{
	int order = addr_compare(address_a, address_b);

	return order ? order : (int)ntohs(port_a) - (int)ntohs(port_b);
}

static const struct endpoint *walk_next(struct walk *walk)
{
	const struct pool *pool = walk->pool;
	const struct endpoint *ready, *draining;

	if (!pool)
		return NULL;
	ready = walk->ready < pool->ready_count ? pool->members[walk->ready] : NULL;
	draining = walk->draining < pool->member_count ? pool->members[walk->draining] : NULL;
	if (ready && (!draining || compare(&ready->address, ready->port, &draining->address,
					   draining->port) < 0)) {
		walk->ready++;
		return ready;
	}
	walk->draining++;
	return draining;
}

void pool_difference(const struct pool *from, const struct pool *without,
	void (*visit)(void *arg, const struct endpoint *endpoint), void *arg)
{
	struct walk walk = walk_begin(from);
	struct walk other_walk = walk_begin(without);
	const struct endpoint *other = walk_next(&other_walk);

	for (const struct endpoint *it = walk_next(&walk); it; it = walk_next(&walk)) {
		while (other && compare(&other->address, other->port, &it->address, it->port) < 0)
			other = walk_next(&other_walk);
		if (!other || compare(&other->address, other->port, &it->address, it->port) != 0)
			visit(arg, it);
	}
}

uint64_t name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	return maglev_mix(hash);
}

static bool pool_equal(const void *value, const void *key)
{
	return strcmp(((const struct pool *)value)->name, key) == 0;
}

const struct pool *pool_find(const struct tables *tables, const char *name)
{
	return map_find(&tables->pool_map, name_hash(name), pool_equal, name);
}

// Cut to what fits, at the border of a character.
static void set_name(char name[64], const char *from)
{
	size_t length = from ? strlen(from) : 0;

	if (length > 63) {
		length = 63;
		while (length && ((uint8_t)from[length] & 0xc0) == 0x80)
			length--;
	}
	if (length)
		memcpy(name, from, length);
	name[length] = '\0';
}

static bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->state == b->state && a->weight == b->weight && strcmp(a->name, b->name) == 0;
}

// `before` is the endpoint of the same address and port, or NULL.
static const struct endpoint *endpoint_build(struct build *build, const struct plan_endpoint *plan,
	const struct endpoint *before, uint32_t pool_slot)
{
	struct endpoint next = {
		.address = plan->address,
		.port = plan->port,
		.state = plan->state,
		.weight = plan->weight,
		.pool_slot = pool_slot,
		.identity = map_hash(plan->address.byte, ntohs(plan->port)),
	};
	struct endpoint *endpoint;

	set_name(next.name, plan->name);
	if (before && endpoint_same(before, &next))
		return before;
	next.slot = before ? before->slot
			   : build_slot(build, &build->store->endpoints, "endpoints of all pools");
	if (next.slot == SLOT_NONE)
		return NULL;
	endpoint = edit_make(&build->edit, sizeof(*endpoint));
	if (!endpoint)
		return NULL;
	*endpoint = next;
	slots_set(&build->endpoints, next.slot, endpoint);
	edit_replace(&build->edit, before);
	return endpoint;
}

static void endpoint_remove(void *arg, const struct endpoint *endpoint)
{
	struct build *build = arg;

	slots_set(&build->endpoints, endpoint->slot, NULL);
	slot_numbers_remove(&build->store->endpoints, endpoint->slot);
	edit_replace(&build->edit, endpoint);
}

static bool pool_check(struct build *build, const struct plan_pool *plan)
{
	char text[ADDR_TEXT];

	if (plan->algorithm < ALGORITHM_MAGLEV || plan->algorithm > ALGORITHM_HASH ||
		plan->endpoint_count > SLUICE_POOL_ENDPOINTS_MAX ||
		strlen(plan->name) >= SLUICE_NAME_MAX) {
		build_mistake(build,
			"pool \"%.300s\": algorithm %u, %u endpoints: expected an algorithm from 1 "
			"to %u, "
			"at most %u endpoints, a name below %u bytes",
			plan->name, plan->algorithm, plan->endpoint_count, ALGORITHM_HASH,
			SLUICE_POOL_ENDPOINTS_MAX, SLUICE_NAME_MAX);
		return false;
	}
	if (plan->algorithm > ALGORITHM_SOURCE_HASH && !plan->upstream) {
		build_mistake(build,
			"pool \"%s\": algorithm %u is of proxied pools, which have an upstream",
			plan->name, plan->algorithm);
		return false;
	}
	for (uint32_t i = 0; i < plan->endpoint_count; i++) {
		const struct plan_endpoint *it = &plan->endpoints[i];

		if (i && compare(&it[-1].address, it[-1].port, &it->address, it->port) >= 0) {
			build_mistake(build,
				"pool \"%s\": endpoint %s port %u is out of order or named twice",
				plan->name, addr_format(&it->address, text), ntohs(it->port));
			return false;
		}
		if (it->weight < 1 || it->weight > SLUICE_WEIGHT_MAX ||
			(it->state != ENDPOINT_READY && it->state != ENDPOINT_DRAINING)) {
			build_mistake(build,
				"pool \"%s\": endpoint %s port %u: weight %u, state %u: expected "
				"1 to %u, ready or draining",
				plan->name, addr_format(&it->address, text), ntohs(it->port),
				it->weight, it->state, SLUICE_WEIGHT_MAX);
			return false;
		}
	}
	return true;
}

// Fills draft->members. False when there is no room.
static bool members_build(struct build *build, struct draft *draft)
{
	struct walk walk = walk_begin(draft->before);
	const struct endpoint *old = walk_next(&walk);

	for (uint32_t i = 0; i < draft->plan->endpoint_count; i++) {
		const struct plan_endpoint *it = &draft->plan->endpoints[i];
		const struct endpoint *same;
		int order = 1;

		while (old &&
			(order = compare(&old->address, old->port, &it->address, it->port)) < 0) {
			endpoint_remove(build, old);
			draft->changed = true;
			old = walk_next(&walk);
		}
		same = old && order == 0 ? old : NULL;
		draft->members[i] = endpoint_build(build, it, same, draft->slot);
		if (!draft->members[i])
			return false;
		draft->changed |= draft->members[i] != same;
		if (same)
			old = walk_next(&walk);
	}
	draft->changed |= old != NULL;
	for (; old; old = walk_next(&walk))
		endpoint_remove(build, old);
	return true;
}

static bool same_ready(const struct pool *a, const struct pool *b)
{
	if (a->ready_count != b->ready_count)
		return false;
	for (uint32_t i = 0; i < a->ready_count; i++)
		if (a->members[i]->identity != b->members[i]->identity ||
			a->members[i]->weight != b->members[i]->weight)
			return false;
	return true;
}

static void set_maglev(struct build *build, struct pool *pool, const struct pool *before)
{
	const struct maglev *old = before ? before->maglev : NULL;
	struct maglev_member *members;

	if ((pool->algorithm == ALGORITHM_MAGLEV || pool->algorithm == ALGORITHM_SOURCE_HASH ||
		    pool->algorithm == ALGORITHM_HASH) &&
		pool->ready_count) {
		if (old && same_ready(pool, before)) {
			pool->maglev = old;
			return;
		}
		members = malloc(pool->ready_count * sizeof(*members));
		if (!members) {
			build->edit.failed = true;
			return;
		}
		for (uint32_t i = 0; i < pool->ready_count; i++)
			members[i] = (struct maglev_member){
				pool->members[i]->identity, pool->members[i]->weight};
		pool->maglev = edit_adopt(&build->edit, maglev_new(members, pool->ready_count));
		free(members);
	}
	edit_replace(&build->edit, old);
}

static void set_weights(struct pool *pool, uint32_t *ends, struct pool_share *shares)
{
	uint32_t unit = 0;

	for (uint32_t i = 0; i < pool->ready_count; i++)
		unit = stride_gcd(pool->members[i]->weight, unit);
	for (uint32_t i = 0; i < pool->ready_count; i++) {
		pool->weight_total += pool->members[i]->weight / unit;
		ends[i] = pool->weight_total;
		shares[i] = (struct pool_share){pool->members[i]->slot, pool->members[i]->weight};
	}
	pool->weight_stride = pool->weight_total ? stride_of(pool->weight_total) : 0;
	pool->weight_ends = ends;
	pool->shares = shares;
}

// The pool is one block: itself, its members, and what its algorithm looks at.
static const struct pool *pool_make(struct build *build, const struct draft *draft)
{
	const struct plan_pool *plan = draft->plan;
	bool weighs = plan->algorithm == ALGORITHM_WEIGHTED ||
		      plan->algorithm == ALGORITHM_LEAST_CONNECTIONS;
	uint32_t count = plan->endpoint_count;
	size_t bytes = sizeof(struct pool) + count * sizeof(struct endpoint *);
	const struct endpoint **members;
	struct pool *pool;
	uint32_t at = 0;

	if (weighs)
		bytes += count * (sizeof(struct pool_share) + sizeof(uint32_t));
	pool = edit_make(&build->edit, bytes);
	if (!pool)
		return NULL;
	pool->slot = draft->slot;
	pool->algorithm = plan->algorithm;
	pool->member_count = count;
	pool->upstream = draft->upstream;
	pool->name_hash = name_hash(plan->name);
	memcpy(pool->name, plan->name, strlen(plan->name) + 1);
	members = (const struct endpoint **)(pool + 1);
	for (uint32_t i = 0; i < count; i++)
		if (draft->members[i]->state == ENDPOINT_READY)
			members[at++] = draft->members[i];
	pool->ready_count = at;
	for (uint32_t i = 0; i < count; i++) {
		const struct endpoint *it = draft->members[i];

		if (it->state != ENDPOINT_READY)
			members[at++] = it;
		pool->families |= addr_is_v4(&it->address) ? POOL_IPV4 : POOL_IPV6;
	}
	pool->members = members;
	if (weighs) {
		struct pool_share *shares = (struct pool_share *)(members + count);

		set_weights(pool, (uint32_t *)(shares + count), shares);
	}
	set_maglev(build, pool, draft->before);
	return pool;
}

static void step(struct build *build, const struct pool *before, const struct pool *after)
{
	const struct pool *either = after ? after : before;

	rows_put(build, &build->pools, name_hash(either->name), either->slot, before, after);
	build->pool_steps[build->pool_step_count++] = (struct pool_step){before, after};
}

static void pool_set(struct build *build, const struct plan_pool *plan)
{
	const struct pool *before = pool_find(build->tables, plan->name);
	struct draft draft = {.plan = plan, .before = before};
	const struct pool *after;

	if (before && rows_seen(build, &build->pools, before->slot)) {
		build_mistake(build, "pool \"%s\": named twice", plan->name);
		return;
	}
	if (before)
		rows_see(build, &build->pools, before->slot);
	if (!pool_check(build, plan))
		return;
	draft.slot = before ? before->slot : build_slot(build, &build->store->pools, "pools");
	if (draft.slot == SLOT_NONE)
		return;
	draft.members = calloc(plan->endpoint_count + 1, sizeof(struct endpoint *));
	if (!draft.members) {
		build->edit.failed = true;
		return;
	}
	if (plan->upstream)
		draft.upstream = upstream_make(build, plan, before ? before->upstream : NULL);
	else if (before)
		upstream_replace(build, before->upstream);
	if (members_build(build, &draft) &&
		(draft.changed || !before || before->algorithm != plan->algorithm ||
			before->upstream != draft.upstream)) {
		after = pool_make(build, &draft);
		if (after)
			step(build, before, after);
	}
	free(draft.members);
}

static void pool_remove(struct build *build, const struct pool *pool)
{
	pool_difference(pool, NULL, endpoint_remove, build);
	edit_replace(&build->edit, pool->maglev);
	upstream_replace(build, pool->upstream);
	step(build, pool, NULL);
}

static void pool_remove_named(struct build *build, const char *name)
{
	const struct pool *pool = pool_find(build->tables, name);

	if (!pool)
		build_mistake(build, "pool \"%s\": to be removed, but not in the plan", name);
	else if (rows_seen(build, &build->pools, pool->slot))
		build_mistake(build, "pool \"%s\": both set and removed", name);
	else
		pool_remove(build, pool);
}

void pools_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	build->pool_steps =
		calloc(before->pool_end + change->pool_count + 1, sizeof(*build->pool_steps));
	if (!build->pool_steps) {
		build->edit.failed = true;
		return;
	}
	for (uint32_t i = 0; i < change->pool_count && !build->edit.failed; i++)
		pool_set(build, &change->pools[i]);
	for (uint32_t i = 0; i < change->pool_removed_count && !build->edit.failed; i++)
		pool_remove_named(build, change->pools_removed[i]);
	if (change->base != 0)
		return;
	for (uint32_t slot = 0; slot < before->pool_end; slot++) {
		const struct pool *pool = slots_get(&before->pools, slot);

		if (pool && !rows_seen(build, &build->pools, slot))
			pool_remove(build, pool);
	}
}
