// SPDX-License-Identifier: BSD-3-Clause
// The flow table against a naive model: every record of a full table is found from both sides,
// random opening and closing leaves nothing behind, times are kept, memory is bounded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow_table.h"

static const struct timeouts_settings timeouts = {
	.tcp_syn = 30,
	.tcp_established = 7800,
	.tcp_fin = 60,
	.tcp_closed = 2,
	.udp = 60,
	.udp_unreplied = 30,
};

// Tuple number i, of either family, both directions distinct for all i.
static void set_keys(struct flow *flow, uint32_t i, bool v6)
{
	uint8_t src[16] = {0x20, 1}, dst[16] = {0x20, 2};
	uint8_t pod[16] = {0x20, 3}, own[16] = {0x20, 4};
	struct flow_key key = {src, dst, 0x5000u << 16 | (i & 0xffff), 17, v6 ? 6 : 4};
	struct flow_key reply = {pod, own, (i & 0xffff) << 16 | 0x5000, 17, v6 ? 6 : 4};

	src[2] = own[2] = (uint8_t)(i >> 16);
	src[3] = own[3] = (uint8_t)(i >> 24);
	flow_set_key(flow, 0, &key);
	flow_set_key(flow, 1, &reply);
}

static struct flow *open_number(struct flow_table *table, uint32_t i, enum flow_state state)
{
	struct flow *flow = flow_new(table);

	if (!flow)
		return NULL;
	set_keys(flow, i, i & 1);
	flow->state = (uint8_t)state;
	flow->seen = table->now;
	return flow_insert(table, flow) ? flow : NULL;
}

static struct flow *find_number(struct flow_table *table, uint32_t i, unsigned side)
{
	struct flow like = {0};
	struct flow_key key;
	uint8_t direction = 2;
	struct flow *flow;

	set_keys(&like, i, i & 1);
	key = flow_record_key(&like, side);
	flow = flow_find(table, &key, &direction);
	if (flow)
		assert_int_equal(direction, side);
	return flow;
}

static void test_full(void **state)
{
	const uint32_t capacity = 100000;
	struct flow_table *table = flow_table_new(capacity, rte_rand(), &timeouts);

	assert_non_null(table);
	assert_true(table->bytes / capacity <= 160);
	for (uint32_t i = 0; i < capacity; i++)
		assert_non_null(open_number(table, i, FLOW_UDP));
	assert_null(flow_new(table));
	assert_int_equal(table->used, capacity);
	for (uint32_t i = 0; i < capacity; i++) {
		struct flow *flow = find_number(table, i, 0);

		assert_non_null(flow);
		assert_ptr_equal(flow, find_number(table, i, 1));
	}
	assert_null(find_number(table, capacity, 0));
	for (uint32_t i = 0; i < capacity; i += 2)
		flow_delete(table, find_number(table, i, 0));
	for (uint32_t i = 0; i < capacity; i++)
		assert_int_equal(find_number(table, i, 1) != NULL, i & 1);
	for (uint32_t i = 1; i < capacity; i += 2)
		flow_delete(table, find_number(table, i, 1));
	assert_int_equal(table->used, 0);
	for (uint32_t i = 0; i < table->bucket_count; i++) {
		assert_int_equal(table->buckets[i].used, 0);
		assert_int_equal(table->buckets[i].spilled, 0);
	}
	flow_table_free(table);
}

static void test_random_against_model(void **state)
{
	enum {
		NUMBERS = 4096
	};
	const uint32_t capacity = 3000;
	struct flow_table *table = flow_table_new(capacity, 7, &timeouts);
	static struct flow *model[NUMBERS];
	uint32_t count = 0;

	for (unsigned step = 0; step < 400000; step++) {
		uint32_t i = (uint32_t)rte_rand_max(NUMBERS);

		if (model[i]) {
			assert_ptr_equal(find_number(table, i, step & 1), model[i]);
			if (rte_rand_max(3) == 0) {
				flow_delete(table, model[i]);
				model[i] = NULL;
				count--;
			}
		} else {
			assert_null(find_number(table, i, step & 1));
			model[i] = open_number(table, i, FLOW_TCP_ESTABLISHED);
			assert_int_equal(model[i] != NULL, count < capacity);
			count += model[i] != NULL;
		}
		assert_int_equal(table->used, count);
	}
	flow_table_free(table);
}

static unsigned expire_all(struct flow_table *table)
{
	unsigned n = 0;

	for (;;) {
		unsigned budget = 64;
		struct flow *flow = flow_expired(table, &budget);

		if (flow) {
			flow_delete(table, flow);
			n++;
		} else if (budget) {
			return n;
		}
	}
}

static void test_times(void **state)
{
	struct flow_table *table = flow_table_new(1000, 7, &timeouts);
	const uint32_t second = 1000000 / FLOW_TICK_US + 1;
	struct flow *active, *closed;

	table->now = table->wheel_tick = 4294960000u; // wraps during the test
	active = open_number(table, 1, FLOW_UDP);
	open_number(table, 2, FLOW_UDP);
	open_number(table, 3, FLOW_TCP_SYN);
	closed = open_number(table, 4, FLOW_TCP_ESTABLISHED);
	closed->state = FLOW_TCP_CLOSED;
	flow_rearm(table, closed);
	open_number(table, 5, FLOW_TCP_ESTABLISHED);
	assert_int_equal(expire_all(table), 0);
	table->now += 3 * second;
	assert_int_equal(expire_all(table), 1);
	assert_null(find_number(table, 4, 0));
	table->now += 28 * second;
	assert_int_equal(expire_all(table), 1);
	assert_null(find_number(table, 3, 0));
	active->seen = table->now;
	table->now += 32 * second;
	assert_int_equal(expire_all(table), 1);
	assert_null(find_number(table, 2, 0));
	assert_non_null(find_number(table, 1, 0));
	for (unsigned i = 0; i < 7800 / 60; i++) {
		table->now += 60 * second;
		expire_all(table);
	}
	table->now += 60 * second;
	expire_all(table);
	assert_int_equal(table->used, 0);
	flow_table_free(table);
}

static void test_oldest_closed_first(void **state)
{
	struct flow_table *table = flow_table_new(1000, 7, &timeouts);

	for (uint32_t i = 0; i < 10; i++)
		open_number(table, i, FLOW_TCP_CLOSED);
	for (uint32_t i = 0; i < 10; i++) {
		struct flow *flow = flow_oldest_closed(table);

		assert_ptr_equal(flow, find_number(table, i, 0));
		flow_delete(table, flow);
	}
	assert_null(flow_oldest_closed(table));
	flow_table_free(table);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0], (char[]){"--no-huge"}, (char[]){"-m"}, (char[]){"256"},
		(char[]){"--no-pci"}, (char[]){"--no-shconf"}, (char[]){"--no-telemetry"},
		(char[]){"-l"}, (char[]){"0"}, NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_random_against_model),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_oldest_closed_first),
	};

	if (rte_eal_init(9, eal) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
