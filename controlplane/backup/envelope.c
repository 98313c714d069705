// SPDX-License-Identifier: BSD-3-Clause
#include "envelope.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#define MAGIC       "SLUICEBK"
#define MAGIC_BYTES 8
#define VERSION     1
#define COST        16 // log2 of N: 64 MB
#define COST_LEAST  14
#define COST_MOST   20 // 1 GB: nobody makes us take more
#define BLOCK       8  // scrypt's r

#define AT_VERSION 8
#define AT_COST    9
#define AT_LENGTH  12
#define AT_SALT    20
#define AT_CHECK   36
#define AT_NONCE   52
#define SALT       16
#define CHECK      16
#define NONCE      12
#define TAG        16
#define KEY        32

_Static_assert(AT_NONCE + NONCE == ENVELOPE_HEAD, "as envelope.h says");
_Static_assert(ENVELOPE_HEAD + TAG == ENVELOPE_EXTRA, "as envelope.h says");

struct derived {
	uint8_t key[KEY], check[CHECK];
};

static bool derive(const char *passphrase, const uint8_t *head, struct derived *derived)
{
	uint64_t n = 1ull << head[AT_COST], most = 256ull * BLOCK * n;
	uint32_t r = BLOCK, p = 1;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)passphrase, strlen(passphrase)),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)(head + AT_SALT), SALT),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most),
		OSSL_PARAM_construct_end(),
	};
	bool ok = context &&
		  EVP_KDF_derive(context, (uint8_t *)derived, sizeof(*derived), parameters) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return ok;
}

static EVP_CIPHER_CTX *begin(const struct derived *derived, const uint8_t *head, int encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	if (context &&
		EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, derived->key, head + AT_NONCE,
			encrypt) == 1 &&
		EVP_CipherUpdate(context, NULL, &n, head, ENVELOPE_HEAD) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

uint8_t *envelope_close(const char *passphrase, const void *plain, size_t length)
{
	uint8_t *bytes = length <= ENVELOPE_BYTES_MAX ? calloc(1, length + ENVELOPE_EXTRA) : NULL;
	EVP_CIPHER_CTX *context = NULL;
	struct derived derived;
	uint8_t *closed;
	bool ok;
	int n;

	if (!bytes)
		return NULL;
	closed = bytes + ENVELOPE_HEAD;
	memcpy(bytes, MAGIC, MAGIC_BYTES);
	bytes[AT_VERSION] = VERSION;
	bytes[AT_COST] = COST;
	for (int i = 0; i < 8; i++)
		bytes[AT_LENGTH + i] = (uint8_t)((uint64_t)length >> (56 - 8 * i));
	ok = RAND_bytes(bytes + AT_SALT, SALT) == 1 && RAND_bytes(bytes + AT_NONCE, NONCE) == 1 &&
	     derive(passphrase, bytes, &derived);
	if (ok) {
		memcpy(bytes + AT_CHECK, derived.check, CHECK);
		context = begin(&derived, bytes, 1);
	}
	ok = context && EVP_CipherUpdate(context, closed, &n, plain, (int)length) == 1 &&
	     EVP_CipherFinal_ex(context, closed + length, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, closed + length) == 1;
	EVP_CIPHER_CTX_free(context);
	explicit_bzero(&derived, sizeof(derived));
	if (ok)
		return bytes;
	free(bytes);
	return NULL;
}

bool envelope_check(const uint8_t *bytes, size_t length, struct reason *reason)
{
	uint64_t closed = 0;

	if (length < MAGIC_BYTES + 1 || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0) {
		reason_add(reason, "this is no backup: it does not begin as one");
		return false;
	}
	if (bytes[AT_VERSION] != VERSION) {
		reason_add(reason, "this backup is of version %u: this program reads version %d",
			bytes[AT_VERSION], VERSION);
		return false;
	}
	if (length >= ENVELOPE_HEAD)
		for (int i = 0; i < 8; i++)
			closed = closed << 8 | bytes[AT_LENGTH + i];
	if (length < ENVELOPE_EXTRA || closed > length - ENVELOPE_EXTRA) {
		reason_add(reason, "this backup is cut: %zu bytes are there, expected %llu", length,
			(unsigned long long)closed + ENVELOPE_EXTRA);
		return false;
	}
	if (closed < length - ENVELOPE_EXTRA || bytes[AT_COST] < COST_LEAST ||
		bytes[AT_COST] > COST_MOST || closed > ENVELOPE_BYTES_MAX) {
		reason_add(reason, "this backup is damaged: its head does not fit its %zu bytes",
			length);
		return false;
	}
	return true;
}

// What was closed, of which nothing is to be used when it is false.
static bool open_closed(
	const struct derived *derived, const uint8_t *bytes, size_t length, uint8_t *plain)
{
	const uint8_t *closed = bytes + ENVELOPE_HEAD;
	EVP_CIPHER_CTX *context = begin(derived, bytes, 0);
	uint8_t tag[TAG], none[1];
	bool ok;
	int n;

	memcpy(tag, closed + length, TAG);
	ok = context && EVP_CipherUpdate(context, plain, &n, closed, (int)length) == 1 &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	     EVP_CipherFinal_ex(context, none, &n) == 1;
	EVP_CIPHER_CTX_free(context);
	return ok;
}

uint8_t *envelope_open(
	const char *passphrase, const uint8_t *bytes, size_t length, struct reason *reason)
{
	struct derived derived = {0};
	uint8_t *plain = NULL;

	if (!envelope_check(bytes, length, reason))
		return NULL;
	length -= ENVELOPE_EXTRA;
	if (!derive(passphrase, bytes, &derived) || !(plain = malloc(length + 1))) {
		reason_add(reason, "the backup cannot be opened: there is not the memory for it");
	} else if (CRYPTO_memcmp(derived.check, bytes + AT_CHECK, CHECK) != 0) {
		reason_add(reason, "the passphrase is not this backup's");
		free(plain);
		plain = NULL;
	} else if (!open_closed(&derived, bytes, length, plain)) {
		reason_add(reason, "this backup is damaged: it was changed after it was made");
		explicit_bzero(plain, length);
		free(plain);
		plain = NULL;
	}
	explicit_bzero(&derived, sizeof(derived));
	return plain;
}
