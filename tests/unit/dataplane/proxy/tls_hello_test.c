// SPDX-License-Identifier: BSD-3-Clause
// hello.c: real ClientHellos cut anywhere, into records and into segments; and every way to be
// wrong. identity.c: what a Secret may hold, and each reason why it may not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hello.h"
#include "tls_fixture.h"

static struct authority ca;

static uint32_t real_hello(uint8_t *bytes, uint32_t most, const char *name, bool alpn)
{
	struct client *client = client_new();
	uint32_t length;

	client_connect(client, name, NULL);
	if (alpn)
		SSL_set_alpn_protos(client->ssl, (const uint8_t *)"\2h2\10http/1.1", 12);
	SSL_do_handshake(client->ssl);
	length = from_client(client, bytes, most);
	client_free(client);
	return length;
}

// Feeds in cuts, each a copy of its own size.
static enum hello_verdict feed(
	struct hello *hello, const uint8_t *bytes, uint32_t length, uint32_t cut)
{
	enum hello_verdict verdict = HELLO_MORE;

	memset(hello, 0, sizeof(*hello));
	for (uint32_t at = 0; at < length && verdict == HELLO_MORE; at += cut) {
		uint32_t part = length - at < cut ? length - at : cut;
		uint8_t *copy = malloc(part);

		memcpy(copy, bytes + at, part);
		verdict = hello_feed(hello, copy, part);
		free(copy);
	}
	return verdict;
}

// The same message in records of `each` bytes.
static uint32_t split(uint8_t *out, const uint8_t *bytes, uint32_t length, uint32_t each)
{
	uint32_t used = 0;

	for (uint32_t at = 5; at < length; at += each) {
		uint32_t part = length - at < each ? length - at : each;

		memcpy(out + used, "\x16\x03\x01", 3);
		out[used + 3] = (uint8_t)(part >> 8);
		out[used + 4] = (uint8_t)part;
		memcpy(out + used + 5, bytes + at, part);
		used += 5 + part;
	}
	return used;
}

static void test_real(void **state)
{
	uint8_t bytes[4096], records[65536];
	uint32_t length = real_hello(bytes, sizeof(bytes), "Www.Example.COM.", true);
	struct hello hello;
	const char *protocol;
	unsigned at = 0;
	uint8_t size;

	for (uint32_t cut = 1; cut <= length; cut++) {
		uint32_t total = split(records, bytes, length, cut);

		assert_int_equal(feed(&hello, bytes, length, cut), HELLO_WHOLE);
		assert_int_equal(feed(&hello, records, total, 1 + cut % 13), HELLO_WHOLE);
		assert_string_equal(hello.name, "www.example.com");
		assert_true(hello.tls13);
	}
	assert_true(hello_alpn_next(&hello, &at, &protocol, &size));
	assert_int_equal(size, 2);
	assert_true(hello_alpn_next(&hello, &at, &protocol, &size));
	assert_memory_equal(protocol, "http/1.1", size);
	assert_false(hello_alpn_next(&hello, &at, &protocol, &size));
	for (uint32_t cut = 0; cut < length; cut++)
		assert_int_equal(feed(&hello, bytes, cut, 4096), HELLO_MORE);
}

static void test_without_name(void **state)
{
	uint8_t bytes[4096];
	uint32_t length = real_hello(bytes, sizeof(bytes), NULL, false);
	struct hello hello;

	assert_int_equal(feed(&hello, bytes, length, 100), HELLO_WHOLE);
	assert_string_equal(hello.name, "");
	assert_int_equal(hello.alpn_length, 0);
}

// A ClientHello around the extensions given.
static uint32_t around(uint8_t *out, const char *extensions, uint32_t length)
{
	static const uint8_t suites[] = {0, 2, 0x13, 1, 1, 0};
	uint8_t *at = out + 9;

	memset(out, 0, 44);
	memcpy(at, "\3\3", 2);
	at += 35; // with the random and an empty session
	memcpy(at, suites, sizeof(suites));
	at += sizeof(suites);
	*at++ = (uint8_t)(length >> 8);
	*at++ = (uint8_t)length;
	memcpy(at, extensions, length);
	at += length;
	length = (uint32_t)(at - out);
	memcpy(out, "\x16\x03\x01", 3);
	out[3] = (uint8_t)((length - 5) >> 8);
	out[4] = (uint8_t)(length - 5);
	out[5] = 1;
	out[7] = (uint8_t)((length - 9) >> 8);
	out[8] = (uint8_t)(length - 9);
	return length;
}

