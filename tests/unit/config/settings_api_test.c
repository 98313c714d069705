// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: the API on the network, and syslog.
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

static void nothing_is_on(void **state)
{
	struct reason reason = {0};
	struct settings *s = settings_parse(PORTS, "t.conf", &reason);

	(void)state;
	assert_non_null(s);
	assert_false(s->api.https.on || s->api.metrics.on);
	assert_int_equal(s->syslog_count, 0);
	settings_free(s);
}

static void what_is_said(void **state)
{
	struct reason reason = {0};
	struct settings *s = settings_parse(PORTS
		"api = { https = { certificate = \"/c\"; key = \"/k\"; };\n"
		" metrics = { address = \"192.0.2.2\"; port = 9101; }; rate = 7; };\n"
		"syslog = ( { address = \"2001:db8::9\"; }, { address = \"192.0.2.9\"; port = "
		"1514;\n"
		" transport = \"tcp\"; level = \"warning\"; } );",
		"t.conf", &reason);
	char text[ADDR_TEXT];

	(void)state;
	assert_non_null(s);
	assert_true(s->api.https.on && s->api.metrics.on);
	assert_int_equal(s->api.https.port, 8443);
	assert_string_equal(addr_format(&s->api.https.address, text), "::");
	assert_string_equal(s->api.certificate, "/c");
	assert_int_equal(s->api.metrics.port, 9101);
	assert_int_equal(s->api.rate, 7);
	assert_int_equal(s->syslog_count, 2);
	assert_int_equal(s->syslogs[0].port, 514);
	assert_int_equal(s->syslogs[0].transport, SYSLOG_UDP);
	assert_int_equal(s->syslogs[0].level, 6);
	assert_int_equal(s->syslogs[1].transport, SYSLOG_TCP);
	assert_int_equal(s->syslogs[1].level, 4);
	settings_free(s);
}

static void mistakes(void **state)
{
	static const char *const cases[][2] = {
		{"api = { http = { }; };", "api.http"},
		{"api = { https = { certificate = \"/c\"; }; };", "api.https.key"},
		{"api = { https = { port = 70000; }; };", "api.https.port"},
		{"api = { metrics = { address = \"web\"; }; };", "api.metrics.address"},
		{"api = { rate = 0; };", "api.rate"},
		{"syslog = ( { port = 5; } );", "syslog[0].address"},
		{"syslog = ( { address = \"192.0.2.9\"; transport = \"tls\"; } );",
			"syslog[0].transport"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512] = PORTS;
		struct reason reason = {0};

		strcat(text, cases[i][0]);
		assert_null(settings_parse(text, "t.conf", &reason));
		assert_non_null(strstr(reason_text(&reason), cases[i][1]));
		reason_clear(&reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_on),
		cmocka_unit_test(what_is_said),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
