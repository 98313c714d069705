// SPDX-License-Identifier: BSD-3-Clause
// Thousands of random changes, right and wrong ones, of the tables and of a naive model beside
// them, which must agree on what is refused and on every answer; that slots stay, that what did not
// change is shared, that a snapshot says the same until it is reclaimed, and that a refusal leaves
// nothing. A failure prints its seed; SLUICE_TEST_SEED runs that one.
#include "tables_model.h"

#include "maglev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 1000

// What is known of the real tables beside the model's content.
struct world {
	struct tables_store *store;
	struct model model;
	uint32_t slots[POOLS][ENDPOINTS];
	uint32_t listener_slots[LISTENERS];
	bool held[1 << 16], held_listener[1 << 16]; // given back, not yet released
	const struct tables *old;                   // the snapshot before, and what it said
	struct model old_model;
	uint64_t dice;
	unsigned applied, refused;
};

static void count_one(void *arg)
{
	++*(unsigned *)arg;
}

static void count_vip(const struct vip *vip, void *arg)
{
	count_one(arg);
}

static void count_listener(const struct listener *listener, void *arg)
{
	count_one(arg);
}

static void count_pool(const struct pool *pool, void *arg)
{
	count_one(arg);
}

static void check_pool(const struct model_pool *expected, const struct pool *pool, const char *name)
{
	struct maglev_member members[ENDPOINTS];
	unsigned ready = 0, all = 0;
	struct maglev *maglev;

	assert_string_equal(pool->name, name);
	assert_int_equal(pool->algorithm, expected->algorithm);
	for (unsigned e = 0; e < ENDPOINTS; e++) {
		ready += expected->endpoints[e].state == ENDPOINT_READY;
		all += expected->endpoints[e].state != 0;
	}
	assert_int_equal(pool->ready_count, ready);
	assert_int_equal(pool->member_count, all);
	for (unsigned i = 0; i < all; i++) {
		const struct endpoint *it = pool->members[i];

		assert_int_equal(it->state, i < ready ? ENDPOINT_READY : ENDPOINT_DRAINING);
		assert_int_equal(it->pool_slot, pool->slot);
		if (i && i != ready)
			assert_true(
				addr_compare(&it[0].address, &pool->members[i - 1]->address) > 0 ||
				ntohs(it->port) > ntohs(pool->members[i - 1]->port));
		if (i < ready)
			members[i] = (struct maglev_member){it->identity, it->weight};
	}
	if (!ready ||
		(pool->algorithm != ALGORITHM_MAGLEV && pool->algorithm != ALGORITHM_SOURCE_HASH)) {
		assert_null(pool->maglev);
		return;
	}
	maglev = maglev_new(members, ready);
	assert_non_null(maglev);
	assert_memory_equal(
		maglev, pool->maglev, sizeof(*maglev) + (size_t)maglev->size * maglev->cell_bytes);
	free(maglev);
}

static const struct endpoint *find_endpoint(const struct pool *pool, unsigned e)
{
	char name[64];
	struct addr address = address_of(model_endpoint_name(e, name));

	for (uint32_t i = 0; i < pool->member_count; i++)
		if (addr_compare(&pool->members[i]->address, &address) == 0 &&
			pool->members[i]->port == htons(model_endpoint_port(e)))
			return pool->members[i];
	return NULL;
}

static const struct listener *find_listener(const struct tables *tables, unsigned l)
{
	struct addr vip = address_of(model_vip_names[l / 4]);

	return tables_listener(
		tables, &vip, model_listener_protocol(l), htons(model_listener_port(l)));
}

static bool is_dnat_listener(
	const struct model *model, unsigned l, unsigned endpoint, uint8_t protocol)
{
	const struct model_listener *it = &model->listeners[l];

	return it->there && it->mode == MODE_DNAT && model_listener_protocol(l) == protocol &&
	       model->pools[it->pool].endpoints[endpoint].state;
}

