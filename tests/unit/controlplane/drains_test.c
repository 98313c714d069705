// SPDX-License-Identifier: BSD-3-Clause
// Endpoints drained by hand: as text, looked up, and kept on disk.
#include "drains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct drain drain_of(const char *text)
{
	struct drain drain;

	assert_true(drain_parse(&drain, text));
	return drain;
}

static void test_texts(void **state)
{
	static const char *const right[] = {
		"10.0.0.1", "10.0.0.1:80", "2001:db8::1", "[2001:db8::1]:443", "10.0.0.1:65535"};
	static const char *const wrong[] = {"", "web", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
		"[2001:db8::1", "[2001:db8::1]80", "10.0.0.1:8x", ":80", "[]:80",
		"10.0.0.1:99999999999999999999", "[10.0.0.1]:+1"};
	struct drain drain;
	char text[DRAIN_TEXT];

	(void)state;
	for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		drain = drain_of(right[i]);
		assert_string_equal(drain_format(&drain, text), right[i]);
	}
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(drain_parse(&drain, wrong[i]));
}

static void set(struct drains *drains, const char *text, bool on)
{
	struct reason reason = {0};
	struct drain drain = drain_of(text);

	assert_int_equal(drains_set(drains, &drain, on, &reason), 0);
	assert_int_equal(reason.count, 0);
}

static bool has(const struct drains *drains, const char *text)
{
	struct drain drain = drain_of(text);

	return drains_has(drains, &drain.address, drain.port);
}

static void test_kept(void **state)
{
	char directory[] = "/tmp/sluice-drains-XXXXXX", path[80];
	struct drains *drains;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/" DRAINS_FILE, directory);
	drains = drains_open(directory);
	assert_int_equal(drains_count(drains), 0);
	set(drains, "10.0.0.2:80", true);
	set(drains, "10.0.0.1", true);
	set(drains, "10.0.0.1", true);
	set(drains, "[2001:db8::1]:80", true);
	assert_int_equal(drains_count(drains), 3);
	assert_true(has(drains, "10.0.0.1:1") && has(drains, "10.0.0.1:65535"));
	assert_true(has(drains, "10.0.0.2:80") && !has(drains, "10.0.0.2:81"));
	drains_close(drains);
	drains = drains_open(directory);
	assert_int_equal(drains_count(drains), 3);
	assert_true(has(drains, "[2001:db8::1]:80"));
	set(drains, "10.0.0.1", false);
	set(drains, "10.0.0.9", false); // there was none
	assert_false(has(drains, "10.0.0.1:1"));
	assert_int_equal(drains_count(drains), 2);
	drains_close(drains);
	unlink(path);
	rmdir(directory);
}

static void test_what_cannot_be_written_is_not_drained(void **state)
{
	struct drains *drains = drains_open("/nowhere");
	struct drain drain = drain_of("10.0.0.1");
	struct reason reason = {0};

	(void)state;
	assert_true(drains_set(drains, &drain, true, &reason) < 0);
	assert_int_equal(reason.count, 1);
	assert_int_equal(drains_count(drains), 0);
	reason_clear(&reason);
	drains_close(drains);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_what_cannot_be_written_is_not_drained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
