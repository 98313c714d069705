// SPDX-License-Identifier: BSD-3-Clause
// Certificates and keys: what serves, and what is told of what does not.
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct secret make(struct arena *arena, const char *name)
{
	struct secret secret = {0};

	assert_int_equal(
		pair_self_signed(name, time(NULL), arena, &secret.chain_pem, &secret.key_pem), 0);
	return secret;
}

static struct secret_bytes text(const char *bytes)
{
	return (struct secret_bytes){(const uint8_t *)bytes, strlen(bytes)};
}

static void self_signed(void **state)
{
	struct arena arena = {0};
	struct secret secret = make(&arena, "a.example");
	struct secret_facts facts = {0};
	struct reason reason = {0};
	int64_t until;

	assert_int_equal(pair_check(&secret, &arena, &facts, &reason), 0);
	assert_int_equal(facts.key, KEY_ECDSA);
	assert_int_equal(facts.name_count, 1);
	assert_string_equal(facts.names[0], "a.example");
	assert_string_equal(facts.issuer, "CN=a.example");
	assert_int_equal(strlen(facts.fingerprint), 64);
	assert_true(facts.not_before < time(NULL) && facts.not_after > time(NULL));
	assert_true(secret_covers(&facts, "a.example"));
	assert_false(secret_covers(&facts, "b.example"));
	assert_non_null(pair_staple_mistake(text("none"), secret.chain_pem, &until));
	reason_clear(&reason);
	arena_clear(&arena);
}

static void wildcard(void **state)
{
	struct arena arena = {0};
	struct secret secret = make(&arena, "*.Example.com");
	struct secret_facts facts = {0};
	struct reason reason = {0};

	assert_int_equal(pair_check(&secret, &arena, &facts, &reason), 0);
	assert_true(secret_covers(&facts, "a.example.com"));
	assert_true(secret_covers(&facts, "*.example.com"));
	assert_false(secret_covers(&facts, "example.com"));
	assert_false(secret_covers(&facts, "a.b.example.com"));
	reason_clear(&reason);
	arena_clear(&arena);
}

static void mistakes(void **state)
{
	struct arena arena = {0};
	struct secret good = make(&arena, "a"), other = make(&arena, "b");
	const struct {
		struct secret_bytes chain, key;
		const char *told;
	} table[] = {
		{good.chain_pem, other.key_pem, "does not belong"},
		{text("x"), good.key_pem, "tls.crt: no certificate"},
		{good.chain_pem, text(""), "tls.key: no private key"},
		{good.chain_pem, good.chain_pem, "tls.key: no private key"},
		{text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
			good.key_pem, "tls.crt: certificate 1 cannot be read"},
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct secret secret = {.chain_pem = table[i].chain, .key_pem = table[i].key};
		struct secret_facts facts = {0};
		struct reason reason = {0};

		assert_true(pair_check(&secret, &arena, &facts, &reason) < 0);
		if (!strstr(reason_text(&reason), table[i].told))
			fail_msg("%u: %s", i, reason_text(&reason));
		assert_null(strstr(reason_text(&reason), "BEGIN"));
		reason_clear(&reason);
	}
	arena_clear(&arena);
}

static void authorities(void **state)
{
	struct arena arena = {0};
	struct secret good = make(&arena, "a");
	const struct secret_bytes several = text(arena_format(&arena, "# ours\n%.*s\r\n%.*s",
		(int)good.chain_pem.length, (const char *)good.chain_pem.data,
		(int)good.chain_pem.length, (const char *)good.chain_pem.data));
	const struct {
		struct secret_bytes pem;
		const char *told; // NULL: nothing
	} table[] = {
		{good.chain_pem, NULL},
		{several, NULL},
		{text("x"), "ca.crt: no certificate"},
		{good.key_pem, "ca.crt: no certificate"},
		{text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
			"ca.crt: certificate 1 cannot be read"},
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct reason reason = {0};

		assert_int_equal(pair_check_authority(table[i].pem, &reason) == 0, !table[i].told);
		if (table[i].told && !strstr(reason_text(&reason), table[i].told))
			fail_msg("%u: %s", i, reason_text(&reason));
		reason_clear(&reason);
	}
	arena_clear(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(self_signed),
		cmocka_unit_test(wildcard),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(authorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
