// SPDX-License-Identifier: BSD-3-Clause
// The key schedule and HMAC of ours: RFC 8448's numbers, and OpenSSL's own answers to random
// questions.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls.h"

#define OURS   "provider=sluice"
#define THEIRS "provider=default"
#define ROUNDS 3000

struct question {
	int mode;
	const char *digest;
	size_t key, salt, label, data, out; // lengths; SIZE_MAX: not given
	uint8_t bytes[400];
};

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

static OSSL_PARAM *add_bytes(OSSL_PARAM *p, const char *name, const uint8_t *bytes, size_t length)
{
	if (length != SIZE_MAX)
		*p++ = OSSL_PARAM_construct_octet_string(name, (void *)bytes, length);
	return p;
}

static int derive(const char *properties, struct question *q, uint8_t *out)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[8], *p = params;
	int done;

	assert_non_null(context);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &q->mode);
	if (q->digest)
		*p++ = OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)q->digest, 0);
	p = add_bytes(p, OSSL_KDF_PARAM_KEY, q->bytes, q->key);
	p = add_bytes(p, OSSL_KDF_PARAM_SALT, q->bytes + 7, q->salt);
	p = add_bytes(p, OSSL_KDF_PARAM_PREFIX, (const uint8_t *)"tls13 ", 6);
	p = add_bytes(p, OSSL_KDF_PARAM_LABEL, q->bytes + 13, q->label);
	p = add_bytes(p, OSSL_KDF_PARAM_DATA, q->bytes + 101, q->data);
	*p = OSSL_PARAM_construct_end();
	done = EVP_KDF_derive(context, out, q->out, params);
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return done == 1;
}

static void fill(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)rand();
}

static void test_same_derivations(void **state)
{
	static const char *const digests[] = {"SHA256", "SHA2-384", "SHA384", "SHA2-256"};

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t ours[64] = {0}, theirs[64] = {0};
		struct question q = {.mode = i % 2 ? EVP_KDF_HKDF_MODE_EXPAND_ONLY
						   : EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
			.digest = digests[below(4)]};
		const size_t size = strstr(q.digest, "384") ? 48 : 32;

		fill(q.bytes, sizeof(q.bytes));
		q.key = i % 2 || below(4) ? size : SIZE_MAX;
		q.salt = below(4) ? size : SIZE_MAX;
		q.label = 1 + below(12);
		q.data = i % 2 && below(3) ? below(49) : SIZE_MAX;
		q.out = i % 2 ? 1 + below(size) : size;
		assert_true(derive(OURS, &q, ours));
		assert_true(derive(THEIRS, &q, theirs));
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
}

static void test_rfc_8448(void **state)
{
	static const uint8_t early[32] = {0x33, 0xad, 0x0a, 0x1c, 0x60, 0x7e, 0xc0, 0x3b, 0x09,
		0xe6, 0xcd, 0x98, 0x93, 0x68, 0x0c, 0xe2, 0x10, 0xad, 0xf3, 0x00, 0xaa, 0x1f, 0x26,
		0x60, 0xe1, 0xb2, 0x2e, 0x10, 0xf1, 0x70, 0xf9, 0x2a};
	struct question q = {EVP_KDF_HKDF_MODE_EXTRACT_ONLY, "SHA256", SIZE_MAX, SIZE_MAX, SIZE_MAX,
		SIZE_MAX, 32, {0}};
	uint8_t out[32];

	assert_true(derive(OURS, &q, out));
	assert_memory_equal(out, early, sizeof(early));
}

static void test_what_cannot_be_derived(void **state)
{
	const struct question good = {
		EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256", 32, SIZE_MAX, 3, SIZE_MAX, 32, {0}};
	uint8_t out[64];
	struct question q = good;

	assert_true(derive(OURS, &q, out));
	q.digest = NULL;
	assert_false(derive(OURS, &q, out));
	q.digest = "SHA512";
	assert_false(derive(OURS, &q, out));
	q = good;
	q.key = SIZE_MAX;
	assert_false(derive(OURS, &q, out));
	q = good;
	q.out = 33;
	assert_false(derive(OURS, &q, out));
	q = good;
	q.label = 250;
	assert_false(derive(OURS, &q, out));
	q = good;
	q.data = 256;
	assert_false(derive(OURS, &q, out));
	q = good;
	q.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	assert_false(derive(OURS, &q, out));
	q.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
	q.out = 31;
	assert_false(derive(OURS, &q, out));
}

static EVP_MAC_CTX *mac_of(const char *properties)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", properties);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);

	assert_non_null(context);
	EVP_MAC_free(mac);
	return context;
}

static void set_digest(EVP_MAC_CTX *context, const char *digest, int expected)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_end()};

	assert_int_equal(EVP_MAC_CTX_set_params(context, params), expected);
}

static void test_same_macs(void **state)
{
	uint8_t bytes[600], ours[64] = {0}, theirs[64] = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		EVP_MAC_CTX *both[2] = {mac_of(OURS), mac_of(THEIRS)};
		const char *digest = below(2) ? "SHA256" : "SHA384";
		size_t key = below(300), first = below(200), second = below(300), length;

		fill(bytes, sizeof(bytes));
		for (unsigned j = 0; j < 2; j++) {
			EVP_MAC_CTX *copy;

			set_digest(both[j], digest, 1);
			// OpenSSL takes no key of no bytes where it has had none before.
			assert_int_equal(EVP_MAC_init(both[j], bytes, 1 + key, NULL), 1);
			assert_int_equal(EVP_MAC_update(both[j], bytes + 300, first), 1);
			if (i % 3 == 0) { // and once more from the start
				assert_int_equal(EVP_MAC_init(both[j], NULL, 0, NULL), 1);
				assert_int_equal(EVP_MAC_update(both[j], bytes + 300, first), 1);
			}
			copy = EVP_MAC_CTX_dup(both[j]);
			assert_int_equal(EVP_MAC_update(copy, bytes + 100, second), 1);
			assert_int_equal(
				EVP_MAC_CTX_get_mac_size(copy), strstr(digest, "384") ? 48 : 32);
			assert_int_equal(
				EVP_MAC_final(copy, j ? theirs : ours, &length, sizeof(ours)), 1);
			assert_int_equal(length, strstr(digest, "384") ? 48 : 32);
			EVP_MAC_CTX_free(copy);
			EVP_MAC_CTX_free(both[j]);
		}
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
}

static void test_what_cannot_be_signed(void **state)
{
	EVP_MAC_CTX *context = mac_of(OURS);
	uint8_t out[64];
	size_t length;

	assert_int_equal(EVP_MAC_update(context, out, 1), 0); // no key
	assert_int_equal(EVP_MAC_final(context, out, &length, sizeof(out)), 0);
	assert_int_equal(EVP_MAC_init(context, NULL, 0, NULL), 0);
	set_digest(context, "MD5", 0);
	assert_int_equal(EVP_MAC_init(context, out, 32, NULL), 1);
	assert_int_equal(EVP_MAC_final(context, out, &length, 31), 0); // no room
	assert_int_equal(EVP_MAC_final(context, out, &length, 32), 1);
	EVP_MAC_CTX_free(context);
}

static int start(void **state)
{
	srand(1);
	return tls_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_derivations),
		cmocka_unit_test(test_rfc_8448),
		cmocka_unit_test(test_what_cannot_be_derived),
		cmocka_unit_test(test_same_macs),
		cmocka_unit_test(test_what_cannot_be_signed),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
