// SPDX-License-Identifier: BSD-3-Clause
// The tables' promises one by one: what is shared, what is refused and with which words, when slots
// come back, what a change costs in a large plan.
#include "change_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LARGE_POOLS     10000
#define LARGE_ENDPOINTS 10 // a pool

static void apply(struct tables_store *store, struct plan_change *change)
{
	struct reason reason = {0};
	int result = tables_apply(store, change, &reason);

	if (result)
		fail_msg("refused: %s", reason_text(&reason));
	change_free(change);
}

static void refuse(
	struct tables_store *store, struct plan_change *change, int error, const char *text)
{
	const struct tables *before = tables_current(store);
	struct reason reason = {0};

	assert_int_equal(tables_apply(store, change, &reason), error);
	if (!strstr(reason_text(&reason), text))
		fail_msg("refused with: %s\nbut expected: %s", reason_text(&reason), text);
	assert_ptr_equal(tables_current(store), before);
	reason_clear(&reason);
	change_free(change);
}

// One VIP, one TCP listener on port 80, three endpoints.
static struct plan_change *small_plan(uint64_t base, uint64_t generation)
{
	struct plan_change *change = change_new(base, generation);

	change_vip(change, "192.0.2.10");
	change_pool(change, "p", ALGORITHM_MAGLEV);
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_READY, 1);
	change_endpoint(change, "10.0.0.3", 8080, ENDPOINT_READY, 1);
	change_listener(change, "192.0.2.10", IPPROTO_TCP, 80, "p");
	change_route(change, "10.0.0.0/24", "192.168.0.1");
	return change;
}

static struct tables_store *small_store(void)
{
	struct tables_store *store = tables_store_new();

	assert_non_null(store);
	apply(store, small_plan(0, 1));
	return store;
}

static const struct listener *listener_at(
	const struct tables_store *store, const char *vip, uint8_t protocol, uint16_t port)
{
	struct addr address = address_of(vip);

	return tables_listener(tables_current(store), &address, protocol, htons(port));
}

static void test_empty(void **state)
{
	struct tables_store *store = tables_store_new();
	struct addr address = address_of("192.0.2.10");
	uint32_t count;
	uint8_t flags;

	assert_non_null(store);
	assert_int_equal(tables_generation(tables_current(store)), 0);
	assert_null(listener_at(store, "192.0.2.10", IPPROTO_TCP, 80));
	assert_null(tables_vip(tables_current(store), &address));
	assert_null(tables_endpoint(tables_current(store), 0));
	assert_null(tables_endpoint(tables_current(store), SLOT_NONE));
	assert_null(tables_listener_slot(tables_current(store), 12345));
	assert_false(tables_dnat_endpoint(
		tables_current(store), &address, IPPROTO_TCP, htons(80), &flags));
	tables_routes(tables_current(store), &count);
	assert_int_equal(count, 0);
	assert_false(tables_has_removed(store));
	tables_store_free(store);
}

static void test_lookup(void **state)
{
	struct tables_store *store = small_store();
	const struct listener *listener = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80);

	assert_non_null(listener);
	assert_string_equal(listener->pool->name, "p");
	assert_int_equal(listener->pool->ready_count, 3);
	assert_null(listener_at(store, "192.0.2.10", IPPROTO_UDP, 80));
	assert_null(listener_at(store, "192.0.2.10", IPPROTO_TCP, 81));
	assert_null(listener_at(store, "192.0.2.11", IPPROTO_TCP, 80));
	assert_ptr_equal(*tables_pointer(store), tables_current(store));
	tables_store_free(store);
}

// What a resync after a reconnect does: the same plan again, whole, under another number.
static void test_same_whole_plan_shares_everything(void **state)
{
	struct tables_store *store = small_store();
	const struct listener *listener = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80);
	const struct pool *pool = listener->pool;
	const struct fib_route *routes;
	uint32_t count;

	routes = tables_routes(tables_current(store), &count);
	apply(store, small_plan(0, 77));
	tables_reclaim(store);
	assert_int_equal(tables_generation(tables_current(store)), 77);
	assert_ptr_equal(listener_at(store, "192.0.2.10", IPPROTO_TCP, 80), listener);
	assert_ptr_equal(listener->pool, pool);
	assert_ptr_equal(tables_routes(tables_current(store), &count), routes);
	assert_false(tables_has_removed(store));
	assert_int_equal(tables_endpoint_slots(tables_current(store)), 3);
	tables_store_free(store);
}

