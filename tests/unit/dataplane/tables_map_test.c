// SPDX-License-Identifier: BSD-3-Clause
// The map by itself, with hashes that all fall into a few cells: probes that wrap, gaps that close,
// shards that grow, and the map of before that stays as it was.
#include "tables_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 600

struct item {
	uint32_t key;
};

static uint64_t hash_of(uint32_t key)
{
	return (uint64_t)(key % 2) << 56 | (key * 7 % 32); // two shards, 32 homes
}

static bool item_equal(const void *value, const void *key)
{
	return ((const struct item *)value)->key == *(const uint32_t *)key;
}

static void check(const struct map *map, const struct item *const *expected)
{
	for (uint32_t key = 0; key < KEYS; key++)
		assert_ptr_equal(map_find(map, hash_of(key), item_equal, &key), expected[key]);
}

static void test_collisions(void **state)
{
	static struct item items[2][KEYS];
	const struct item *now[KEYS] = {0}, *before[KEYS];
	struct block_list retired = {0};
	struct edit edit = {0};
	struct map map = {0};
	uint64_t random = 1;

	for (uint32_t key = 0; key < KEYS; key++)
		items[0][key].key = items[1][key].key = key;
	assert_true(map_open(&map, &edit));
	edit_done(&edit, &retired);
	for (unsigned round = 0; round < 300; round++) {
		struct map old = map;
		struct map_edit change;

		memcpy(before, now, sizeof(now));
		map_edit_begin(&change, &edit, &map);
		for (unsigned i = 0; i < 40; i++) {
			uint32_t key = (uint32_t)(maglev_mix(random++) % KEYS);
			// Grows in the first half, shrinks in the second.
			bool remove = now[key] && maglev_mix(random++) % 8 < (round < 150 ? 2 : 7);
			const struct item *after =
				remove ? NULL : &items[maglev_mix(random++) % 2][key];

			if (!now[key] && round >= 150 && i % 4)
				continue;
			map_set(&change, hash_of(key), now[key], after);
			now[key] = after;
		}
		assert_false(edit.failed);
		check(&map, now);
		check(&old, before);
		assert_true(edit_reserve(&edit, &retired));
		edit_done(&edit, &retired);
		block_list_free(&retired);
	}
	map_close(&map, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
