// SPDX-License-Identifier: BSD-3-Clause
// A provider of OpenSSL's with the two things of TLS 1.3 that it does some thirty times a
// handshake: the key schedule (RFC 8446 7.1, HKDF of RFC 5869) and HMAC. OpenSSL's own cost five
// times what they compute, in lookups by name and allocations. Everything else stays with its
// default provider. Parameters are those of EVP_KDF-TLS13_KDF(7) and EVP_MAC-HMAC(7).
#include "provider.h"

#include <errno.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "hmac.h"

#define LABEL_MAX  255 // with the prefix
#define DATA_MAX   255
#define NAME       "sluice"
#define PROPERTIES "provider=" NAME

struct derivation {
	int mode;
	bool digest, wide;
	struct bytes key, salt, prefix, label, data;
};

struct mac {
	struct hmac keyed, running;
	bool wide, ready;
};

static bool read_digest(const OSSL_PARAM *param, bool *wide)
{
	static const char *const narrow_names[] = {"SHA2-256", "SHA256", "SHA-256"};
	static const char *const wide_names[] = {"SHA2-384", "SHA384", "SHA-384"};

	if (param->data_type != OSSL_PARAM_UTF8_STRING)
		return false;
	for (unsigned i = 0; i < 3; i++) {
		if (OPENSSL_strcasecmp(param->data, narrow_names[i]) == 0) {
			*wide = false;
			return true;
		}
		if (OPENSSL_strcasecmp(param->data, wide_names[i]) == 0) {
			*wide = true;
			return true;
		}
	}
	return false;
}

static bool read_bytes(const OSSL_PARAM *param, struct bytes *bytes)
{
	*bytes = (struct bytes){param->data, param->data_size};
	return param->data_type == OSSL_PARAM_OCTET_STRING;
}

static bool read_mode(const OSSL_PARAM *param, int *mode)
{
	if (param->data_type != OSSL_PARAM_UTF8_STRING)
		return OSSL_PARAM_get_int(param, mode) == 1;
	if (OPENSSL_strcasecmp(param->data, "EXTRACT_ONLY") == 0)
		*mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
	else if (OPENSSL_strcasecmp(param->data, "EXPAND_ONLY") == 0)
		*mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	else
		return false;
	return true;
}

static bool read_derivation(const OSSL_PARAM *param, struct derivation *d)
{
	bool good = true;

	for (; good && param && param->key; param++)
		if (strcmp(param->key, OSSL_KDF_PARAM_MODE) == 0)
			good = read_mode(param, &d->mode);
		else if (strcmp(param->key, OSSL_KDF_PARAM_DIGEST) == 0)
			good = d->digest = read_digest(param, &d->wide);
		else if (strcmp(param->key, OSSL_KDF_PARAM_KEY) == 0)
			good = read_bytes(param, &d->key);
		else if (strcmp(param->key, OSSL_KDF_PARAM_SALT) == 0)
			good = read_bytes(param, &d->salt);
		else if (strcmp(param->key, OSSL_KDF_PARAM_PREFIX) == 0)
			good = read_bytes(param, &d->prefix);
		else if (strcmp(param->key, OSSL_KDF_PARAM_LABEL) == 0)
			good = read_bytes(param, &d->label);
		else if (strcmp(param->key, OSSL_KDF_PARAM_DATA) == 0)
			good = read_bytes(param, &d->data);
	return good && d->digest;
}

// HKDF-Expand-Label of RFC 8446 7.1. Nothing in TLS asks for more than one block of HKDF-Expand.
static bool expand(const struct derivation *d, uint8_t *out, size_t length)
{
	const size_t label = d->prefix.length + d->label.length;
	uint8_t block[HMAC_BYTES_MAX];
	struct hmac hmac;

	hmac.wide = d->wide;
	if (!d->key.at || length == 0 || length > hmac_size(&hmac) || label > LABEL_MAX ||
		d->data.length > DATA_MAX)
		return false;
	hmac_begin(&hmac, d->wide, d->key);
	hmac_add(&hmac, (struct bytes){(const uint8_t[]){0, (uint8_t)length, (uint8_t)label}, 3});
	hmac_add(&hmac, d->prefix);
	hmac_add(&hmac, d->label);
	hmac_add(&hmac, (struct bytes){(const uint8_t[]){(uint8_t)d->data.length}, 1});
	hmac_add(&hmac, d->data);
	hmac_add(&hmac, (struct bytes){(const uint8_t[]){1}, 1});
	hmac_end(&hmac, block);
	memcpy(out, block, length);
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(&hmac, sizeof(hmac));
	return true;
}

// A stage of the schedule: Derive-Secret(secret of the stage before, label, "") is the salt for
// what comes in. What is missing is zeros.
static bool extract(const struct derivation *d, uint8_t *out, size_t length)
{
	static const uint8_t zeros[HMAC_BYTES_MAX];
	uint8_t nothing[HMAC_BYTES_MAX], salt[HMAC_BYTES_MAX] = {0};
	struct derivation before = *d;
	struct hmac hmac;
	size_t size;

	hmac.wide = d->wide;
	size = hmac_size(&hmac);
	if (length != size)
		return false;
	if (d->salt.at) {
		hash_of_nothing(d->wide, nothing);
		before.key = d->salt;
		before.data = (struct bytes){nothing, size};
		if (!expand(&before, salt, size))
			return false;
	}
	hmac_begin(&hmac, d->wide, (struct bytes){salt, size});
	hmac_add(&hmac, d->key.at ? d->key : (struct bytes){zeros, size});
	hmac_end(&hmac, out);
	OPENSSL_cleanse(salt, sizeof(salt));
	OPENSSL_cleanse(&hmac, sizeof(hmac));
	return true;
}

