// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: pools and whom they are for, clusters, and what they share.
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PORTS                                                                                      \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\" ]; } );\n"

static void test_read(void **state)
{
	static const char text[] = PORTS
		"pools = ( { name = \"b\"; addresses = [ \"192.0.2.9\" ]; },\n"
		"{ name = \"c\"; addresses = [ \"192.0.2.8\" ]; },\n"
		"{ name = \"a\"; addresses = [ \"192.0.2.7\" ]; priority = 5; auto_assign = false;"
		" clusters = [ \"x\" ]; namespaces = [ \"n\", \"m\" ]; labels = [ \"k=v\" ]; } );\n"
		"clusters = ( { name = \"x\"; endpoints = \"nodeport\"; }, { name = \"y\"; } );\n"
		"shares = ( { service = \"n/web\"; clusters = ( { name = \"x\"; weight = 3; },\n"
		"{ name = \"y\"; weight = 0; } ); },\n"
		"{ service = \"n/other\"; clusters = ( { name = \"x\"; }, { name = \"y\"; } ); } "
		");";
	struct reason reason = {0};
	struct settings *s = settings_parse(text, "t.conf", &reason);

	(void)state;
	assert_string_equal(reason_text(&reason), "");
	assert_non_null(s);
	assert_string_equal(s->pools[0].name, "a"); // by priority
	assert_string_equal(s->pools[1].name, "b"); // then as written
	assert_string_equal(s->pools[2].name, "c");
	assert_int_equal(s->pools[1].priority, 100);
	assert_true(s->pools[1].auto_assign);
	assert_false(s->pools[0].auto_assign);
	assert_string_equal(s->pools[0].clusters[0], "x");
	assert_int_equal(s->pools[0].namespace_count, 2);
	assert_string_equal(s->pools[0].labels[0], "k=v");
	assert_int_equal(settings_endpoint_mode(s, "x"), ENDPOINTS_NODE_PORT);
	assert_int_equal(settings_endpoint_mode(s, "y"), ENDPOINTS_AUTO);
	assert_int_equal(settings_endpoint_mode(s, "unsaid"), ENDPOINTS_AUTO);
	assert_int_equal(s->share_count, 2);
	assert_string_equal(s->shares[0].service, "n/web");
	assert_int_equal(s->shares[0].clusters[0].weight, 3);
	assert_int_equal(s->shares[0].clusters[1].weight, 0);
	assert_string_equal(s->shares[1].service, "n/other");
	assert_int_equal(s->shares[1].clusters[0].weight, 1);
	settings_free(s);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *mistake;
	} cases[] = {
		{"pools = ( { name = \"a\"; addresses = [ \"192.0.2.7\" ]; labels = [ \"k\" ]; } "
		 ");",
			"t.conf:2: pools[0].labels[0]: found \"k\", expected \"<key>=<value>\""},
		{"clusters = ( { name = \"x\"; }, { name = \"x\"; } );",
			"t.conf:2: clusters[1].name: found \"x\", which clusters[0] has already"},
		{"clusters = ( { name = \"x\"; endpoints = \"pods\"; } );",
			"t.conf:2: clusters[0].endpoints: found \"pods\", expected"},
		{"shares = ( { service = \"web\"; clusters = ( { name = \"x\"; }, { name = \"y\"; "
		 "} ); } );",
			"t.conf:2: shares[0].service: found \"web\""},
		{"shares = ( { clusters = ( { name = \"x\"; }, { name = \"y\"; } ); } );",
			"t.conf:2: shares[0].service: missing, expected a Service"},
		{"shares = ( { service = \"n/h\"; clusters = ( { name = \"x\"; } ); } );",
			"t.conf:2: shares[0].clusters: found 1, expected at least two"},
		{"shares = ( { service = \"n/h\"; clusters = ( { name = \"x\"; weight = 0; },"
		 " { name = \"y\"; weight = 0; } ); } );",
			"t.conf:2: shares[0].clusters: found no weight but 0"},
		{"shares = ( { service = \"n/h\"; clusters = ( { name = \"x\"; }, { name = \"x\"; "
		 "} ); "
		 "} );",
			"t.conf:2: shares[0].clusters[1].name: found \"x\" twice"},
		{"shares = ( { service = \"n/h\"; clusters = ( { name = \"x\"; }, { name = \"y\"; "
		 "} ); "
		 "},"
		 " { service = \"n/h\"; clusters = ( { name = \"x\"; }, { name = \"y\"; } ); } );",
			"t.conf:2: shares[1].service: found \"n/h\", which shares[0] has already"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason reason = {0};
		char text[1024];

		snprintf(text, sizeof(text), PORTS "%s", cases[i].text);
		assert_null(settings_parse(text, "t.conf", &reason));
		if (reason.count != 1 || strncmp(reason_text(&reason), cases[i].mistake,
						 strlen(cases[i].mistake)) != 0)
			fail_msg("expected %s\nfound %s", cases[i].mistake, reason_text(&reason));
		reason_clear(&reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
