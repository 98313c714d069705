// SPDX-License-Identifier: BSD-3-Clause
// route: every statement on paths, precedence and defaults of Ingress v1, and on what a host is;
// and random paths beside a search through the list of rules, word by word as the API has it.
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route.h"

#define E   ROUTE_EXACT
#define P   ROUTE_PREFIX
#define I   ROUTE_IMPLEMENTATION_SPECIFIC
#define D   ROUTE_DEFAULT
#define R   ROUTE_PATTERN
#define MAX 8

// A case: rules, a request's path, and the index of the rule it takes (-1: none).
static const struct {
	struct route_rule rules[MAX];
	const char *path;
	int expected;
} cases[] = {
	// exact
	{{{"/foo", E}}, "/foo", 0},
	{{{"/foo", E}}, "/foo/", -1},
	{{{"/foo", E}}, "/FOO", -1},
	{{{"/foo", E}}, "/bar", -1},
	{{{"/foo", E}}, "/foo/bar", -1},
	{{{"/foo", E}}, "/", -1},
	{{{"/foo/", E}}, "/foo", -1},
	{{{"/foo/", E}}, "/foo/", 0},
	{{{"/", E}}, "/", 0},
	{{{"/", E}}, "/x", -1},
	{{{"/a/b/c/d", E}}, "/a/b/c/d", 0},
	// prefix
	{{{"/", P}}, "/", 0},
	{{{"/", P}}, "/any/thing", 0},
	{{{"", P}}, "/any", 0},
	{{{NULL, P}}, "/any", 0},
	{{{"/foo", P}}, "/foo", 0},
	{{{"/foo", P}}, "/foo/", 0},
	{{{"/foo/", P}}, "/foo", 0},
	{{{"/foo/", P}}, "/foo/", 0},
	{{{"/aaa/bb", P}}, "/aaa/bbb", -1},
	{{{"/aaa/bbb", P}}, "/aaa/bbb", 0},
	{{{"/aaa/bbb/", P}}, "/aaa/bbb", 0},
	{{{"/aaa/bbb", P}}, "/aaa/bbb/", 0},
	{{{"/aaa/bbb", P}}, "/aaa/bbb/ccc", 0},
	{{{"/aaa/bbb", P}}, "/aaa/bbbxyz", -1},
	{{{"/aaa/bbb", P}}, "/aaa", -1},
	{{{"/foo", P}}, "/FOO", -1},
	{{{"/", P}, {"/aaa", P}}, "/aaa/ccc", 1},
	{{{"/aaa", P}, {"/", P}}, "/aaa/ccc", 0},
	{{{"/aaa", P}, {"/", P}}, "/ccc", 1},
	{{{"/", P}, {"/aaa", P}, {"/aaa/bbb", P}}, "/aaa/bbb", 2},
	{{{"/", P}, {"/aaa", P}, {"/aaa/bbb", P}}, "/aaa/bbbb", 1},
	{{{"/a", P}, {"/a/b/c", P}}, "/a/b/x", 0},
	// both
	{{{"/foo", P}, {"/foo", E}}, "/foo", 1},
	{{{"/foo", E}, {"/foo", P}}, "/foo", 0},
	{{{"/foo", E}, {"/foo", P}}, "/foo/", 1},
	{{{"/", E}, {"/", P}}, "/", 0},
	{{{"/foo/", E}, {"/foo", P}}, "/foo/", 0},
	{{{"/foo", P}, {"/foo/", P}}, "/foo", 1},
	{{{"/foo", P}, {"/foo/", P}}, "/foo/", 1},
	{{{"/foo/", P}, {"/foo", P}}, "/foo", 0},
	{{{"/foo", E}, {"/foo/", P}}, "/foo", 0}, // both match all of it
	{{{"/foo/", P}, {"/foo", E}}, "/foo/", 0},
	// implementation specific
	{{{"/foo", I}}, "/foo/x", 0},
	{{{"/foo", I}}, "/foobar", -1},
	{{{"/foo", I}, {"/foo", E}}, "/foo", 1},
	// defaults
	{{{"/x", P}, {NULL, D}}, "/y", 1},
	{{{"/x", P}, {NULL, D}}, "/x", 0},
	{{{NULL, D}}, "*", 0},
	{{{"/", P}}, "*", -1},
	// regular expressions: the longest as written, whatever the case; exact paths go first
	{{{"/a(/|$)(.*)", R}}, "/a", 0},
	{{{"/a(/|$)(.*)", R}}, "/a/b", 0},
	{{{"/a(/|$)(.*)", R}}, "/A/b", 0},
	{{{"/a(/|$)(.*)", R}}, "/ab", -1},
	{{{"/a(/|$)(.*)", R}}, "/x/a/b", -1},
	{{{"/a|/b", R}}, "/b/c", 0},
	{{{"/a|/b", R}}, "/x/b", -1},
	{{{"/foo", R}}, "/foobar", 0},
	{{{"/a", P}, {"/a.*", R}}, "/a/b", 1},
	{{{"/a/b", P}, {"/a.*", R}}, "/a/b/c", 0}, // of one length the plain one
	{{{"/a/b/c", P}, {"/a.*", R}}, "/a/b/c", 0},
	{{{"/abc", P}, {"/a.*", R}}, "/abcd", 1},
	{{{"/abcd", P}, {"/a.*", R}}, "/abcd", 0},
	{{{"/", P}, {"/[0-9]+$", R}}, "/7", 1},
	{{{"/", P}, {"/[0-9]+$", R}}, "/7a", 0},
	{{{"/ab", E}, {"/a[b]/?.*", R}}, "/ab", 0},
	{{{"/ab", E}, {"/a[b]/?.*", R}}, "/ab/", 1},
	{{{"/a.*", R}, {"/a.*b", R}}, "/aab", 1},
	{{{"/a.*", R}, {"/a.*b", R}}, "/aac", 0},
	{{{"/a.x", R}, {"/a.b", R}, {"/a..", R}}, "/axb", 1},
	{{{"/a..", R}, {"/ab.", R}}, "/abc", 1}, // of one length the last of the alphabet
	{{{"/a.*", R}, {NULL, D}}, "/b", 1},
	{{{"/a.*", R}, {NULL, D}}, "*", 1},
	{{{"/.*", R}}, "*", -1},
	{{{"/x?", R}}, "/", 0},
	{{{"/b{2}", R}}, "/bB", 0},
	{{{"/xy{0}z", R}}, "/xz", 0},
	{{{"/(?!api)(.*)", R}}, "/web", 0},
	{{{"/(?!api)(.*)", R}}, "/api/x", -1},
	{{{"/a%20b", R}}, "/a b", -1}, // it is the path made normal that is looked at
	// rules written as URLs are
	{{{"/a%20b", P}}, "/a b", 0},
	{{{"/100%", E}}, "/100%25", 0},
	{{{"/a%2fb", P}}, "/a%2Fb/c", 0},
	{{{"/a", P}}, "/a%2Fb", -1},
};

