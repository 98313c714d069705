// SPDX-License-Identifier: BSD-3-Clause
// sluice.conf: the group "ingress", its defaults, and what is told of mistakes in it.
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REST                                                                                       \
	"ports = ( { name = \"wan\"; kind = \"tap\"; device = \"x\"; addresses = [ "               \
	"\"192.0.2.2/24\" ]; } );\n"                                                               \
	"pools = ( { name = \"p\"; addresses = [ \"192.0.2.100-192.0.2.109\" ]; } );\n"

static void defaults(void **state)
{
	static const char *const texts[] = {REST, REST "ingress = { };"};

	for (unsigned i = 0; i < 2; i++) {
		struct reason reason = {0};
		struct settings *s = settings_parse(texts[i], "t.conf", &reason);

		assert_non_null(s);
		assert_string_equal(s->ingress.class, "sluice");
		assert_string_equal(s->ingress.controller, "sluice.dev/ingress");
		assert_string_equal(s->ingress.pool, "");
		assert_true(s->ingress.classless);
		assert_int_equal(s->ingress.http_port, 80);
		assert_int_equal(s->ingress.https_port, 443);
		assert_int_equal(s->ingress.hsts_s, 31536000);
		assert_int_equal(s->ingress.address_count, 0);
		settings_free(s);
	}
}

static void read_all(void **state)
{
	static const char text[] =
		REST "ingress = { class = \"c\"; controller = \"x/y\"; classless = false;\n"
		     "addresses = [ \"192.0.2.100\", \"2001:db8::1\" ]; pool = \"p\"; http_port = "
		     "8080;\n"
		     "https_port = 8443; hsts = 0; regex_hosts = true; trusted = [ "
		     "\"198.51.100.7/24\" ]; body_mb = 0; };";
	struct reason reason = {0};
	struct settings *s = settings_parse(text, "t.conf", &reason);

	assert_string_equal(reason_text(&reason), "");
	assert_non_null(s);
	assert_false(s->ingress.classless);
	assert_int_equal(s->ingress.address_count, 2);
	assert_int_equal(s->ingress.http_port, 8080);
	assert_int_equal(s->ingress.trusted_count, 1);
	assert_int_equal(s->ingress.trusted[0].addr.byte[15], 0); // without host bits
	assert_int_equal(s->ingress.body_mb, 0);
	assert_true(s->ingress.regex_hosts);
	settings_free(s);
}

static void mistakes(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"pool = \"none\"", "found \"none\", expected the name of a pool"},
		{"http_port = 443", "which is http_port already"},
		{"http_port = 0", "http_port"},
		{"colour = 1", "colour"},
		{"classless = \"yes\"", "classless"},
		{"head_bytes = 100", "head_bytes"},
		{"head_bytes = 32769", "head_bytes"}, // more is not read
		{"addresses = [ \"web\" ]", "at most one IPv4 and one IPv6"},
		{"addresses = [ \"192.0.2.1\", \"192.0.2.2\" ]", "at most one IPv4 and one IPv6"},
		{"class = \"\"", "class"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason reason = {0};
		char text[1024];

		snprintf(text, sizeof(text), REST "ingress = { %s; };", cases[i].text);
		assert_null(settings_parse(text, "t.conf", &reason));
		if (!strstr(reason_text(&reason), cases[i].told) ||
			!strstr(reason_text(&reason), "t.conf:3"))
			fail_msg("%s: %s", cases[i].text, reason_text(&reason));
		reason_clear(&reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(read_all),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
