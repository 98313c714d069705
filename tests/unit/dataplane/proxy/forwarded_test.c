// SPDX-License-Identifier: BSD-3-Clause
// Lists of addresses as proxies write them, and what is none.
#include "forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// All addresses, the last first, until one is none.
static void expect(const char *list, const char *expected)
{
	uint32_t length = (uint32_t)strlen(list);
	char seen[512] = "", text[ADDR_TEXT];
	struct addr address;
	uint16_t port;

	while (forwarded_last(list, &length, &address, &port)) {
		size_t at = strlen(seen);

		snprintf(seen + at, sizeof(seen) - at, port ? "%s/%u " : "%s ",
			addr_format(&address, text), port);
	}
	assert_string_equal(seen, expected);
}

static void lists_are_read_from_their_end(void **state)
{
	expect("", "");
	expect(" ,\t, ", "");
	expect("192.0.2.1", "192.0.2.1 ");
	expect("192.0.2.1, 192.0.2.2,192.0.2.3 ", "192.0.2.3 192.0.2.2 192.0.2.1 ");
	expect("192.0.2.1, ,, 192.0.2.2,", "192.0.2.2 192.0.2.1 ");
	expect("192.0.2.1:0080, 192.0.2.2:65535", "192.0.2.2/65535 192.0.2.1/80 ");
	expect("2001:db8::1, [2001:DB8::2], [2001:db8::3]:443",
		"2001:db8::3/443 2001:db8::2 2001:db8::1 ");
	expect("::FFFF:192.0.2.1, [::ffff:192.0.2.2]:9", "192.0.2.2/9 192.0.2.1 ");
}

static void what_is_no_address_ends_it(void **state)
{
	static const char *const wrong[] = {"unknown", "_hidden", "192.0.2.1:", "192.0.2.1:65536",
		"192.0.2.1:8a", "192.0.2.256", "192.0.2", "[2001:db8::1", "[2001:db8::1]80",
		"[2001:db8::1]:", "[]", "[", ":", "::ffff:", "::ffff:1.2", "192.0.2.1;192.0.2.2",
		"0000000000000000000000000000000000000000000000000000000000000000000000000000"};
	char list[200];

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect(wrong[i], "");
		snprintf(list, sizeof(list), "192.0.2.7, %s, 192.0.2.8", wrong[i]);
		expect(list, "192.0.2.8 ");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_from_their_end),
		cmocka_unit_test(what_is_no_address_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