static struct route_paths *build(const struct route_rule *rules, uint32_t count)
{
	struct reason reason = {0};
	struct route_paths *paths = NULL;

	assert_int_equal(route_paths_build(&paths, 0, rules, count, &reason), 0);
	assert_string_equal(reason_text(&reason), "");
	return paths;
}

static uint32_t count_rules(const struct route_rule *rules)
{
	uint32_t count = 0;

	while (count < MAX && rules[count].kind)
		count++;
	return count;
}

static struct route_found look(const struct route_paths *paths, const char *path)
{
	return route_paths_lookup(paths, (struct route_text){path, strlen(path)});
}

static void takes_the_rule_the_api_says(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_paths *paths = build(cases[i].rules, count_rules(cases[i].rules));
		struct route_found found = look(paths, cases[i].path);

		if ((int)found.rule != cases[i].expected)
			fail_msg("case %zu: %s takes rule %d, not %d", i, cases[i].path,
				(int)found.rule, cases[i].expected);
		assert_int_equal(found.how == ROUTE_NOT_FOUND, cases[i].expected < 0);
		route_paths_free(paths);
	}
}

static void tells_how(void **state)
{
	static const struct route_rule rules[] = {
		{"/e", E}, {"/p", P}, {NULL, D}, {NULL, ROUTE_CATCH_ALL}};
	struct route_paths *paths = build(rules, 3);

	assert_int_equal(look(paths, "/e").how, ROUTE_BY_EXACT);
	assert_int_equal(look(paths, "/p/x").how, ROUTE_BY_PREFIX);
	assert_int_equal(look(paths, "/").how, ROUTE_BY_DEFAULT);
	free(paths);
	paths = build(&rules[3], 1);
	assert_int_equal(look(paths, "/").how, ROUTE_BY_CATCH_ALL);
	free(paths);
}

