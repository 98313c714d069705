// SPDX-License-Identifier: BSD-3-Clause
// route: every statement on hosts, paths, precedence, defaults and conflicts of Ingress v1; and
// random tables beside a search through the list of rules, word by word as the API has it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route.h"

// A table of rules names only what differs.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define E   ROUTE_EXACT
#define P   ROUTE_PREFIX
#define I   ROUTE_IMPLEMENTATION_SPECIFIC
#define MAX 8

// A case: rules, a request, and the index of the rule it takes (-1: none).
static const struct {
	struct route_rule rules[MAX];
	const char *host, *path;
	int expected;
} cases[] = {
	// hosts
	{{{"a.example", "/", P}}, "a.example", "/", 0},
	{{{"a.example", "/", P}}, "A.eXample", "/", 0},
	{{{"A.Example", "/", P}}, "a.example", "/", 0},
	{{{"a.example", "/", P}}, "a.example:8080", "/", 0},
	{{{"a.example", "/", P}}, "a.example.", "/", 0},
	{{{"a.example", "/", P}}, "a.example.:80", "/", 0},
	{{{"a.example", "/", P}}, "b.example", "/", -1},
	{{{"a.example", "/", P}}, "", "/", -1},
	{{{"*.foo.com", "/", P}}, "bar.foo.com", "/", 0},
	{{{"*.foo.com", "/", P}}, "BAR.foo.com:443", "/", 0},
	{{{"*.foo.com", "/", P}}, "baz.bar.foo.com", "/", -1},
	{{{"*.foo.com", "/", P}}, "foo.com", "/", -1},
	{{{"*.foo.com", "/", P}}, ".foo.com", "/", -1},
	{{{"*.foo.com", "/", P}, {"bar.foo.com", "/", P}}, "bar.foo.com", "/", 1},
	{{{"*.foo.com", "/", P}, {"bar.foo.com", "/", P}}, "x.foo.com", "/", 0},
	{{{"", "/", P}, {"*.foo.com", "/", P}}, "x.foo.com", "/", 1},
	{{{"", "/", P}, {"*.foo.com", "/", P}}, "other", "/", 0},
	{{{NULL, "/", P}}, "192.0.2.1", "/", 0},
	{{{NULL, "/", P}}, "[2001:db8::1]:80", "/", 0},
	{{{NULL, "/", P}}, "", "/", 0},
	// no fall back from the host
	{{{"a.foo.com", "/x", P}, {"*.foo.com", "/", P}, {"", "/", P}}, "a.foo.com", "/y", -1},
	{{{"*.foo.com", "/x", P}, {"", "/", P}}, "a.foo.com", "/y", -1},
	{{{"a.foo.com", NULL, ROUTE_HOST}, {"", "/", P}}, "a.foo.com", "/", -1},
	// exact
	{{{"h", "/foo", E}}, "h", "/foo", 0},
	{{{"h", "/foo", E}}, "h", "/foo/", -1},
	{{{"h", "/foo", E}}, "h", "/FOO", -1},
	{{{"h", "/foo", E}}, "h", "/bar", -1},
	{{{"h", "/foo", E}}, "h", "/foo/bar", -1},
	{{{"h", "/foo", E}}, "h", "/", -1},
	{{{"h", "/foo/", E}}, "h", "/foo", -1},
	{{{"h", "/foo/", E}}, "h", "/foo/", 0},
	{{{"h", "/", E}}, "h", "/", 0},
	{{{"h", "/", E}}, "h", "/x", -1},
	{{{"h", "/a/b/c/d", E}}, "h", "/a/b/c/d", 0},
	// prefix
	{{{"h", "/", P}}, "h", "/", 0},
	{{{"h", "/", P}}, "h", "/any/thing", 0},
	{{{"h", "", P}}, "h", "/any", 0},
	{{{"h", NULL, P}}, "h", "/any", 0},
	{{{"h", "/foo", P}}, "h", "/foo", 0},
	{{{"h", "/foo", P}}, "h", "/foo/", 0},
	{{{"h", "/foo/", P}}, "h", "/foo", 0},
	{{{"h", "/foo/", P}}, "h", "/foo/", 0},
	{{{"h", "/aaa/bb", P}}, "h", "/aaa/bbb", -1},
	{{{"h", "/aaa/bbb", P}}, "h", "/aaa/bbb", 0},
	{{{"h", "/aaa/bbb/", P}}, "h", "/aaa/bbb", 0},
	{{{"h", "/aaa/bbb", P}}, "h", "/aaa/bbb/", 0},
	{{{"h", "/aaa/bbb", P}}, "h", "/aaa/bbb/ccc", 0},
	{{{"h", "/aaa/bbb", P}}, "h", "/aaa/bbbxyz", -1},
	{{{"h", "/aaa/bbb", P}}, "h", "/aaa", -1},
	{{{"h", "/foo", P}}, "h", "/FOO", -1},
	{{{"h", "/", P}, {"h", "/aaa", P}}, "h", "/aaa/ccc", 1},
	{{{"h", "/aaa", P}, {"h", "/", P}}, "h", "/aaa/ccc", 0},
	{{{"h", "/aaa", P}, {"h", "/", P}}, "h", "/ccc", 1},
	{{{"h", "/", P}, {"h", "/aaa", P}, {"h", "/aaa/bbb", P}}, "h", "/aaa/bbb", 2},
	{{{"h", "/", P}, {"h", "/aaa", P}, {"h", "/aaa/bbb", P}}, "h", "/aaa/bbbb", 1},
	{{{"h", "/a", P}, {"h", "/a/b/c", P}}, "h", "/a/b/x", 0},
	// both
	{{{"h", "/foo", P}, {"h", "/foo", E}}, "h", "/foo", 1},
	{{{"h", "/foo", E}, {"h", "/foo", P}}, "h", "/foo", 0},
	{{{"h", "/foo", E}, {"h", "/foo", P}}, "h", "/foo/", 1},
	{{{"h", "/", E}, {"h", "/", P}}, "h", "/", 0},
	{{{"h", "/foo/", E}, {"h", "/foo", P}}, "h", "/foo/", 0},
	{{{"h", "/foo", P}, {"h", "/foo/", P}}, "h", "/foo", 1},
	{{{"h", "/foo", P}, {"h", "/foo/", P}}, "h", "/foo/", 1},
	{{{"h", "/foo/", P}, {"h", "/foo", P}}, "h", "/foo", 0},
	{{{"h", "/foo", E}, {"h", "/foo/", P}}, "h", "/foo", 1}, // the longer one
	// implementation specific
	{{{"h", "/foo", I}}, "h", "/foo/x", 0},
	{{{"h", "/foo", I}}, "h", "/foobar", -1},
	{{{"h", "/foo", I}, {"h", "/foo", E}}, "h", "/foo", 1},
	// defaults
	{{{"h", "/x", P}, {"h", NULL, ROUTE_DEFAULT}}, "h", "/y", 1},
	{{{"h", "/x", P}, {"h", NULL, ROUTE_DEFAULT}}, "h", "/x", 0},
	{{{"h", "/x", P}, {"h", NULL, ROUTE_DEFAULT}}, "g", "/x", -1},
	{{{"h", NULL, ROUTE_HOST}, {"h", NULL, ROUTE_DEFAULT}}, "h", "/", 1},
	{{{"h", NULL, ROUTE_DEFAULT}}, "h", "*", 0},
	{{{"h", "/", P}}, "h", "*", -1},
	{{{NULL, NULL, ROUTE_CATCH_ALL}}, "any.example", "/x", 0},
	{{{NULL, NULL, ROUTE_CATCH_ALL}}, "", "/x", 0},
	{{{"h", "/x", P}, {NULL, NULL, ROUTE_CATCH_ALL}}, "h", "/y", 1},
	{{{"h", "/x", P}, {"h", NULL, ROUTE_DEFAULT}, {"", NULL, ROUTE_CATCH_ALL}}, "h", "/y", 1},
	{{{"", "/x", P}, {"", NULL, ROUTE_DEFAULT}, {"", NULL, ROUTE_CATCH_ALL}}, "g", "/y", 1},
	// age
	{{{"h", "/", P, .created = 2}, {"h", "/", P, .created = 1}}, "h", "/", 1},
	{{{"h", "/", P, .name = "b/a"}, {"h", "/", P, .name = "a/b"}}, "h", "/", 1},
	{{{"h", "/", P, .name = "a-x/b"}, {"h", "/", P, .name = "a/b"}}, "h", "/", 1},
	{{{"h", "/", P, .name = "a/b"}, {"h", "/", P, .name = "a/ba"}}, "h", "/", 0},
	{{{"h", "/a", P, .created = 1}, {"h", "/a/b", P, .created = 2}}, "h", "/a/b", 1},
	{{{"h", "/a", P, .created = 1}, {"h", "/a", E, .created = 2}}, "h", "/a", 1},
	{{{"h", NULL, ROUTE_DEFAULT, .created = 2}, {"h", NULL, ROUTE_DEFAULT, .created = 1}}, "h",
		"/", 1},
	{{{"", NULL, ROUTE_CATCH_ALL, .created = 2}, {"", NULL, ROUTE_CATCH_ALL, .created = 1}},
		"h", "/", 1},
	// rules written as URLs are
	{{{"h", "/a%20b", P}}, "h", "/a b", 0},
	{{{"h", "/100%", E}}, "h", "/100%25", 0},
	{{{"h", "/a%2fb", P}}, "h", "/a%2Fb/c", 0},
	{{{"h", "/a", P}}, "h", "/a%2Fb", -1},
};

