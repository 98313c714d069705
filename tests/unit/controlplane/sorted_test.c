// SPDX-License-Identifier: BSD-3-Clause
// Where something stands in a sorted array: at the ends, among equals, in none.
#include "sorted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST 40

static int compare(const void *key, const void *row)
{
	return *(const int *)key - *(const int *)row;
}

// Each size, each pattern of equals, each key, against looking at one row after the other.
static void test_it_agrees_with_looking_at_each(void **state)
{
	(void)state;
	for (size_t count = 0; count <= MOST; count++) {
		for (int step = 1; step <= 5; step++) {
			int rows[MOST];
			const struct sorted sorted = {rows, count, sizeof(*rows), compare};

			for (size_t i = 0; i < count; i++)
				rows[i] = (int)i / step * 2;
			for (int key = -1; key <= MOST * 2 + 1; key++) {
				size_t place = 0;
				bool there;

				while (place < count && rows[place] < key)
					place++;
				assert_int_equal(sorted_place(&sorted, &key, &there), place);
				assert_int_equal(there, place < count && rows[place] == key);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_agrees_with_looking_at_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
