// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: what the proxy may use, and its log.
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PORTS                                                                                      \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\" ]; } );\n"

static struct settings *read(const char *text, struct reason *reason)
{
	*reason = (struct reason){0};
	return settings_parse(text, "t.conf", reason);
}

static void test_read(void **state)
{
	struct reason reason;
	struct settings *s = read(PORTS, &reason);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->http.connections, 131072);
	assert_int_equal(s->http.congestion, CONGESTION_BBR);
	assert_string_equal(s->access_log.path, "");
	assert_int_equal(s->access_log.rate, 10000);
	assert_int_equal(s->access_log.max_mb, 256);
	settings_free(s);
	s = read(PORTS
		"http = { connections = 2000; idle_upstreams = 7; congestion = \"cubic\"; };\n"
		"access_log = { path = \"-\"; rate = 0; max_mb = 7; };",
		&reason);
	assert_non_null(s);
	assert_int_equal(s->http.connections, 2000);
	assert_int_equal(s->http.idle_upstreams, 7);
	assert_int_equal(s->http.congestion, CONGESTION_CUBIC);
	assert_string_equal(s->access_log.path, "-");
	assert_int_equal(s->access_log.rate, 0);
	assert_int_equal(s->access_log.max_mb, 7);
	settings_free(s);
}

static void test_mistakes(void **state)
{
	static const char *const cases[][2] = {
		{"http = { connections = 5; };", "http.connections"},
		{"http = { idle = 5; };", "http.idle"},
		{"http = { congestion = \"reno\"; };", "http.congestion"},
		{"access_log = { path = \"/x\"; rate = -1; };", "access_log.rate"},
		{"access_log = { path = 7; };", "access_log.path"},
		{"access_log = { path = \"/x\"; max_mb = 2000000; };", "access_log.max_mb"},
		{"access_log = { file = \"/x\"; };", "access_log.file"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512] = PORTS;
		struct reason reason;

		strcat(text, cases[i][0]);
		assert_null(read(text, &reason));
		assert_non_null(strstr(reason_text(&reason), cases[i][1]));
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
