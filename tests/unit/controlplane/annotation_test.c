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

static void names_of_endpoints(void **state)
{
	static const struct {
		const char *text, *name;
	} table[] = {{"Pod.example", "Pod.example"}, {"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"}, {"", ""}, {"$host", ""}, {"*.example", ""},
		{"a b", ""}, {"a/b", ""}};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r =
			read_one("nginx.ingress.kubernetes.io/proxy-ssl-name", table[i].text);

		assert_string_equal(r.out.upstream.tls_name, table[i].name);
		assert_int_equal(r.reason.count, !*table[i].name);
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

static void who_may_come(void **state)
{
	static const struct {
		const char *name, *value;
		unsigned allowed, refused;
		bool denied;
	} table[] = {
		{"allowlist-source-range", "10.0.0.0/8", 1, 0, false},
		{"whitelist-source-range", " 10.1.2.3/8,192.0.2.1 , 2001:db8::/32,::1", 4, 0,
			false},
		{"denylist-source-range", "0.0.0.0/0, ::/0", 0, 2, false},
		{"allowlist-source-range", "", 0, 0, false},
		{"allowlist-source-range", "10.0.0.0/33", 0, 0, true},
		{"allowlist-source-range", "10.0.0.0/8,", 0, 0, true},
		{"allowlist-source-range", "10.0.0.0/8,office", 0, 0, true},
		{"denylist-source-range", "10.0.0.0/8;10.1.0.0/16", 0, 0, true},
		{"denylist-source-range", "-", 0, 0, true},
		{"auth-url", "http://auth.example/", 0, 0, true},
		{"auth-type", "basic", 0, 0, true},
		{"auth-tls-secret", "a/b", 0, 0, true},
	};
	char key[128];

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r;

		snprintf(key, sizeof(key), "nginx.ingress.kubernetes.io/%s", table[i].name);
		r = read_one(key, table[i].value);
		assert_int_equal(r.out.policy.allowed_count, table[i].allowed);
		assert_int_equal(r.out.policy.refused_count, table[i].refused);
		assert_int_equal(r.out.policy.denied, table[i].denied);
		assert_int_equal(r.reason.count, table[i].denied);
		clear(&r);
	}
}

static void redirects(void **state)
{
	static const struct {
		const char *name, *value, *to, *root;
		unsigned code;
	} table[] = {
		{"permanent-redirect", "https://a.example/x", "https://a.example/x", "", 301},
		{"temporal-redirect", "http://a.example$request_uri",
			"http://a.example$request_uri", "", 302},
		{"permanent-redirect", "$scheme://new.$host", "$scheme://new.$host", "", 301},
		{"permanent-redirect", "/x", "", "", 0},
		{"permanent-redirect", "ftp://a.example/", "", "", 0},
		{"permanent-redirect", "https://a.example$uri", "", "", 0},
		{"permanent-redirect", "https://a.example$host_name", "", "", 0},
		{"permanent-redirect", "https://a.example/\r\nSet-Cookie: a=b", "", "", 0},
		{"app-root", "/app", "", "/app", 0},
		{"app-root", "app", "", "", 0},
		{"app-root", "/", "", "", 0},
		{"app-root", "//$host", "", "", 0},
	};
	char key[128];

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r;

		snprintf(key, sizeof(key), "nginx.ingress.kubernetes.io/%s", table[i].name);
		r = read_one(key, table[i].value);
		assert_string_equal(r.out.policy.redirect_to, table[i].to);
		assert_string_equal(r.out.app_root, table[i].root);
		assert_int_equal(r.out.policy.redirect_to_code, table[i].code);
		assert_int_equal(r.reason.count, !*table[i].to && !*table[i].root);
		clear(&r);
	}
}

static void those_without_a_row_are_told(void **state)
{
	static const struct {
		const char *key;
		unsigned told;
	} table[] = {{"nginx.ingress.kubernetes.io/satisfy", 1},
		{"nginx.ingress.kubernetes.io/affinity", 1},
		{"nginx.ingress.kubernetes.io/proxy-body-size", 0},
		{"nginx.ingress.kubernetes.io/proxy-body-size2", 1},
		{"nginx.org/proxy-body-size", 0}, {"example.com/satisfy", 0}};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r = read_one(table[i].key, "1");

		assert_int_equal(r.reason.count, table[i].told);
		clear(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_sizes),
		cmocka_unit_test(hashes),
		cmocka_unit_test(names_of_endpoints),
		cmocka_unit_test(both_prefixes),
		cmocka_unit_test(retries),
		cmocka_unit_test(rewrites),
		cmocka_unit_test(who_may_come),
		cmocka_unit_test(redirects),
		cmocka_unit_test(those_without_a_row_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