// The listeners that an endpoint is said to be behind are those, unless it says none.
static void check_dnat_listeners(
	const struct model *model, const struct tables *tables, unsigned e, uint8_t protocol)
{
	char name[64];
	struct addr address = address_of(model_endpoint_name(e, name));
	const uint32_t *slots = NULL;
	uint32_t count = tables_dnat_listeners(
		tables, &address, protocol, htons(model_endpoint_port(e)), &slots);
	uint32_t wanted = 0;

	for (unsigned l = 0; count && l < LISTENERS; l++) {
		bool found = false;

		if (!is_dnat_listener(model, l, e, protocol))
			continue;
		for (uint32_t i = 0; i < count; i++)
			found |= slots[i] == find_listener(tables, l)->slot;
		assert_true(found);
		wanted++;
	}
	assert_int_equal(count, wanted);
}

struct search {
	const char *name;
	const struct pool *found;
};

static void match_pool(const struct pool *pool, void *arg)
{
	struct search *search = arg;

	if (strcmp(pool->name, search->name) == 0)
		search->found = pool;
}

static const struct pool *find_pool(const struct tables *tables, unsigned p)
{
	struct search search = {model_pool_names[p], NULL};

	tables_each_pool(tables, match_pool, &search);
	return search.found;
}

static void check_listeners(const struct model *model, const struct tables *tables)
{
	for (unsigned l = 0; l < LISTENERS; l++) {
		const struct model_listener *expected = &model->listeners[l];
		const struct listener *it = find_listener(tables, l);

		assert_int_equal(it != NULL, expected->there);
		if (!it)
			continue;
		assert_ptr_equal(it->pool, find_pool(tables, expected->pool));
		assert_ptr_equal(it, tables_listener_slot(tables, it->slot));
		assert_int_equal(it->mode, expected->mode);
		assert_int_equal(it->affinity_s, expected->affinity ? 600 : 0);
		assert_int_equal(it->flags, model_listener_flags(expected));
		assert_int_equal(it->source_count, expected->sources);
		if (it->source_count)
			assert_int_equal(it->sources[it->source_count - 1].length,
				it->source_count == 1 ? 24 : 48);
	}
}

static void check_content(const struct model *model, const struct tables *tables)
{
	unsigned counted[3] = {0}, expected[3] = {0};
	const struct fib_route *routes;
	uint32_t route_count, at = 0;
	char name[64];

	assert_int_equal(tables_generation(tables), model->generation);
	for (unsigned v = 0; v < VIPS; v++) {
		struct addr address = address_of(model_vip_names[v]);
		const struct vip *vip = tables_vip(tables, &address);

		assert_int_equal(vip ? (vip->owned ? 1 : 2) : 0, model->vips[v]);
		expected[0] += vip != NULL;
	}
	for (unsigned p = 0; p < POOLS; p++) {
		const struct pool *pool = find_pool(tables, p);

		assert_int_equal(pool != NULL, model->pools[p].algorithm != 0);
		if (pool)
			check_pool(&model->pools[p], pool, model_pool_names[p]);
		for (unsigned e = 0; pool && e < ENDPOINTS; e++) {
			const struct endpoint *it = find_endpoint(pool, e);

			assert_int_equal(it ? it->state : 0, model->pools[p].endpoints[e].state);
			if (!it)
				continue;
			assert_int_equal(it->weight, model->pools[p].endpoints[e].weight);
			assert_ptr_equal(it, tables_endpoint(tables, it->slot));
		}
		expected[2] += pool != NULL;
	}
	check_listeners(model, tables);
	for (unsigned e = 0; e < ENDPOINTS; e++)
		for (unsigned u = 0; u < 2; u++) {
			struct addr address = address_of(model_endpoint_name(e, name));
			uint8_t protocol = u ? IPPROTO_UDP : IPPROTO_TCP, flags = 0;
			int wanted = model_dnat(model, e, protocol);
			bool found = tables_dnat_endpoint(
				tables, &address, protocol, htons(model_endpoint_port(e)), &flags);

			assert_int_equal(found, wanted >= 0);
			if (found)
				assert_int_equal(flags, wanted);
			check_dnat_listeners(model, tables, e, protocol);
		}
	routes = tables_routes(tables, &route_count);
	for (unsigned r = 0; r < ROUTES; r++)
		at += model->routes[r] != 0;
	assert_int_equal(route_count, at);
	for (uint32_t i = 1; i < route_count; i++)
		assert_true(addr_compare(&routes[i - 1].to.addr, &routes[i].to.addr) < 0 ||
			    routes[i - 1].to.length < routes[i].to.length);
	for (unsigned l = 0; l < LISTENERS; l++)
		expected[1] += model->listeners[l].there;
	tables_each_vip(tables, count_vip, &counted[0]);
	tables_each_listener(tables, count_listener, &counted[1]);
	tables_each_pool(tables, count_pool, &counted[2]);
	assert_memory_equal(counted, expected, sizeof(counted));
}