static int kdf_derive(void *context, unsigned char *out, size_t length, const OSSL_PARAM params[])
{
	struct derivation d = {.mode = -1};

	if (!read_derivation(params, &d))
		return 0;
	if (d.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY)
		return expand(&d, out, length);
	return d.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY && extract(&d, out, length);
}

// All that a derivation is comes with it.
static void *kdf_new(void *provider)
{
	return provider;
}

static void kdf_free(void *context)
{
}

static void *mac_new(void *provider)
{
	return OPENSSL_zalloc(sizeof(struct mac));
}

static void *mac_dup(void *context)
{
	return OPENSSL_memdup(context, sizeof(struct mac));
}

static void mac_free(void *context)
{
	OPENSSL_clear_free(context, sizeof(struct mac));
}

static void mac_key(struct mac *mac, struct bytes key)
{
	hmac_begin(&mac->keyed, mac->wide, key);
	mac->running = mac->keyed;
	mac->ready = true;
}

static int mac_set(void *context, const OSSL_PARAM params[])
{
	struct mac *mac = context;
	struct bytes key = {NULL, 0};

	for (const OSSL_PARAM *param = params; param && param->key; param++)
		if (strcmp(param->key, OSSL_MAC_PARAM_DIGEST) == 0) {
			if (!read_digest(param, &mac->wide))
				return 0;
		} else if (strcmp(param->key, OSSL_MAC_PARAM_KEY) == 0 &&
			   !read_bytes(param, &key)) {
			return 0;
		}
	if (key.at)
		mac_key(mac, key);
	return 1;
}

static int mac_init(
	void *context, const unsigned char *key, size_t length, const OSSL_PARAM params[])
{
	struct mac *mac = context;

	if (!mac_set(mac, params))
		return 0;
	if (key)
		mac_key(mac, (struct bytes){key, length});
	else if (mac->ready)
		mac->running = mac->keyed;
	return mac->ready;
}

static int mac_update(void *context, const unsigned char *bytes, size_t length)
{
	struct mac *mac = context;

	if (!mac->ready)
		return 0;
	hmac_add(&mac->running, (struct bytes){bytes, length});
	return 1;
}

static int mac_final(void *context, unsigned char *out, size_t *length, size_t room)
{
	struct mac *mac = context;

	if (!mac->ready || room < hmac_size(&mac->running))
		return 0;
	*length = hmac_size(&mac->running);
	hmac_end(&mac->running, out);
	return 1;
}

static int mac_get(void *context, OSSL_PARAM params[])
{
	const struct mac *mac = context;
	struct hmac hmac = {.wide = mac->wide};
	OSSL_PARAM *param = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_SIZE);

	return !param || OSSL_PARAM_set_size_t(param, hmac_size(&hmac));
}

static const OSSL_PARAM *mac_gettable(void *context, void *provider)
{
	static const OSSL_PARAM table[] = {
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, NULL),
		OSSL_PARAM_END,
	};

	return table;
}

static const OSSL_PARAM *mac_settable(void *context, void *provider)
{
	static const OSSL_PARAM table[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	return table;
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
#define FUNCTION(f) ((void (*)(void))(f))
	static const OSSL_DISPATCH kdf[] = {
		{OSSL_FUNC_KDF_NEWCTX, FUNCTION(kdf_new)},
		{OSSL_FUNC_KDF_FREECTX, FUNCTION(kdf_free)},
		{OSSL_FUNC_KDF_DERIVE, FUNCTION(kdf_derive)},
		{0, NULL},
	};
	static const OSSL_DISPATCH mac[] = {
		{OSSL_FUNC_MAC_NEWCTX, FUNCTION(mac_new)},
		{OSSL_FUNC_MAC_DUPCTX, FUNCTION(mac_dup)},
		{OSSL_FUNC_MAC_FREECTX, FUNCTION(mac_free)},
		{OSSL_FUNC_MAC_INIT, FUNCTION(mac_init)},
		{OSSL_FUNC_MAC_UPDATE, FUNCTION(mac_update)},
		{OSSL_FUNC_MAC_FINAL, FUNCTION(mac_final)},
		{OSSL_FUNC_MAC_GET_CTX_PARAMS, FUNCTION(mac_get)},
		{OSSL_FUNC_MAC_SET_CTX_PARAMS, FUNCTION(mac_set)},
		{OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS, FUNCTION(mac_gettable)},
		{OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS, FUNCTION(mac_settable)},
		{0, NULL},
	};
	static const OSSL_ALGORITHM kdfs[] = {
		{OSSL_KDF_NAME_TLS1_3_KDF, PROPERTIES, kdf, "TLS 1.3 key schedule"},
		{NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM macs[] = {
		{OSSL_MAC_NAME_HMAC, PROPERTIES, mac, "HMAC of SHA-256 and SHA-384"},
		{NULL, NULL, NULL, NULL},
	};

	*no_cache = 0;
	return operation == OSSL_OP_KDF ? kdfs : operation == OSSL_OP_MAC ? macs : NULL;
}

static int init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *theirs,
	const OSSL_DISPATCH **ours, void **provider)
{
	static const OSSL_DISPATCH table[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, FUNCTION(query)},
		{0, NULL},
	};

	*ours = table;
	*provider = (void *)core; // any pointer that is none of NULL
	return 1;
}

int provider_start(void)
{
	if (OSSL_PROVIDER_available(NULL, NAME))
		return 0;
	return OSSL_PROVIDER_add_builtin(NULL, NAME, init) && OSSL_PROVIDER_load(NULL, "default") &&
			       OSSL_PROVIDER_load(NULL, NAME)
		       ? 0
		       : -ENOMEM;
}