static void the_first_of_equals_wins(void **state)
{
	static const struct route_rule rules[] = {
		{"/b", I}, {"/b", P}, {"/c//d", P}, {"/c/d", P}, {NULL, D}, {NULL, D}};
	struct route_paths *paths = build(rules, 6);

	assert_int_equal(look(paths, "/b").rule, 0);
	assert_int_equal(look(paths, "/c/d/e").rule, 2);
	assert_int_equal(look(paths, "/").rule, 4);
	free(paths);
}

static void leaves_out_what_makes_no_sense(void **state)
{
	static const char *bad[] = {"x", "*", "/../x", "/%00"};
	struct route_rule rules[] = {{"/", P}, {"/ok", P}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reason reason = {0};
		struct route_paths *paths;

		rules[0].path = bad[i];
		assert_int_equal(route_paths_build(&paths, 0, rules, 2, &reason), 0);
		assert_int_equal(reason.count, 1);
		assert_non_null(strstr(reason_text(&reason), bad[i]));
		assert_int_equal(look(paths, "/ok/x").rule, 1);
		assert_int_equal(look(paths, "/bad").how, ROUTE_NOT_FOUND);
		reason_clear(&reason);
		free(paths);
	}
}

static void finds_what_the_groups_took(void **state)
{
	static const struct route_rule rules[] = {{"/a(/|$)(x)?(.*)", R}};
	struct route_paths *paths = build(rules, 1);
	struct route_found found = look(paths, "/A/b");

	assert_int_equal(found.how, ROUTE_BY_PATTERN);
	assert_int_equal(found.groups[0].length, 4);
	assert_int_equal(found.groups[1].at, 2);
	assert_int_equal(found.groups[1].length, 1);
	assert_int_equal(found.groups[2].length, 0);
	assert_int_equal(found.groups[3].at, 3);
	assert_int_equal(found.groups[3].length, 1);
	assert_int_equal(found.groups[4].length, 0);
	route_paths_free(paths);
}

static void tells_a_wrong_expression(void **state)
{
	static const struct route_rule rules[] = {{"/a(", R}, {"b", R}, {"/c", R}};
	struct reason reason = {0};
	struct route_paths *paths;

	assert_int_equal(route_paths_build(&paths, 0, rules, 3, &reason), 0);
	assert_int_equal(reason.count, 2);
	assert_non_null(strstr(reason_text(&reason), "\"/a(\": no regular expression: missing"));
	assert_int_equal(look(paths, "/c").rule, 2);
	reason_clear(&reason);
	route_paths_free(paths);
}

// Whatever it is that matching would take, it ends; and no other rule is used then.
static void an_expression_without_end_is_given_up(void **state)
{
	static const struct route_rule rules[] = {{"/((a+)+)+b", R}, {"/", P}, {NULL, D}};
	struct route_paths *paths = build(rules, 3);
	char path[4096] = "/";

	memset(path + 1, 'a', 40);
	memcpy(path + 41, "cb", 2);
	assert_int_equal(look(paths, path).how, ROUTE_TOO_COSTLY);
	memset(path + 1, 'a', sizeof(path) - 2);
	memcpy(path + sizeof(path) - 3, "cb", 2);
	assert_int_equal(look(paths, path).how, ROUTE_TOO_COSTLY);
	assert_int_equal(look(paths, path).rule, UINT32_MAX);
	assert_int_equal(look(paths, "/aab").how, ROUTE_BY_PATTERN);
	assert_int_equal(look(paths, "/aac").how, ROUTE_BY_PREFIX);
	route_paths_free(paths);
}

// What an ordinary expression needs of the longest path there may be.
static void an_ordinary_one_is_not(void **state)
{
	static const char *ordinary[] = {
		"/a(/|$)(.*)", "/(.*)/(.*)", "/([^/]+)/([^/]+)(/.*)?", "/(?:[a-z0-9]+/)*", "/.*x$"};
	char path[2048] = "/a/";

	memset(path + 3, 'b', sizeof(path) - 4);
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		const struct route_rule rule = {ordinary[i], R};
		struct route_paths *paths = build(&rule, 1);

		assert_int_not_equal(look(paths, path).how, ROUTE_TOO_COSTLY);
		route_paths_free(paths);
	}
}