static struct route_table *build(const struct route_rule *rules, uint32_t count)
{
	struct reason reason = {0};
	struct route_table *table = NULL;

	assert_int_equal(route_build(&table, rules, count, &reason), 0);
	assert_string_equal(reason_text(&reason), "");
	return table;
}

static uint32_t count_rules(const struct route_rule *rules)
{
	uint32_t count = 0;

	while (count < MAX && (rules[count].host || rules[count].path || rules[count].kind))
		count++;
	return count;
}

static struct route_found look(const struct route_table *table, const char *host, const char *path)
{
	return route_lookup(table, host, strlen(host), path, strlen(path));
}

static void takes_the_rule_the_api_says(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_table *table = build(cases[i].rules, count_rules(cases[i].rules));
		struct route_found found = look(table, cases[i].host, cases[i].path);

		if ((int)found.rule != cases[i].expected)
			fail_msg("case %zu: %s%s takes rule %d, not %d", i, cases[i].host,
				cases[i].path, (int)found.rule, cases[i].expected);
		assert_int_equal(found.how == ROUTE_NOT_FOUND, cases[i].expected < 0);
		route_free(table);
	}
}

static void tells_how_and_what(void **state)
{
	static const struct route_rule rules[] = {
		{"h", "/e", E, 10},
		{"h", "/p", P, 11},
		{"h", NULL, ROUTE_DEFAULT, 12},
		{NULL, NULL, ROUTE_CATCH_ALL, 13},
	};
	struct route_table *table = build(rules, 4);

	assert_int_equal(look(table, "h", "/e").how, ROUTE_BY_EXACT);
	assert_int_equal(look(table, "h", "/e").target, 10);
	assert_int_equal(look(table, "h", "/p/x").how, ROUTE_BY_PREFIX);
	assert_int_equal(look(table, "h", "/p/x").target, 11);
	assert_int_equal(look(table, "h", "/").how, ROUTE_BY_DEFAULT);
	assert_int_equal(look(table, "h", "/").target, 12);
	assert_int_equal(look(table, "g", "/").how, ROUTE_BY_CATCH_ALL);
	assert_int_equal(look(table, "g", "/").target, 13);
	route_free(table);
}