static void test_draining_keeps_slot_and_others_choices(void **state)
{
	struct tables_store *store = small_store();
	const struct pool *before = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool;
	const struct endpoint *first = before->members[0], *second = before->members[1];
	const struct maglev *maglev = before->maglev;
	struct plan_change *change = change_new(1, 2);
	const struct pool *after;

	change_pool(change, "p", ALGORITHM_MAGLEV);
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_DRAINING, 1);
	change_endpoint(change, "10.0.0.3", 8080, ENDPOINT_READY, 1);
	apply(store, change);
	after = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool;
	assert_int_equal(after->ready_count, 2);
	assert_int_equal(after->member_count, 3);
	assert_ptr_equal(after->members[0], first);
	assert_int_equal(after->members[2]->slot, second->slot);
	assert_int_equal(after->members[2]->state, ENDPOINT_DRAINING);
	assert_ptr_not_equal(after->maglev, maglev);
	assert_false(tables_has_removed(store));
	tables_reclaim(store);

	// Another name for it changes nothing for the choice.
	maglev = after->maglev;
	change = change_new(2, 3);
	change_pool(change, "p", ALGORITHM_MAGLEV);
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1)->name[0] = 'X';
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_DRAINING, 1);
	change_endpoint(change, "10.0.0.3", 8080, ENDPOINT_READY, 1);
	apply(store, change);
	tables_reclaim(store);
	after = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool;
	assert_ptr_equal(after->maglev, maglev);
	assert_string_equal(after->members[0]->name, "X0.0.0.1");
	tables_store_free(store);
}

static void count_slot(uint32_t slot, void *arg)
{
	++*(unsigned *)arg;
}

static struct plan_change *one_endpoint(uint64_t base, const char *address)
{
	struct plan_change *change = change_new(base, base + 1);

	change_pool(change, "p", ALGORITHM_MAGLEV);
	change_endpoint(change, address, 8080, ENDPOINT_READY, 1);
	return change;
}

static uint32_t only_slot(const struct tables_store *store)
{
	return listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool->members[0]->slot;
}

static void test_slot_waits_for_the_pass(void **state)
{
	struct tables_store *store = small_store();
	unsigned counted = 0;
	uint32_t kept;

	apply(store, one_endpoint(1, "10.0.0.1")); // .2 and .3 are gone
	kept = only_slot(store);
	assert_true(tables_has_removed(store)); // the pass over these two begins
	assert_false(tables_has_removed(store));
	apply(store, one_endpoint(2, "10.0.0.4")); // .1 goes meanwhile
	assert_int_equal(only_slot(store), 3);
	assert_null(tables_endpoint(tables_current(store), kept));
	tables_each_removed(store, count_slot, count_slot, &counted);
	assert_int_equal(counted, 2);
	tables_release_slots(store);
	apply(store, one_endpoint(3, "10.0.0.5")); // gets one of the two, not that of .1
	assert_int_not_equal(only_slot(store), kept);
	assert_true(only_slot(store) < 3);
	assert_true(tables_has_removed(store));
	tables_release_slots(store);
	assert_int_equal(tables_endpoint_slots(tables_current(store)), 4);
	tables_store_free(store);
}

static void test_new_algorithm(void **state)
{
	struct tables_store *store = small_store();
	struct plan_change *change = change_new(1, 2);
	const struct pool *pool;

	change_pool(change, "p", ALGORITHM_WEIGHTED);
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 100);
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_READY, 200);
	change_endpoint(change, "10.0.0.3", 8080, ENDPOINT_DRAINING, 150);
	apply(store, change);
	tables_reclaim(store);
	pool = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool;
	assert_null(pool->maglev);
	assert_int_equal(pool->weight_total, 3); // in units of 100
	assert_int_equal(pool->weight_ends[0], 1);
	assert_int_equal(pool->weight_ends[1], 3);
	assert_int_equal(pool->shares[1].slot, pool->members[1]->slot);
	assert_int_equal(pool->shares[1].weight, 200);
	tables_store_free(store);
}

static void test_references(void **state)
{
	struct tables_store *store = small_store();
	struct plan_change *change = change_new(1, 2);

	change_listener(change, "192.0.2.10", IPPROTO_UDP, 53, "nowhere");
	change_listener(change, "192.0.2.99", IPPROTO_UDP, 53, "p");
	refuse(store, change, -EINVAL,
		"listener 192.0.2.10 udp/53: pool \"nowhere\" is not in the plan\n"
		"listener 192.0.2.99 udp/53: vip 192.0.2.99 is not in the plan");
	change = change_new(1, 2);
	change_remove_pool(change, "p");
	refuse(store, change, -EINVAL,
		"pool \"p\": to be removed, but listener 192.0.2.10 tcp/80 uses it");
	change = change_new(1, 2);
	change_remove_vip(change, "192.0.2.10");
	refuse(store, change, -EINVAL,
		"vip 192.0.2.10: to be removed, but listener 192.0.2.10 tcp/80 is on it");
	change = change_new(1, 2);
	change_remove_listener(change, "192.0.2.10", IPPROTO_TCP, 81);
	refuse(store, change, -EINVAL,
		"listener 192.0.2.10 tcp/81: to be removed, but not in the plan");
	change = change_new(1, 2);
	change_vip(change, "192.0.2.10");
	change_remove_vip(change, "192.0.2.10");
	refuse(store, change, -EINVAL, "vip 192.0.2.10: both set and removed");
	// All of it together is fine.
	change = change_new(1, 2);
	change_remove_pool(change, "p");
	change_remove_vip(change, "192.0.2.10");
	change_remove_listener(change, "192.0.2.10", IPPROTO_TCP, 80);
	apply(store, change);
	tables_store_free(store);
}

