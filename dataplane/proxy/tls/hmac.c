// SPDX-License-Identifier: BSD-3-Clause
// HMAC upon libcrypto's own SHA-2. The functions used are the ones that OpenSSL 3 calls deprecated:
// what replaces them looks an algorithm up by name and allocates at each use, which is what a
// handshake's time went into.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hmac.h"

#include <openssl/crypto.h>
#include <string.h>

#define INNER 0x36
#define OUTER 0x5c

static void state_begin(union hash_state *state, bool wide)
{
	if (wide)
		SHA384_Init(&state->wide);
	else
		SHA256_Init(&state->narrow);
}

static void state_add(union hash_state *state, bool wide, struct bytes bytes)
{
	if (bytes.length == 0)
		return;
	if (wide)
		SHA384_Update(&state->wide, bytes.at, bytes.length);
	else
		SHA256_Update(&state->narrow, bytes.at, bytes.length);
}

static void state_end(union hash_state *state, bool wide, uint8_t *out)
{
	if (wide)
		SHA384_Final(out, &state->wide);
	else
		SHA256_Final(out, &state->narrow);
}

size_t hmac_size(const struct hmac *hmac)
{
	return hmac->wide ? SHA384_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
}

void hash_of_nothing(bool wide, uint8_t *out)
{
	union hash_state state;

	state_begin(&state, wide);
	state_end(&state, wide, out);
}

void hmac_begin(struct hmac *hmac, bool wide, struct bytes key)
{
	const size_t block = wide ? SHA512_CBLOCK : SHA256_CBLOCK;
	uint8_t pad[SHA512_CBLOCK], hashed[HMAC_BYTES_MAX];

	hmac->wide = wide;
	if (key.length > block) {
		state_begin(&hmac->inner, wide);
		state_add(&hmac->inner, wide, key);
		state_end(&hmac->inner, wide, hashed);
		key = (struct bytes){hashed, hmac_size(hmac)};
	}
	memset(pad, INNER, block);
	for (size_t i = 0; i < key.length; i++)
		pad[i] ^= key.at[i];
	state_begin(&hmac->inner, wide);
	state_add(&hmac->inner, wide, (struct bytes){pad, block});
	for (size_t i = 0; i < block; i++)
		pad[i] ^= INNER ^ OUTER;
	state_begin(&hmac->outer, wide);
	state_add(&hmac->outer, wide, (struct bytes){pad, block});
	OPENSSL_cleanse(pad, sizeof(pad));
	OPENSSL_cleanse(hashed, sizeof(hashed));
}

void hmac_add(struct hmac *hmac, struct bytes bytes)
{
	state_add(&hmac->inner, hmac->wide, bytes);
}

void hmac_end(struct hmac *hmac, uint8_t *out)
{
	uint8_t inner[HMAC_BYTES_MAX];

	state_end(&hmac->inner, hmac->wide, inner);
	state_add(&hmac->outer, hmac->wide, (struct bytes){inner, hmac_size(hmac)});
	state_end(&hmac->outer, hmac->wide, out);
	OPENSSL_cleanse(inner, sizeof(inner));
}
