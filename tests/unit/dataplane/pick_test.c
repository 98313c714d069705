// SPDX-License-Identifier: BSD-3-Clause
// What each algorithm does with flows: shares, smoothness, ties, and who is never chosen.
#include "pick.h"

#include "maglev.h"
#include "stride.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMBERS_MAX 1000

struct fixture {
	struct pool pool;
	struct endpoint endpoints[MEMBERS_MAX];
	const struct endpoint *members[MEMBERS_MAX];
	uint32_t ends[MEMBERS_MAX];
	struct pool_share shares[MEMBERS_MAX];
	struct pick_state state;
	uint32_t flows[MEMBERS_MAX];
	uint32_t picked[MEMBERS_MAX];
};

static struct fixture *fixture_new(
	uint8_t algorithm, uint32_t ready, uint32_t draining, uint32_t (*weight)(uint32_t))
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct maglev_member members[MEMBERS_MAX];

	assert_non_null(f);
	for (uint32_t i = 0; i < ready + draining; i++) {
		f->endpoints[i].slot = i;
		f->endpoints[i].weight = (uint16_t)(weight ? weight(i) : 1);
		f->endpoints[i].state = i < ready ? ENDPOINT_READY : ENDPOINT_DRAINING;
		f->members[i] = &f->endpoints[i];
		members[i] = (struct maglev_member){maglev_mix(i + 1), f->endpoints[i].weight};
		if (i >= ready)
			continue;
		f->pool.weight_total += f->endpoints[i].weight;
		f->ends[i] = f->pool.weight_total;
		f->shares[i] = (struct pool_share){i, f->endpoints[i].weight};
	}
	f->pool.algorithm = algorithm;
	f->pool.ready_count = ready;
	f->pool.member_count = ready + draining;
	f->pool.members = f->members;
	f->pool.weight_ends = f->ends;
	f->pool.shares = f->shares;
	if (ready) {
		f->pool.weight_stride = stride_of(f->pool.weight_total);
		f->pool.maglev = maglev_new(members, ready);
	}
	return f;
}

static void fixture_free(struct fixture *f)
{
	free((void *)f->pool.maglev);
	free(f);
}

static uint32_t pick(struct fixture *f, uint64_t tuple, uint64_t client)
{
	struct pick_key key = {tuple, client};
	struct pick_load load = {f->flows, MEMBERS_MAX, NULL};
	uint32_t member = pick_endpoint(&f->pool, &key, &f->state, &load);

	assert_true(member < f->pool.ready_count);
	f->picked[member]++;
	return member;
}

static uint32_t one_to_four(uint32_t i)
{
	return 1 + i % 4;
}

static uint32_t ten_to_forty(uint32_t i)
{
	return 10 + i % 4 * 10;
}

// Against shares by weight; `limit` is what 99.9 % of random draws stay below.
static void check_chi_square(const struct fixture *f, uint32_t picks, double limit)
{
	double chi = 0;

	for (uint32_t i = 0; i < f->pool.ready_count; i++) {
		double expected = (double)picks * f->endpoints[i].weight / f->pool.weight_total;

		chi += (f->picked[i] - expected) * (f->picked[i] - expected) / expected;
	}
	if (chi > limit)
		fail_msg("chi-square %.1f, limit %.1f", chi, limit);
}

static void test_nobody_is_ready(void **state)
{
	for (unsigned a = ALGORITHM_MAGLEV; a <= ALGORITHM_SOURCE_HASH; a++) {
		struct fixture *f = fixture_new((uint8_t)a, 0, 3, NULL);
		struct pick_key key = {1, 2};
		struct pick_load load = {f->flows, MEMBERS_MAX, NULL};

		assert_int_equal(pick_endpoint(&f->pool, &key, &f->state, &load), UINT32_MAX);
		fixture_free(f);
	}
}

static void test_draining_are_never_chosen(void **state)
{
	for (unsigned a = ALGORITHM_MAGLEV; a <= ALGORITHM_SOURCE_HASH; a++) {
		struct fixture *f = fixture_new((uint8_t)a, 3, 3, NULL);

		for (uint64_t i = 0; i < 1000; i++)
			pick(f, i, i); // asserts it
		for (int i = 0; i < 3; i++)
			assert_true(f->picked[i] > 200);
		fixture_free(f);
	}
}

static void test_maglev_by_tuple(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_MAGLEV, 10, 0, NULL);

	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(pick(f, i, 7), pick(f, i, 8));
	memset(f->picked, 0, sizeof(f->picked));
	for (uint64_t i = 0; i < 20000; i++)
		pick(f, i, 7);
	check_chi_square(f, 20000, 27.88);
	fixture_free(f);
}

static void test_maglev_by_weight(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_MAGLEV, 10, 0, one_to_four);

	for (uint64_t i = 0; i < 20000; i++)
		pick(f, i, 7);
	check_chi_square(f, 20000, 27.88);
	fixture_free(f);
}

static void test_source_hash_by_client(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_SOURCE_HASH, 10, 0, NULL);

	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(pick(f, i, i / 2 * 2), pick(f, ~i, i / 2 * 2));
	memset(f->picked, 0, sizeof(f->picked));
	for (uint64_t client = 0; client < 20000; client++)
		pick(f, 7, client);
	check_chi_square(f, 20000, 27.88);
	fixture_free(f);
}

static void test_round_robin_in_turn(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_ROUND_ROBIN, 7, 0, NULL);
	uint32_t last = pick(f, 1, 1);

	for (uint64_t i = 1; i < 7000; i++) {
		uint32_t member = pick(f, i, i);

		assert_int_equal(member, (last + 1) % 7);
		last = member;
	}
	for (int i = 0; i < 7; i++)
		assert_int_equal(f->picked[i], 1000);
	fixture_free(f);
}

