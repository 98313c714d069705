// SPDX-License-Identifier: BSD-3-Clause
// The table of neighbours: against a plain array, through many puts and removals.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host_internal.h"

#define KEYS 300

static struct fib_neighbour neighbour_of(unsigned key, uint8_t state, uint8_t mac)
{
	struct fib_neighbour neighbour = {
		.address = addr_from_v4(htonl(0x0a000000 + key / 3)),
		.iface = (uint16_t)(key % 3),
		.state = state,
	};

	neighbour.mac.addr_bytes[5] = mac;
	return neighbour;
}

static void matches_a_plain_array(void **state)
{
	struct {
		bool there, fixed;
		uint8_t state, mac;
	} model[KEYS] = {0};
	struct neighbours table;
	uint64_t random = 7;
	unsigned count = 0;

	assert_int_equal(neighbours_init(&table, KEYS), 0);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned key, hop_state, mac;
		bool fixed, changed;
		struct fib_neighbour neighbour;

		random = random * 6364136223846793005 + 1442695040888963407;
		key = (unsigned)(random >> 40) % KEYS;
		hop_state = (unsigned)(random >> 33) % 3;
		mac = (unsigned)(random >> 36) % 2;
		fixed = random >> 63;
		neighbour = neighbour_of(key, (uint8_t)hop_state, (uint8_t)mac);
		if ((random >> 50) % 2) {
			changed = neighbours_put(&table, &neighbour, fixed);
			assert_int_equal(changed, !model[key].there ||
							  model[key].state != hop_state ||
							  model[key].mac != mac);
			count += !model[key].there;
			model[key].there = true;
			model[key].state = (uint8_t)hop_state;
			model[key].mac = (uint8_t)mac;
			model[key].fixed = fixed;
		} else {
			changed = neighbours_remove(&table, neighbour.iface, &neighbour.address);
			assert_int_equal(changed, model[key].there);
			count -= model[key].there;
			model[key].there = false;
		}
		assert_int_equal(table.count, count);
	}
	for (unsigned key = 0; key < KEYS; key++) {
		struct fib_neighbour neighbour = neighbour_of(key, 0, 0);
		const struct fib_neighbour *found =
			neighbours_find(&table, neighbour.iface, &neighbour.address);

		assert_int_equal(found != NULL, model[key].there);
		if (!found)
			continue;
		assert_int_equal(found->state, model[key].state);
		assert_int_equal(found->mac.addr_bytes[5], model[key].mac);
		assert_int_equal(neighbours_is_fixed(&table, neighbour.iface, &neighbour.address),
			model[key].fixed);
	}
	assert_true(count > KEYS / 4);
	neighbours_clear(&table);
	for (unsigned key = 0; key < KEYS; key++) {
		struct fib_neighbour neighbour = neighbour_of(key, 0, 0);

		assert_null(neighbours_find(&table, neighbour.iface, &neighbour.address));
	}
	neighbours_fini(&table);
}

static void the_newest_beyond_the_limit_are_left_out(void **state)
{
	struct neighbours table;

	assert_int_equal(neighbours_init(&table, 16), 0);
	for (unsigned key = 0; key < 20; key++) {
		struct fib_neighbour neighbour = neighbour_of(key, HOP_REACHABLE, 1);

		assert_int_equal(neighbours_put(&table, &neighbour, false), key < 16);
	}
	assert_int_equal(table.count, 16);
	for (unsigned key = 0; key < 20; key++) {
		struct fib_neighbour neighbour = neighbour_of(key, 0, 0);

		assert_int_equal(
			neighbours_find(&table, neighbour.iface, &neighbour.address) != NULL,
			key < 16);
	}
	neighbours_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_a_plain_array),
		cmocka_unit_test(the_newest_beyond_the_limit_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
