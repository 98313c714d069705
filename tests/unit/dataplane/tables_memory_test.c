// SPDX-License-Identifier: BSD-3-Clause
// Memory that runs out at any point of a change: it is refused, nothing has changed, nothing leaks,
// and the same change goes through when there is memory again. The linker puts the allocator of
// this file between the tables and libc (--wrap).
#include "change_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// How many more allocations succeed; below zero: all of them.
static long allowed = -1;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool allow(void)
{
	if (allowed < 0)
		return true;
	return allowed > 0 ? allowed-- : false;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return allow() ? __real_aligned_alloc(alignment, size) : NULL;
}

void *__wrap_malloc(size_t size)
{
	return allow() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return allow() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
	return allow() ? __real_realloc(block, size) : NULL;
}

static struct plan_change *plan(uint64_t base, uint64_t generation, unsigned pools, unsigned shift)
{
	struct plan_change *change = change_new(base, generation);

	change_vip(change, "192.0.2.1");
	change_vip(change, shift ? "192.0.2.2" : "192.0.2.3");
	for (unsigned p = 0; p < pools; p++) {
		char name[32], address[32];

		snprintf(name, sizeof(name), "pool-%u", p + shift);
		change_pool(change, name, (uint8_t)(ALGORITHM_MAGLEV + p % 5));
		for (unsigned e = 0; e < 80; e++) {
			snprintf(address, sizeof(address), "10.0.%u.%u", p, e + shift + 1);
			change_endpoint(change, address, 80, ENDPOINT_READY, 1);
		}
		change_listener(change, "192.0.2.1", IPPROTO_TCP, (uint16_t)(p + 1), name)->mode =
			p % 2 ? MODE_DNAT : MODE_FULL_NAT;
		snprintf(address, sizeof(address), "10.%u.0.0/16", p + shift);
		change_route(change, address, "192.168.0.1");
	}
	return change;
}

static void gather_listener(const struct listener *listener, void *arg)
{
	uint64_t *sum = arg;

	*sum = *sum * 31 + listener->slot * 7ull + listener->port + listener->pool->member_count;
}

static void gather_pool(const struct pool *pool, void *arg)
{
	uint64_t *sum = arg;

	for (uint32_t i = 0; i < pool->member_count; i++)
		*sum = *sum * 31 + pool->members[i]->slot + pool->members[i]->identity;
}

static uint64_t content(const struct tables *tables)
{
	uint64_t sum = tables_generation(tables);

	tables_each_listener(tables, gather_listener, &sum);
	tables_each_pool(tables, gather_pool, &sum);
	return sum;
}

// Fails the n-th allocation for every n until the change goes through.
static unsigned try_all(struct tables_store *store, struct plan_change *change)
{
	uint64_t before = content(tables_current(store));
	unsigned refused = 0;

	for (long n = 0;; n++) {
		struct reason reason = {0};
		int result;

		allowed = n;
		result = tables_apply(store, change, &reason);
		allowed = -1;
		reason_clear(&reason);
		if (!result)
			return refused;
		assert_int_equal(result, -ENOMEM);
		assert_int_equal(content(tables_current(store)), before);
		refused++;
	}
}

static void test_out_of_memory(void **state)
{
	struct tables_store *store = tables_store_new();
	struct plan_change *first = plan(0, 1, 6, 0), *second = plan(0, 2, 6, 2);
	struct plan_change *third = change_new(2, 3);

	assert_non_null(store);
	assert_true(try_all(store, first) > 20);
	assert_true(try_all(store, second) > 20);
	change_pool(third, "pool-4", ALGORITHM_MAGLEV);
	assert_true(try_all(store, third) > 5);
	change_free(first);
	change_free(second);
	change_free(third);
	tables_store_free(store);
}

static void test_no_store(void **state)
{
	for (long n = 0;; n++) {
		struct tables_store *store;

		allowed = n;
		store = tables_store_new();
		allowed = -1;
		if (store) {
			tables_store_free(store);
			assert_true(n > 3);
			return;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