// Many workers with one flow each: the first members must not get them all.
static void test_round_robin_begins_anywhere(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_ROUND_ROBIN, 4, 0, NULL);

	for (uint64_t worker = 0; worker < 4000; worker++) {
		f->state = (struct pick_state){0};
		pick(f, worker, 1);
	}
	check_chi_square(f, 4000, 16.27);
	fixture_free(f);
}

// A round of the pool's total gives each its weight exactly; any run of picks nearly.
static void test_weighted_exactly(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_WEIGHTED, 8, 0, ten_to_forty);
	uint32_t total = f->pool.weight_total;

	for (uint32_t n = 1; n <= 3 * total; n++) {
		pick(f, n, n);
		for (int i = 0; i < 8; i++) {
			double exact = (double)n * f->endpoints[i].weight / total;

			if (n % total == 0)
				assert_int_equal(
					f->picked[i], f->endpoints[i].weight * (n / total));
			else
				assert_true(f->picked[i] > exact - 3 && f->picked[i] < exact + 3);
		}
	}
	fixture_free(f);
}

static uint32_t heavy_first(uint32_t i)
{
	return i ? 1 : 256;
}

static void test_weighted_extremes(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_WEIGHTED, 1000, 0, heavy_first);
	uint32_t total = f->pool.weight_total;

	for (uint32_t n = 0; n < total; n++)
		pick(f, n, n);
	assert_int_equal(f->picked[0], 256);
	for (int i = 1; i < 1000; i++)
		assert_int_equal(f->picked[i], 1);
	fixture_free(f);
}

static void test_least_connections_fills_evenly(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_LEAST_CONNECTIONS, 16, 0, one_to_four);
	uint32_t total = f->pool.weight_total;

	for (uint32_t n = 0; n < 100 * total; n++)
		f->flows[pick(f, n, n)]++;
	for (int i = 0; i < 16; i++)
		assert_in_range(f->flows[i], 100u * f->endpoints[i].weight - 1,
			100u * f->endpoints[i].weight + 1);
	fixture_free(f);
}

static void test_least_connections_takes_the_least(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_LEAST_CONNECTIONS, 10, 0, NULL);

	for (int i = 0; i < 10; i++)
		f->flows[i] = 50;
	f->flows[6] = 40;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pick(f, (uint64_t)i, 1), 6);
		f->flows[6]++;
	}
	fixture_free(f);
}

// A slot above what this worker counts has no flows here.
static void test_least_connections_unknown_slot(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_LEAST_CONNECTIONS, 3, 0, NULL);
	struct pick_load load = {f->flows, 2, NULL};
	struct pick_key key = {1, 1};

	f->flows[0] = f->flows[1] = 1;
	assert_int_equal(pick_endpoint(&f->pool, &key, &f->state, &load), 2);
	fixture_free(f);
}

static void test_least_connections_ties(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_LEAST_CONNECTIONS, 10, 0, NULL);

	f->flows[0] = f->flows[4] = 1;
	for (uint64_t i = 0; i < 16000; i++)
		pick(f, i, 1);
	assert_int_equal(f->picked[0] + f->picked[4], 0);
	// Among the eight that are equal, as chance would: 7 degrees of freedom.
	double chi = 0;
	for (int i = 0; i < 10; i++)
		if (i != 0 && i != 4)
			chi += (f->picked[i] - 2000.0) * (f->picked[i] - 2000.0) / 2000.0;
	if (chi > 24.32)
		fail_msg("chi-square %.1f", chi);
	fixture_free(f);
}

static void test_least_connections_of_many(void **state)
{
	struct fixture *f = fixture_new(ALGORITHM_LEAST_CONNECTIONS, 1000, 0, one_to_four);
	uint32_t total = f->pool.weight_total;

	for (uint32_t n = 0; n < 100 * total; n++)
		f->flows[pick(f, n, n)]++;
	for (int i = 0; i < 1000; i++) {
		double of_share = f->flows[i] / (100.0 * f->endpoints[i].weight);

		if (of_share < 0.93 || of_share > 1.07)
			fail_msg("member %d has %.3f of its share", i, of_share);
	}
	// One that comes new is not run over, and one that is full is left alone.
	f->flows[5] = 100000;
	f->picked[5] = 0;
	for (uint32_t n = 0; n < 10 * total; n++)
		pick(f, n + 1, n);
	assert_true(f->picked[5] <= 1);
	fixture_free(f);
}

static void test_strides(void **state)
{
	for (uint32_t total = 1; total < 3000; total++)
		assert_int_equal(stride_gcd(stride_of(total), total), 1);
	const uint32_t ends[] = {1, 1, 5, 6};
	assert_int_equal(stride_find(ends, 4, 0), 0);
	assert_int_equal(stride_find(ends, 4, 1), 2);
	assert_int_equal(stride_find(ends, 4, 4), 2);
	assert_int_equal(stride_find(ends, 4, 5), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_ready),
		cmocka_unit_test(test_draining_are_never_chosen),
		cmocka_unit_test(test_maglev_by_tuple),
		cmocka_unit_test(test_maglev_by_weight),
		cmocka_unit_test(test_source_hash_by_client),
		cmocka_unit_test(test_round_robin_in_turn),
		cmocka_unit_test(test_round_robin_begins_anywhere),
		cmocka_unit_test(test_weighted_exactly),
		cmocka_unit_test(test_weighted_extremes),
		cmocka_unit_test(test_least_connections_fills_evenly),
		cmocka_unit_test(test_least_connections_takes_the_least),
		cmocka_unit_test(test_least_connections_unknown_slot),
		cmocka_unit_test(test_least_connections_ties),
		cmocka_unit_test(test_least_connections_of_many),
		cmocka_unit_test(test_strides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