static void no_rules_no_route(void **state)
{
	struct route_paths *paths = build(NULL, 0);

	assert_int_equal(look(paths, "/").how, ROUTE_NOT_FOUND);
	free(paths);
}

static void knows_a_host(void **state)
{
	static const char *bad[] = {"*", "*.", "*.*.a", "a.*", "a*.b", "192.0.2.1", "[::1]", "a_b",
		"a..b", ".a", "a.", "-a", "a-", "a:80", "*.1.2.3.4", "A"};
	static const char *good[] = {"", "a", "a-1.example", "*.example", "1.2.3.4a"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(route_host_valid(bad[i]));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(route_host_valid(good[i]));
}

static void folds_a_host(void **state)
{
	static const struct {
		const char *host, *folded;
	} hosts[] = {{"a.example", "a.example"}, {"A.eXample", "a.example"},
		{"a.example:8080", "a.example"}, {"a.example.", "a.example"},
		{"a.example.:80", "a.example"}, {"", ""}, {"[2001:db8::1]:80", ""},
		{"192.0.2.1", "192.0.2.1"}, {":80", ""}, {".", ""}};
	char out[SLUICE_HOST_LENGTH];

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t n = route_fold_host(out, hosts[i].host, strlen(hosts[i].host));

		assert_int_equal(n, strlen(hosts[i].folded));
		assert_memory_equal(out, hosts[i].folded, n);
	}
}

static uint32_t random_below(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

// The length of the rule's path if it takes the request's path, else -1; exact ones ahead of all.
static int strength(const struct route_rule *rule, const char *path)
{
	size_t full = strlen(rule->path);
	size_t bare = full - (rule->path[full - 1] == '/');

	if (rule->kind == ROUTE_EXACT)
		return strcmp(rule->path, path) == 0 ? INT_MAX : -1;
	if (strncmp(rule->path, path, bare) != 0 || (path[bare] && path[bare] != '/'))
		return -1;
	return (int)full;
}

static int naive(const struct route_rule *rules, uint32_t count, const char *path)
{
	int best = -1, best_strength = -1;

	for (uint32_t i = 0; i < count; i++) {
		int it = strength(&rules[i], path);

		if (it > best_strength) {
			best = (int)i;
			best_strength = it;
		}
	}
	return best;
}

static void random_path(uint64_t *seed, char *path)
{
	uint32_t depth =
		random_below(seed, 80) ? random_below(seed, 4) : 60 + random_below(seed, 9);

	*path = 0;
	for (uint32_t i = 0; i < depth; i++) {
		strcat(path, "/");
		strcat(path, depth >= 60 || random_below(seed, 2) ? "a" : "abcdefgh");
	}
	if (!depth || random_below(seed, 3) == 0)
		strcat(path, "/");
}

static void agrees_with_a_search_of_the_list(void **state)
{
	static struct route_rule rules[40];
	static char paths[40][640];

	for (uint64_t seed = 1; seed <= 1500; seed++) {
		uint64_t s = seed;
		uint32_t count = 1 + random_below(&s, 40);
		struct route_paths *built;

		for (uint32_t i = 0; i < count; i++) {
			random_path(&s, paths[i]);
			rules[i] = (struct route_rule){
				.path = paths[i], .kind = random_below(&s, 3) ? P : E};
		}
		built = build(rules, count);
		for (unsigned i = 0; i < 60; i++) {
			char path[640];
			int found, expected;

			random_path(&s, path);
			found = (int)look(built, path).rule;
			expected = naive(rules, count, path);
			if (found != expected)
				fail_msg("seed %d: %s takes rule %d, not %d", (int)seed, path,
					found, expected);
		}
		free(built);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_rule_the_api_says),
		cmocka_unit_test(tells_how),
		cmocka_unit_test(the_first_of_equals_wins),
		cmocka_unit_test(leaves_out_what_makes_no_sense),
		cmocka_unit_test(finds_what_the_groups_took),
		cmocka_unit_test(tells_a_wrong_expression),
		cmocka_unit_test(an_expression_without_end_is_given_up),
		cmocka_unit_test(an_ordinary_one_is_not),
		cmocka_unit_test(no_rules_no_route),
		cmocka_unit_test(knows_a_host),
		cmocka_unit_test(folds_a_host),
		cmocka_unit_test(agrees_with_a_search_of_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
