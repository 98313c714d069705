// SPDX-License-Identifier: BSD-3-Clause
// Keys of each kind and form, and their certificates, are read as OpenSSL by itself reads them.
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct text {
	char *data;
	long length;
	BIO *bio;
};

static struct text text_of(BIO *bio)
{
	struct text text = {.bio = bio};

	text.length = BIO_get_mem_data(bio, &text.data);
	return text;
}

static X509 *certificate_for(EVP_PKEY *key)
{
	X509 *certificate = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 1000);
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_true(
		X509_sign(certificate, key,
			EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
	return certificate;
}

static X509 *read_back(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *read;

	PEM_write_bio_X509(bio, certificate);
	read = pem_certificate(bio);
	assert_non_null(read);
	assert_null(pem_certificate(bio)); // no more
	assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), PEM_R_NO_START_LINE);
	ERR_clear_error();
	BIO_free(bio);
	return read;
}

static void check_text(BIO *bio, const EVP_PKEY *key, const X509 *certificate, const X509 *other)
{
	struct text text = text_of(bio);
	bool encrypted = false;
	EVP_PKEY *read = pem_private_key(text.data, (size_t)text.length, &encrypted);

	assert_non_null(read);
	assert_false(encrypted);
	assert_int_equal(EVP_PKEY_eq(read, key), 1);
	assert_true(pem_belongs(read, certificate));
	assert_false(pem_belongs(read, other));
	EVP_PKEY_free(read);
	BIO_free(bio);
}

static void check(EVP_PKEY *key, EVP_PKEY *other_key)
{
	X509 *made = certificate_for(key), *other_made = certificate_for(other_key);
	X509 *certificate = read_back(made), *other = read_back(other_made), *whole;
	unsigned char digest[32], expected[32];
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	check_text(bio, key, certificate, other);
	bio = BIO_new(BIO_s_mem());
	if (PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		check_text(bio, key, certificate, other);
	else
		BIO_free(bio);
	whole = pem_whole(certificate);
	assert_int_equal(X509_cmp(whole, made), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(whole), key), 1);
	assert_true(pem_fingerprint(certificate, digest));
	X509_digest(made, EVP_sha256(), expected, NULL);
	assert_memory_equal(digest, expected, sizeof(digest));
	X509_free(whole);
	X509_free(certificate);
	X509_free(other);
	X509_free(made);
	X509_free(other_made);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
}

static void test_kinds(void **state)
{
	check(EVP_EC_gen("P-256"), EVP_EC_gen("P-256"));
	check(EVP_EC_gen("P-384"), EVP_EC_gen("P-256"));
	check(EVP_EC_gen("P-521"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	check(EVP_RSA_gen(2048), EVP_RSA_gen(2048));
	check(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

// As `openssl ecparam -genkey` writes it: the curve in a block of its own ahead.
static void test_parameters_ahead(void **state)
{
	static const char head[] =
		"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *certificate = certificate_for(key), *another = certificate_for(other);
	BIO *bio = BIO_new(BIO_s_mem());

	BIO_write(bio, head, sizeof(head) - 1);
	PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
	check_text(bio, key, certificate, another);
	X509_free(certificate);
	X509_free(another);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void test_not_keys(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	bool encrypted = false;
	struct text text;

	PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	text = text_of(bio);
	assert_null(pem_private_key(text.data, (size_t)text.length, &encrypted));
	assert_true(encrypted);
	encrypted = false;
	assert_null(pem_private_key(text.data, (size_t)text.length / 2, &encrypted));
	assert_null(pem_private_key("", 0, &encrypted));
	assert_null(pem_private_key(
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 60, &encrypted));
	assert_false(encrypted);
	ERR_clear_error();
	BIO_free(bio);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_parameters_ahead),
		cmocka_unit_test(test_not_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