#define EXTENSIONS(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	uint32_t length;
	enum tls_refusal refusal;
} cases[] = {
	{EXTENSIONS(""), TLS_OK},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1a"), TLS_OK},
	{EXTENSIONS("\0\x17\0\0\0\0\0\6\0\4\0\0\1a"), TLS_OK},
	{EXTENSIONS("\0\0\0\7\0\5\0\0\2_-"), TLS_OK},
	{EXTENSIONS("\0\0\0\0"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\1\0"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\2\0\0"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\5\0\3\0\0\0"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\5\0\3\0\0\1"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\6\0\4\1\0\1a"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\6\0\5\0\0\1a"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\2a"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\7\0\4\0\0\1ab"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1a\0\0\0\6\0\4\0\0\1a"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\7\0\4\0\0\1a"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\x17\0\1"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\x17\0"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1."), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1\0"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1/"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\6\0\4\0\0\1\xc3"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\x09\0\7\0\0\4a..b"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\0\0\7\0\5\0\0\2.a"), TLS_HELLO_NAME},
	{EXTENSIONS("\0\x10\0\5\0\3\2h2"), TLS_OK},
	{EXTENSIONS("\0\x10\0\2\0\0"), TLS_HELLO_ALPN},
	{EXTENSIONS("\0\x10\0\3\0\1\0"), TLS_HELLO_ALPN},
	{EXTENSIONS("\0\x10\0\4\0\2\0\0"), TLS_HELLO_ALPN},
	{EXTENSIONS("\0\x10\0\5\0\3\3h2"), TLS_HELLO_ALPN},
	{EXTENSIONS("\0\x10\0\5\0\4\2h2"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\x2b\0\3\2\3\4"), TLS_OK},
	{EXTENSIONS("\0\x2b\0\1\0"), TLS_HELLO_MALFORMED},
	{EXTENSIONS("\0\x2b\0\4\3\3\4\3"), TLS_HELLO_MALFORMED},
};

static void test_extensions(void **state)
{
	uint8_t bytes[512];
	struct hello hello;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t length = around(bytes, cases[i].bytes, cases[i].length);

		for (uint32_t cut = 1; cut < 20; cut++) {
			assert_int_equal(feed(&hello, bytes, length, cut),
				cases[i].refusal == TLS_OK ? HELLO_WHOLE : HELLO_REFUSED);
			assert_int_equal(hello.refusal, cases[i].refusal);
		}
	}
}

static void test_no_extensions(void **state)
{
	uint8_t bytes[512];
	struct hello hello;
	uint32_t length = around(bytes, "", 0) - 2;

	bytes[4] = (uint8_t)(length - 5);
	bytes[8] = (uint8_t)(length - 9);
	assert_int_equal(feed(&hello, bytes, length, 3), HELLO_WHOLE);
	assert_false(hello.tls13);
}

static void mistake(const struct tls_secret *secret, const char *expected)
{
	struct reason mistakes = {0}, warnings = {0};
	struct tls_identity *identity = tls_identity_new(secret, time(NULL), &mistakes, &warnings);

	if (!strstr(reason_text(&mistakes), expected))
		fail_msg("expected \"%s\" in \"%s\"", expected, reason_text(&mistakes));
	assert_null(identity);
	assert_null(strstr(reason_text(&mistakes), "-----"));
	reason_clear(&mistakes);
	reason_clear(&warnings);
}

static struct tls_secret parts(const char *chain, const char *key)
{
	return (struct tls_secret){.name = "lab/default/web",
		.chain = chain,
		.chain_length = strlen(chain),
		.key = key,
		.key_length = strlen(key)};
}

static void test_mistakes(void **state)
{
	struct secret good = secret_new(&ca, MADE_P256, "a.example.com", 90);
	struct secret other = secret_new(&ca, MADE_RSA2048, "b.example.com", 90);
	struct secret weak = secret_new(&ca, MADE_RSA1024, "c.example.com", 90);
	struct secret odd = secret_new(&ca, MADE_SECP256K1, "d.example.com", 90);
	char *cut = strdup(good.chain), *turned;
	struct tls_secret secret;

	cut[strlen(cut) - 200] = '!';
	assert_true(asprintf(&turned, "%s%s", ca.pem, good.chain) > 0);
	secret = parts("", good.key);
	mistake(&secret, "lab/default/web: tls.crt holds no certificate");
	secret = parts(cut, good.key);
	mistake(&secret, "tls.crt: certificate 2 is malformed");
	secret = parts(good.chain, "");
	mistake(&secret, "tls.key holds no private key");
	secret =
		parts(good.chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	mistake(&secret, "tls.key is malformed");
	secret = parts(good.chain, other.key);
	mistake(&secret, "tls.key does not match");
	secret = parts(turned, good.key);
	mistake(&secret, "belongs to certificate 2 of tls.crt, which has to be the first");
	secret = parts(weak.chain, weak.key);
	mistake(&secret, "an RSA key of 1024 bits is too weak");
	secret = parts(odd.chain, odd.key);
	mistake(&secret, "curve secp256k1 is not supported");
	secret = parts("", "");
	mistake(&secret, "tls.key");
	free(cut);
	free(turned);
	secret_free(&good);
	secret_free(&other);
	secret_free(&weak);
	secret_free(&odd);
}

static void test_encrypted_key(void **state)
{
	struct secret good = secret_new(&ca, MADE_P256, "a.example.com", 90);
	struct tls_secret secret =
		parts(good.chain, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
				  "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n"
				  "-----END EC PRIVATE KEY-----\n");

	mistake(&secret, "tls.key is encrypted");
	secret_free(&good);
}

static void test_facts(void **state)
{
	struct tls_identity *identity =
		identity_made(&ca, MADE_P384, "Shop.example.com,*.Wild.example.com");
	const struct tls_facts *facts = tls_identity_facts(identity);

	assert_string_equal(facts->subject, "CN = Shop.example.com");
	assert_string_equal(facts->issuer, "CN = test authority");
	assert_int_equal(facts->name_count, 2);
	assert_string_equal(facts->names[1], "*.wild.example.com");
	assert_int_equal(facts->key_kind, TLS_KEY_ECDSA);
	assert_int_equal(facts->key_bits, 384);
	assert_int_equal(facts->chain_length, 2);
	assert_false(facts->self_signed);
	assert_true(labs(facts->not_after - time(NULL) - 90 * 86400l) < 100);
	tls_identity_release(identity);

	identity = tls_identity_self_signed("sluice", time(NULL));
	facts = tls_identity_facts(identity);
	assert_true(facts->self_signed);
	assert_true(tls_identity_covers(identity, "sluice"));
	tls_identity_release(identity);
}

// What serves but wants attention.
static void test_warnings(void **state)
{
	struct secret old = secret_new(&ca, MADE_P256, "a.example.com", -3);
	struct secret other = secret_new(&ca, MADE_P256, "b.example.com", 90);
	struct tls_secret secret = parts(old.chain, old.key);
	struct reason mistakes = {0}, warnings = {0};
	size_t length;
	uint8_t *foreign = staple_new(&ca, &other, 7, &length);
	uint8_t *stale = staple_new(&ca, &old, -1, &secret.staple_length);
	struct tls_identity *identity;

	secret.staple = stale;
	identity = tls_identity_new(&secret, time(NULL), &mistakes, &warnings);
	assert_non_null(identity);
	assert_int_equal(tls_identity_facts(identity)->staple_until, 0);
	assert_non_null(strstr(reason_text(&warnings), "tls.crt expired 3 days ago"));
	assert_non_null(strstr(reason_text(&warnings), "tls.ocsp-staple is out of date"));
	tls_identity_release(identity);
	secret.staple = foreign;
	secret.staple_length = length;
	tls_identity_release(tls_identity_new(&secret, time(NULL), &mistakes, &warnings));
	assert_non_null(strstr(reason_text(&warnings), "is about another certificate"));
	secret.staple = "?";
	secret.staple_length = 1;
	tls_identity_release(tls_identity_new(&secret, time(NULL), &mistakes, &warnings));
	assert_non_null(strstr(reason_text(&warnings), "is no successful OCSP response"));
	assert_int_equal(mistakes.count, 0);
	reason_clear(&warnings);
	OPENSSL_free(foreign);
	OPENSSL_free(stale);
	secret_free(&old);
	secret_free(&other);
}

// What OpenSSL holds, a key and its copies too, lies where no core file shows it.
static void test_no_core(void **state)
{
	uintptr_t at = (uintptr_t)OPENSSL_malloc(40), large = (uintptr_t)OPENSSL_malloc(1 << 20);
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	unsigned hidden = 0;
	char line[512];
	bool inside = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (at >= start && at < end) || (large >= start && large < end);
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			hidden += strstr(line, " dd") != NULL;
	}
	fclose(file);
	OPENSSL_free((void *)at);
	OPENSSL_free((void *)large);
#if !defined(__SANITIZE_ADDRESS__) // there OpenSSL keeps the sanitizer's allocator
	assert_int_equal(hidden, 2);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_without_name),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_no_extensions),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_encrypted_key),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_no_core),
	};
	int failed;

	if (tls_start())
		return 1;
	ca = authority_new("test authority");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	authority_free(&ca);
	return failed;
}
