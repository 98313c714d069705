// SPDX-License-Identifier: BSD-3-Clause
// pattern: which of an expression's characters mean themselves; and what a target comes to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route_target.h"

static void knows_what_means_itself(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} cases[] = {{"/api", 4}, {"/api(/|$)(.*)", 4}, {"/api/?(.*)", 4}, {"/ab*", 2}, {"/ab+", 2},
		{"/ab{2}", 2}, {"/a.b", 2}, {"/a|/b", 0}, {"/a(b|c)|d", 0}, {"/a[|]b", 2},
		{"/a[^]|]b", 2}, {"/a[[:alpha:](]|/b", 0}, {"/a\\|b", 2}, {"/a\\Q(\\E|b", 0},
		{"/a(?#()|b", 0}, {"/a(*PRUNE)", 0}, {"/a(?:b|c)", 2}, {"/a(?i)b", 0}, {"/a)", 0},
		{"/a(", 0}, {"", 0}, {"/a[b", 0}, {"/a\\", 0}, {"/$", 1}, {"*", 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (pattern_literal(cases[i].text) != cases[i].length)
			fail_msg("%s: %zu, not %zu", cases[i].text, pattern_literal(cases[i].text),
				cases[i].length);
}

static void tells_what_is_wrong(void **state)
{
	static const char *wrong[] = {"/a(", "/a)", "/[", "/a**", "/a{2,1}", "/(?<n", "/\\C"};
	char error[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(pattern_new(wrong[i], error));
		assert_non_null(strstr(error, ", at character "));
	}
}

// Of /a(/|$)(.*) and the path.
static void writes_the_target(void **state)
{
	static const struct {
		const char *target, *path, *expected;
		bool query, closed;
	} cases[] = {
		{"/", "/a/b", "/", false, false},
		{"/$2", "/a", "/", false, false},
		{"/$2", "/a/new", "/new", false, false},
		{"/x/$2/$2", "/A/n", "/x/n/n", false, false},
		{"/$20", "/a/n", "/n0", false, false},
		{"/$9$0", "/a/n", "/$0", false, false},
		{"/$2", "/a/b c\"<\x7f\xc3", "/b%20c%22%3C%7F%C3", false, false},
		{"/$2", "/a/x?y#z", "/x%3Fy%23z", false, false},
		{"/$2", "/a/b%2Fc%25d", "/b%2Fc%25d", false, false},
		{"/$2", "/a/x&y+z", "/x&y+z", false, false},
		{"/x?p=$2", "/a/x&y+z%2F", "/x?p=x%26y%2Bz%2F", true, false},
		{"/$2?", "/a/x", "/x", false, true},
		{"/x?y=1?", "/a", "/x?y=1?", true, false},
		{"https://b.example/$2", "/a/n\r\nX: y", "https://b.example/n%0D%0AX:%20y", false,
			false},
	};
	char error[128];
	struct pattern *pattern = pattern_new("/a(/|$)((?s).*)", error);

	assert_non_null(pattern);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pattern_group groups[PATTERN_GROUPS];
		struct route_target target = {
			cases[i].target, {cases[i].path, strlen(cases[i].path)}, groups};
		size_t length, expected = strlen(cases[i].expected);
		bool query, closed;
		char out[64];

		assert_int_equal(
			pattern_match(pattern, target.path.text, target.path.length, groups),
			PATTERN_YES);
		length = route_target_write(&target, out, sizeof(out), &query, &closed);
		assert_int_equal(length, expected);
		assert_memory_equal(out, cases[i].expected, expected);
		assert_int_equal(query, cases[i].query);
		assert_int_equal(closed, cases[i].closed);
		assert_int_equal(
			route_target_write(&target, out, expected - 1, &query, &closed), 0);
	}
	pattern_free(pattern);
}

// A group that ends in the middle of an escape.
static void half_an_escape_is_none(void **state)
{
	char error[128];
	struct pattern *pattern = pattern_new("/(.)2(.*)", error);
	struct pattern_group groups[PATTERN_GROUPS];
	struct route_target target = {"/$1-$2", {"/%2F", 4}, groups};
	bool query, closed;
	char out[32];

	assert_int_equal(pattern_match(pattern, "/%2F", 4, groups), PATTERN_YES);
	assert_int_equal(route_target_write(&target, out, sizeof(out), &query, &closed), 6);
	assert_memory_equal(out, "/%25-F", 6);
	pattern_free(pattern);
}

static void knows_a_target(void **state)
{
	assert_true(route_target_valid("/a/$1/$9"));
	assert_true(route_target_valid("/"));
	assert_false(route_target_valid("/$"));
	assert_false(route_target_valid("/$0"));
	assert_false(route_target_valid("/$uri"));
	assert_false(route_target_valid("/${1}"));
	assert_false(route_target_valid("/$$1"));
	assert_true(route_target_is_url("http://a/"));
	assert_true(route_target_is_url("https://a/"));
	assert_false(route_target_is_url("//a/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_what_means_itself),
		cmocka_unit_test(tells_what_is_wrong),
		cmocka_unit_test(writes_the_target),
		cmocka_unit_test(half_an_escape_is_none),
		cmocka_unit_test(knows_a_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