static void test_families(void **state)
{
	struct tables_store *store = small_store();
	struct plan_change *change = change_new(1, 2);

	change_vip(change, "2001:db8::10");
	change_listener(change, "2001:db8::10", IPPROTO_TCP, 80, "p");
	refuse(store, change, -EINVAL,
		"listener 2001:db8::10 tcp/80: pool \"p\" has endpoint 10.0.0.1 port 8080, "
		"expected "
		"IPv6 endpoints as the vip's");
	// The pool alone changes, under a listener that does not.
	change = change_new(1, 2);
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN);
	change_endpoint(change, "fd00::1", 80, ENDPOINT_READY, 1);
	refuse(store, change, -EINVAL,
		"listener 192.0.2.10 tcp/80: pool \"p\" has endpoint fd00::1 port 80, expected "
		"IPv4");
	tables_store_free(store);
}

static void test_generations(void **state)
{
	struct tables_store *store = small_store();

	refuse(store, change_new(2, 3), -ESTALE,
		"a difference from generation 2, but 1 is in force: send the whole plan");
	refuse(store, change_new(1, 0), -EINVAL, "generation 0");
	apply(store, change_new(1, 2));
	assert_int_equal(tables_generation(tables_current(store)), 2);
	tables_store_free(store);
}

static bool dnat_at(const struct tables_store *store, const char *address, uint8_t *flags)
{
	struct addr addr = address_of(address);

	return tables_dnat_endpoint(tables_current(store), &addr, IPPROTO_TCP, htons(8080), flags);
}

static struct plan_change *dnat_listener(
	uint64_t base, uint16_t port, uint8_t mode, uint32_t affinity_s)
{
	struct plan_change *change = change_new(base, base + 1);
	struct plan_listener *listener =
		change_listener(change, "192.0.2.10", IPPROTO_TCP, port, "p");

	listener->mode = mode;
	listener->affinity_s = affinity_s;
	return change;
}

static void test_dnat_endpoints(void **state)
{
	struct tables_store *store = small_store();
	struct plan_change *change;
	uint8_t flags = 0;

	assert_false(dnat_at(store, "10.0.0.1", &flags));
	apply(store, dnat_listener(1, 81, MODE_DNAT, 0));
	assert_true(dnat_at(store, "10.0.0.1", &flags));
	assert_int_equal(flags, LISTENER_OWNER_CLIENT);
	refuse(store, dnat_listener(2, 82, MODE_DNAT, 600), -EINVAL,
		"listener 192.0.2.10 tcp/82: endpoint 10.0.0.1 port 8080 is also behind a listener "
		"without ClientIP affinity");
	// The only one changes its mind; then a second one agrees.
	apply(store, dnat_listener(2, 81, MODE_DNAT, 600));
	assert_true(dnat_at(store, "10.0.0.1", &flags));
	assert_int_equal(flags, LISTENER_OWNER_CLIENT_IP);
	apply(store, dnat_listener(3, 82, MODE_DNAT, 300));
	// An endpoint leaves the pool: it is behind neither any more.
	apply(store, one_endpoint(4, "10.0.0.2"));
	assert_false(dnat_at(store, "10.0.0.1", &flags));
	assert_true(dnat_at(store, "10.0.0.2", &flags));
	apply(store, dnat_listener(5, 81, MODE_FULL_NAT, 0));
	assert_true(dnat_at(store, "10.0.0.2", &flags));
	change = change_new(6, 7);
	change_remove_listener(change, "192.0.2.10", IPPROTO_TCP, 82);
	apply(store, change);
	assert_false(dnat_at(store, "10.0.0.2", &flags));
	tables_store_free(store);
}

static uint32_t dnat_count(const struct tables *tables)
{
	struct addr address = address_of("10.0.0.1");
	const uint32_t *at;

	return tables_dnat_listeners(tables, &address, IPPROTO_TCP, htons(8080), &at);
}