static bool same_ready(const struct model_pool *a, const struct model_pool *b)
{
	for (unsigned e = 0; e < ENDPOINTS; e++) {
		bool ready_a = a->endpoints[e].state == ENDPOINT_READY;
		bool ready_b = b->endpoints[e].state == ENDPOINT_READY;

		if (ready_a != ready_b ||
			(ready_a && a->endpoints[e].weight != b->endpoints[e].weight))
			return false;
	}
	return true;
}

// What did not change is the same block in both.
static void check_shared(const struct model *a, const struct tables *tables_a,
	const struct model *b, const struct tables *tables_b)
{
	for (unsigned p = 0; p < POOLS; p++) {
		const struct pool *pool_a = find_pool(tables_a, p),
				  *pool_b = find_pool(tables_b, p);

		if (!pool_a || !pool_b)
			continue;
		assert_int_equal(pool_a->slot, pool_b->slot);
		if (memcmp(&a->pools[p], &b->pools[p], sizeof(a->pools[p])) == 0)
			assert_ptr_equal(pool_a, pool_b);
		if (pool_a->maglev && pool_b->maglev && same_ready(&a->pools[p], &b->pools[p]))
			assert_ptr_equal(pool_a->maglev, pool_b->maglev);
		for (unsigned e = 0; e < ENDPOINTS; e++)
			if (a->pools[p].endpoints[e].state &&
				memcmp(&a->pools[p].endpoints[e], &b->pools[p].endpoints[e],
					sizeof(struct model_endpoint)) == 0)
				assert_ptr_equal(
					find_endpoint(pool_a, e), find_endpoint(pool_b, e));
	}
	for (unsigned l = 0; l < LISTENERS; l++)
		if (a->listeners[l].there &&
			memcmp(&a->listeners[l], &b->listeners[l], sizeof(a->listeners[l])) == 0 &&
			find_pool(tables_a, a->listeners[l].pool) ==
				find_pool(tables_b, b->listeners[l].pool))
			assert_ptr_equal(find_listener(tables_a, l), find_listener(tables_b, l));
}

// Slots stay while their owner does; a new one is nobody's and not held.
static void follow_slots(struct world *world, const struct tables *tables)
{
	for (unsigned p = 0; p < POOLS; p++) {
		const struct pool *pool = find_pool(tables, p);

		for (unsigned e = 0; e < ENDPOINTS; e++) {
			const struct endpoint *it = pool ? find_endpoint(pool, e) : NULL;
			uint32_t *slot = &world->slots[p][e];

			if (it && *slot == SLOT_NONE)
				assert_false(world->held[it->slot]);
			else if (it)
				assert_int_equal(it->slot, *slot);
			else if (*slot != SLOT_NONE)
				world->held[*slot] = true;
			*slot = it ? it->slot : SLOT_NONE;
		}
	}
	for (unsigned l = 0; l < LISTENERS; l++) {
		const struct listener *it = find_listener(tables, l);
		uint32_t *slot = &world->listener_slots[l];

		if (it && *slot == SLOT_NONE)
			assert_false(world->held_listener[it->slot]);
		else if (it)
			assert_int_equal(it->slot, *slot);
		else if (*slot != SLOT_NONE)
			world->held_listener[*slot] = true;
		*slot = it ? it->slot : SLOT_NONE;
	}
}