static void reports_who_lost(void **state)
{
	static const struct route_rule rules[] = {
		{"h", "/a", P, .created = 5},
		{"H", "/a/", P, .created = 6}, // longer: takes all that rule 0 would
		{"h", "/b", P, .created = 2},
		{"h", "/b", I, .created = 1},
		{"h", "/b", E, .created = 9}, // another type, no conflict
		{"g", "/b", P, .created = 9}, // another host
		{"h", "/c/", P, .created = 1},
		{"h", "/c", P, .created = 2},
		{"h", NULL, ROUTE_DEFAULT, .created = 1},
		{"h", NULL, ROUTE_DEFAULT, .created = 2},
	};
	static const struct route_conflict expected[] = {
		{0, 1, true}, {2, 3, false}, {7, 6, true}, {9, 8, false}};
	struct route_table *table = build(rules, 10);
	uint32_t count;
	const struct route_conflict *conflicts = route_conflicts(table, &count);

	assert_int_equal(count, 4);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(conflicts[i].loser, expected[i].loser);
		assert_int_equal(conflicts[i].winner, expected[i].winner);
		assert_int_equal(conflicts[i].shadowed, expected[i].shadowed);
	}
	route_free(table);
}

static void leaves_out_what_makes_no_sense(void **state)
{
	static const char *hosts[] = {"*", "*.", "*.*.a", "a.*", "a*.b", "192.0.2.1", "[::1]",
		"a_b", "a..b", ".a", "a.", "-a", "a-", "a:80", "*.1.2.3.4"};
	static const char *paths[] = {"x", "*", "/../x", "/%00"};
	struct route_rule rules[] = {
		{"", "/", P, .name = "ns/bad"}, {"ok", "/", P, .target = 7, .name = "ns/good"}};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]) + sizeof(paths) / sizeof(paths[0]);
		i++) {
		size_t count = sizeof(hosts) / sizeof(hosts[0]);
		struct reason reason = {0};
		struct route_table *table;

		rules[0].host = i < count ? hosts[i] : "bad";
		rules[0].path = i < count ? "/" : paths[i - count];
		assert_int_equal(route_build(&table, rules, 2, &reason), 0);
		assert_int_equal(reason.count, 1);
		assert_non_null(strstr(reason_text(&reason), "ns/bad"));
		assert_int_equal(look(table, "ok", "/x").target, 7);
		assert_int_equal(look(table, "bad", "/x").how, ROUTE_NOT_FOUND);
		reason_clear(&reason);
		route_free(table);
	}
}

