// SPDX-License-Identifier: BSD-3-Clause
// Annotations: what each value comes to, and that what is wrong is told and leaves the default.
#include "annotation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ingress_settings settings = {
	.connect_timeout_s = 5, .send_timeout_s = 60, .read_timeout_s = 60, .body_mb = 1};

struct result {
	struct arena arena;
	struct annotated out;
	struct reason reason;
};

static struct result read_one(const char *key, const char *value)
{
	struct label label = {key, value};
	struct ingress ingress = {.object = {.annotation_count = 1, .annotations = &label}};
	struct result result = {0};

	annotations_read(&ingress, &settings, &result.arena, &result.out, &result.reason);
	return result;
}

static void clear(struct result *result)
{
	arena_clear(&result->arena);
	reason_clear(&result->reason);
}

static void body_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		bool wrong;
	} table[] = {{"0", 0, false}, {"100", 100, false}, {"8k", 8192, false},
		{"2M", 2 << 20, false}, {"1g", 1 << 30, false}, {"", 1 << 20, true},
		{"-1", 1 << 20, true}, {"1mb", 1 << 20, true}, {"k", 1 << 20, true},
		{"99999999999999999999g", 1 << 20, true}};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r =
			read_one("nginx.ingress.kubernetes.io/proxy-body-size", table[i].text);

		assert_int_equal(r.out.policy.body_bytes, table[i].bytes);
		assert_int_equal(r.reason.count, table[i].wrong);
		clear(&r);
	}
}

static void hashes(void **state)
{
	static const struct {
		const char *text, *name;
		enum hash_key key;
	} table[] = {{"$request_uri", "", HASH_URI}, {"$host", "", HASH_HOST},
		{"$remote_addr", "", HASH_CLIENT}, {"$http_x_user_id", "x-user-id", HASH_HEADER},
		{"$cookie_session_id", "session_id", HASH_COOKIE}, {"$http_", "", HASH_NONE},
		{"$http_a b", "", HASH_NONE}, {"text", "", HASH_NONE}};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r =
			read_one("nginx.ingress.kubernetes.io/upstream-hash-by", table[i].text);

		assert_int_equal(r.out.upstream.hash_key, table[i].key);
		assert_string_equal(r.out.upstream.hash_name, table[i].name);
		assert_int_equal(r.out.algorithm == ALGORITHM_HASH, table[i].key != HASH_NONE);
		assert_int_equal(r.reason.count, table[i].key == HASH_NONE);
		clear(&r);
	}
}

static void both_prefixes(void **state)
{
	struct label labels[] = {{"nginx.ingress.kubernetes.io/ssl-redirect", "true"},
		{"sluice.dev/ssl-redirect", "false"}};
	struct ingress ingress = {.object = {.annotation_count = 2, .annotations = labels}};
	struct arena arena = {0};
	struct reason reason = {0};
	struct annotated out;

	annotations_read(&ingress, &settings, &arena, &out, &reason);
	assert_false(out.policy.ssl_redirect); // ours goes first
	assert_int_equal(reason.count, 0);
	arena_clear(&arena);
}

static void retries(void **state)
{
	struct result r = read_one(
		"nginx.ingress.kubernetes.io/proxy-next-upstream", "error timeout http_502");

	assert_int_equal(r.out.policy.retry_on, RETRY_ERROR | RETRY_TIMEOUT | RETRY_502);
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/proxy-next-upstream", "off");
	assert_int_equal(r.out.policy.retry_on, 0);
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/proxy-next-upstream-tries", "0");
	assert_int_equal(r.out.policy.retry_tries, 1000);
	clear(&r);
}

static void rewrites(void **state)
{
	struct result r = read_one("nginx.ingress.kubernetes.io/rewrite-target", "/a");

	assert_string_equal(r.out.policy.rewrite, "/a");
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/rewrite-target", "/$2");
	assert_string_equal(r.out.policy.rewrite, "/$2");
	assert_true(r.out.regex);
	assert_int_equal(r.reason.count, 0);
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/use-regex", "true");
	assert_true(r.out.regex);
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/rewrite-target", "https://a.example/$1");
	assert_string_equal(r.out.policy.rewrite, "https://a.example/$1");
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/rewrite-target", "/$uri");
	assert_string_equal(r.out.policy.rewrite, "");
	assert_false(r.out.regex);
	assert_int_equal(r.reason.count, 1);
	clear(&r);
	r = read_one("nginx.ingress.kubernetes.io/rewrite-target", "/a b\r\nX: y");
	assert_string_equal(r.out.policy.rewrite, "");
	assert_int_equal(r.reason.count, 1);
	clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_sizes),
		cmocka_unit_test(hashes),
		cmocka_unit_test(both_prefixes),
		cmocka_unit_test(retries),
		cmocka_unit_test(rewrites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