static void release_endpoint(uint32_t slot, void *arg)
{
	struct world *world = arg;

	assert_true(world->held[slot]);
	assert_null(tables_endpoint(tables_current(world->store), slot));
	world->held[slot] = false;
}

static void release_listener(uint32_t slot, void *arg)
{
	struct world *world = arg;

	assert_true(world->held_listener[slot]);
	assert_null(tables_listener_slot(tables_current(world->store), slot));
	world->held_listener[slot] = false;
}

static void housekeeping(struct world *world)
{
	if (model_roll(&world->dice, 3) == 0) {
		if (world->old)
			check_content(&world->old_model, world->old);
		tables_reclaim(world->store);
		world->old = NULL;
	}
	if (model_roll(&world->dice, 4) == 0)
		tables_has_removed(world->store);
	if (model_roll(&world->dice, 6) == 0) {
		tables_each_removed(world->store, release_endpoint, release_listener, world);
		tables_release_slots(world->store);
	}
}

static void one_round(struct world *world)
{
	const struct tables *before = tables_current(world->store);
	struct model next = world->model;
	struct reason reason = {0};
	struct plan_change *change;
	int expected = 0, result;

	for (unsigned i = 1 + model_roll(&world->dice, 4); i > 0; i--)
		model_mutate(&world->dice, &next);
	change = model_change(&world->dice, &world->model, &next, model_roll(&world->dice, 5) == 0);
	next.generation++;
	if (!model_is_valid(&next) ||
		(model_roll(&world->dice, 10) == 0 &&
			model_spoil(&world->dice, change, &world->model, &next)))
		expected = -EINVAL;
	if (change->base && model_roll(&world->dice, 20) == 0) {
		change->base += 5;
		expected = -ESTALE;
	}
	result = tables_apply(world->store, change, &reason);
	change_free(change);
	if (result != expected)
		fail_msg("result %d, expected %d: %s", result, expected, reason_text(&reason));
	assert_int_equal(result == 0, reason.count == 0);
	reason_clear(&reason);
	if (result) {
		assert_ptr_equal(tables_current(world->store), before);
		check_content(&world->model, before);
		world->refused++;
		return;
	}
	check_content(&next, tables_current(world->store));
	check_content(&world->model, before);
	check_shared(&world->model, before, &next, tables_current(world->store));
	follow_slots(world, tables_current(world->store));
	if (!world->old) {
		world->old = before;
		world->old_model = world->model;
	}
	world->model = next;
	world->applied++;
}

static void run(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	print_message("seed %llu\n", (unsigned long long)seed);
	world->dice = seed;
	world->store = tables_store_new();
	assert_non_null(world->store);
	memset(world->slots, 0xff, sizeof(world->slots));
	memset(world->listener_slots, 0xff, sizeof(world->listener_slots));
	for (unsigned i = 0; i < ROUNDS; i++) {
		one_round(world);
		housekeeping(world);
	}
	// Both kinds must have been tried, or the test tests nothing.
	assert_true(world->applied > ROUNDS / 4);
	assert_true(world->refused > ROUNDS / 10);
	tables_store_free(world->store);
	free(world);
}

static void test_random_changes(void **state)
{
	const char *seed = getenv("SLUICE_TEST_SEED");

	if (seed) {
		run(strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t i = 1; i <= 4; i++)
		run(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
