// SPDX-License-Identifier: BSD-3-Clause
// Maglev tables: equal shares, weights, and how few choices move when a member comes or goes.
#include "maglev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct maglev_member *members, uint32_t count, uint64_t seed)
{
	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct maglev_member){maglev_mix(seed * 1000003 + i + 1), 1};
}

static uint32_t cell(const struct maglev *maglev, uint32_t i)
{
	return maglev->cell_bytes == 1 ? maglev->cells.byte[i] : maglev->cells.word[i];
}

static void count_cells(const struct maglev *maglev, uint32_t *cells, uint32_t count)
{
	memset(cells, 0, count * sizeof(*cells));
	for (uint32_t i = 0; i < maglev->size; i++) {
		assert_true(cell(maglev, i) < count);
		cells[cell(maglev, i)]++;
	}
}

static void test_shares_differ_by_one_cell(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 7, 64, 100, 128, 129, 1000, 2048, 2049, 16384};
	static struct maglev_member members[MAGLEV_MEMBERS_MAX];
	static uint32_t cells[MAGLEV_MEMBERS_MAX];

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		uint32_t count = counts[c];
		struct maglev *maglev;

		fill(members, count, c);
		maglev = maglev_new(members, count);
		assert_non_null(maglev);
		assert_int_equal(maglev->size, maglev_size(count));
		if (count > 1)
			assert_true(maglev->size / count >= (count <= 128 ? 60 : 31));
		count_cells(maglev, cells, count);
		for (uint32_t i = 0; i < count; i++)
			assert_in_range(cells[i], maglev->size / count, maglev->size / count + 1);
		free(maglev);
	}
}

static void test_sizes_are_prime(void **state)
{
	for (uint32_t count = 2; count <= MAGLEV_MEMBERS_MAX; count *= 2) {
		uint32_t size = maglev_size(count);

		for (uint32_t d = 2; d * d <= size; d++)
			assert_int_not_equal(size % d, 0);
	}
	for (uint32_t count = 3; count <= 128; count++)
		assert_int_equal(maglev_size(count), maglev_size(2));
}

static void test_weights(void **state)
{
	static const uint32_t weights[] = {1, 2, 3, 10, 50, 100, 256, 256};
	struct maglev_member members[8];
	uint32_t cells[8], total = 0;
	struct maglev *maglev;

	fill(members, 8, 7);
	for (int i = 0; i < 8; i++)
		total += members[i].weight = weights[i];
	maglev = maglev_new(members, 8);
	assert_non_null(maglev);
	count_cells(maglev, cells, 8);
	for (int i = 0; i < 8; i++) {
		double exact = (double)maglev->size * weights[i] / total;

		assert_true(cells[i] >= exact - 2 && cells[i] <= exact + 2);
	}
	free(maglev);
}

static void test_lightest_is_not_starved(void **state)
{
	struct maglev_member members[100];
	uint32_t cells[100];
	struct maglev *maglev;

	fill(members, 100, 8);
	for (int i = 0; i < 99; i++)
		members[i].weight = 256;
	maglev = maglev_new(members, 100);
	assert_non_null(maglev);
	count_cells(maglev, cells, 100);
	assert_int_equal(cells[99], 1);
	free(maglev);
}

static void test_same_everywhere(void **state)
{
	struct maglev_member members[20];
	struct maglev *a, *b;
	uint64_t sum = 0;

	fill(members, 20, 9);
	a = maglev_new(members, 20);
	b = maglev_new(members, 20);
	assert_memory_equal(a, b, sizeof(*a) + a->size);
	for (uint32_t i = 0; i < a->size; i++)
		sum = maglev_mix(sum + cell(a, i));
	// Two boxes of a pair may run different versions: a change of this number breaks them.
	assert_int_equal(sum, 0x82ed4295a773a6b1);
	free(a);
	free(b);
}

// Of n members each leaves once: how many cells that were not its own move?
static double worst_moved(const struct maglev_member *members, uint32_t n)
{
	struct maglev *all = maglev_new(members, n);
	double worst = 0;

	assert_non_null(all);
	for (uint32_t gone = 0; gone < n; gone++) {
		struct maglev_member left[128];
		struct maglev *without;
		uint32_t moved = 0;

		memcpy(left, members, gone * sizeof(*left));
		memcpy(left + gone, members + gone + 1, (n - gone - 1) * sizeof(*left));
		without = maglev_new(left, n - 1);
		assert_non_null(without);
		for (uint32_t i = 0; i < all->size; i++) {
			uint32_t before = cell(all, i);
			uint32_t after = without->size == 1 ? 0 : cell(without, i);

			moved += before != after + (after >= gone);
		}
		if ((double)moved / all->size > worst)
			worst = (double)moved / all->size;
		free(without);
	}
	free(all);
	return worst;
}

static void test_one_leaves(void **state)
{
	for (uint32_t n = 2; n <= 100; n++)
		for (uint64_t seed = 0; seed < (n <= 10 ? 20 : 2); seed++) {
			struct maglev_member members[100];
			double worst;

			fill(members, n, seed * 128 + n);
			worst = worst_moved(members, n);
			if (worst > 1.0 / n + 0.05)
				fail_msg("n = %u: %.4f of the choices move", n, worst);
		}
}

static void test_one_leaves_with_weights(void **state)
{
	struct maglev_member members[30];
	uint32_t total = 0;
	struct maglev *all, *without;
	uint32_t moved = 0;

	fill(members, 30, 3);
	for (uint32_t i = 0; i < 30; i++)
		total += members[i].weight = 1 + i % 5;
	all = maglev_new(members, 30);
	without = maglev_new(members, 29);
	for (uint32_t i = 0; i < all->size; i++)
		moved += cell(all, i) != cell(without, i);
	assert_true((double)moved / all->size <= (double)members[29].weight / total + 0.05);
	free(all);
	free(without);
}

// Hashes that differ in few bits are spread as well as any: chi-square with 9 degrees of freedom
// against the members' cells, below which 99.9 % of true random draws stay.
static void test_poor_hashes_spread(void **state)
{
	struct maglev_member members[10];
	uint32_t picked[10] = {0};
	uint32_t cells[10];
	struct maglev *maglev;
	double chi = 0;

	fill(members, 10, 5);
	maglev = maglev_new(members, 10);
	count_cells(maglev, cells, 10);
	for (uint64_t hash = 0; hash < 100000; hash++)
		picked[maglev_pick(maglev, hash << 20)]++;
	for (int i = 0; i < 10; i++) {
		double expected = 100000.0 * cells[i] / maglev->size;

		chi += (picked[i] - expected) * (picked[i] - expected) / expected;
	}
	if (chi > 27.88)
		fail_msg("chi-square %.1f", chi);
	free(maglev);
}

static void test_limits(void **state)
{
	static struct maglev_member members[MAGLEV_MEMBERS_MAX + 1];

	fill(members, MAGLEV_MEMBERS_MAX + 1, 1);
	assert_null(maglev_new(members, 0));
	assert_null(maglev_new(members, MAGLEV_MEMBERS_MAX + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_differ_by_one_cell),
		cmocka_unit_test(test_sizes_are_prime),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_lightest_is_not_starved),
		cmocka_unit_test(test_same_everywhere),
		cmocka_unit_test(test_one_leaves),
		cmocka_unit_test(test_one_leaves_with_weights),
		cmocka_unit_test(test_poor_hashes_spread),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