// Which they are (the model looks at that) is known as long as they never were too many.
static void test_dnat_listeners(void **state)
{
	const uint16_t most = TABLES_DNAT_LISTENERS;
	struct tables_store *store = small_store();
	struct plan_change *change;
	uint64_t generation = 1;

	for (uint16_t n = 1; n <= most + 1; n++, generation++) {
		apply(store, dnat_listener(generation, 100 + n, MODE_DNAT, 0));
		assert_int_equal(dnat_count(tables_current(store)), n <= most ? n : 0);
	}
	for (uint16_t n = 1; n <= most + 1; n++, generation++) {
		change = change_new(generation, generation + 1);
		change_remove_listener(change, "192.0.2.10", IPPROTO_TCP, 100 + n);
		apply(store, change);
		assert_int_equal(dnat_count(tables_current(store)), 0);
	}
	tables_store_free(store);
}

static void test_long_name_is_cut_between_characters(void **state)
{
	struct tables_store *store = small_store();
	struct plan_change *change = one_endpoint(1, "10.0.0.1");
	struct plan_endpoint *endpoint = &change->pools[0].endpoints[0];
	const struct endpoint *it;

	free(endpoint->name);
	endpoint->name = malloc(100);
	assert_non_null(endpoint->name);
	memset(endpoint->name, 'n', 62);
	memcpy(endpoint->name + 62, "\xc3\xa9toile", 8);
	apply(store, change);
	it = listener_at(store, "192.0.2.10", IPPROTO_TCP, 80)->pool->members[0];
	assert_int_equal(strlen(it->name), 62);
	tables_store_free(store);
}

static void large_pool(struct plan_change *change, unsigned i, unsigned skip)
{
	char name[64];

	snprintf(name, sizeof(name), "local/default/service-%u:80", i);
	change_pool(change, name, ALGORITHM_MAGLEV);
	for (unsigned e = 0; e < LARGE_ENDPOINTS; e++) {
		char address[32];

		snprintf(address, sizeof(address), "10.%u.%u.%u", e, i / 250, 1 + i % 250);
		if (e != skip)
			change_endpoint(change, address, 8080, ENDPOINT_READY, 1);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// The best of many, so that what else the machine does stays out of it.
static double fastest_small_change(struct tables_store *store)
{
	double best = 1;

	for (unsigned i = 0; i < 100; i++) {
		struct plan_change *change = change_new(i + 1, i + 2);
		struct reason reason = {0};
		double begin;

		large_pool(change, 5000, i % 2 ? LARGE_ENDPOINTS : 3);
		begin = seconds();
		assert_int_equal(tables_apply(store, change, &reason), 0);
		tables_reclaim(store);
		if (seconds() - begin < best)
			best = seconds() - begin;
		if (tables_has_removed(store))
			tables_release_slots(store);
		change_free(change);
	}
	return best;
}

static void test_small_change_of_a_large_plan(void **state)
{
	struct tables_store *store = tables_store_new();
	struct plan_change *change = change_new(0, 1);
	const struct listener *untouched;
	double begin, whole, small;

	assert_non_null(store);
	change_vip(change, "192.0.2.10");
	for (unsigned i = 0; i < LARGE_POOLS; i++) {
		char name[64];

		large_pool(change, i, LARGE_ENDPOINTS);
		snprintf(name, sizeof(name), "local/default/service-%u:80", i);
		change_listener(change, "192.0.2.10", IPPROTO_TCP, (uint16_t)(i + 1), name);
	}
	begin = seconds();
	apply(store, change);
	whole = seconds() - begin;
	assert_int_equal(
		tables_endpoint_slots(tables_current(store)), LARGE_POOLS * LARGE_ENDPOINTS);
	untouched = listener_at(store, "192.0.2.10", IPPROTO_TCP, 17);
	small = fastest_small_change(store);
	print_message("whole plan %.0f ms, one endpoint %.0f us\n", whole * 1e3, small * 1e6);
	assert_ptr_equal(listener_at(store, "192.0.2.10", IPPROTO_TCP, 17), untouched);
	assert_int_equal(tables_endpoint_slots(tables_current(store)),
		LARGE_POOLS * LARGE_ENDPOINTS); // the one that went and came has the slot again
	assert_true(small < 0.001);
	tables_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_same_whole_plan_shares_everything),
		cmocka_unit_test(test_draining_keeps_slot_and_others_choices),
		cmocka_unit_test(test_slot_waits_for_the_pass),
		cmocka_unit_test(test_new_algorithm),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_dnat_endpoints),
		cmocka_unit_test(test_dnat_listeners),
		cmocka_unit_test(test_long_name_is_cut_between_characters),
		cmocka_unit_test(test_small_change_of_a_large_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