static void an_empty_table_has_no_route(void **state)
{
	struct route_table *table = build(NULL, 0);

	assert_int_equal(look(table, "a", "/").how, ROUTE_NOT_FOUND);
	route_free(table);
}

static uint32_t random_below(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

// The length of the rule's path if it takes the request's path, else -1; twice, exact ones ahead.
static int strength(const struct route_rule *rule, const char *path)
{
	size_t full = strlen(rule->path);
	size_t bare = full - (rule->path[full - 1] == '/');

	if (rule->kind == ROUTE_EXACT)
		return strcmp(rule->path, path) == 0 ? 2 * (int)full + 1 : -1;
	if (strncmp(rule->path, path, bare) != 0 || (path[bare] && path[bare] != '/'))
		return -1;
	return 2 * (int)full;
}

static int naive(const struct route_rule *rules, uint32_t count, const char *host, const char *path)
{
	int best = -1, best_strength = -1;

	for (uint32_t i = 0; i < count; i++) {
		int it = strcmp(rules[i].host, host) == 0 ? strength(&rules[i], path) : -1;

		if (it > best_strength || (it >= 0 && it == best_strength &&
						  rules[i].created < rules[best].created)) {
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
	static const char *hosts[] = {"one.example", "two.example"};
	static struct route_rule rules[40];
	static char paths[40][640];

	for (uint64_t seed = 1; seed <= 1500; seed++) {
		uint64_t s = seed;
		uint32_t count = 1 + random_below(&s, 40);
		struct route_table *table;

		for (uint32_t i = 0; i < count; i++) {
			random_path(&s, paths[i]);
			rules[i] = (struct route_rule){.host = hosts[random_below(&s, 2)],
				.path = paths[i],
				.kind = random_below(&s, 3) ? P : E,
				.created = random_below(&s, 5)};
		}
		table = build(rules, count);
		for (unsigned i = 0; i < 60; i++) {
			const char *host = hosts[random_below(&s, 2)];
			char path[640];
			int found, expected;

			random_path(&s, path);
			found = (int)look(table, host, path).rule;
			expected = naive(rules, count, host, path);
			if (found != expected)
				fail_msg("seed %d: %s%s takes rule %d, not %d", (int)seed, host,
					path, found, expected);
		}
		route_free(table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_rule_the_api_says),
		cmocka_unit_test(tells_how_and_what),
		cmocka_unit_test(reports_who_lost),
		cmocka_unit_test(leaves_out_what_makes_no_sense),
		cmocka_unit_test(an_empty_table_has_no_route),
		cmocka_unit_test(agrees_with_a_search_of_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
