// SPDX-License-Identifier: BSD-3-Clause
// HMAC (RFC 2104) over SHA-256 and SHA-384, the hashes of TLS 1.3. No allocation, no errors, any
// thread; a keyed one is a value that may be copied.
#pragma once

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HMAC_BYTES_MAX 48

struct bytes {
	const uint8_t *at;
	size_t length;
};

union hash_state {
	SHA256_CTX narrow;
	SHA512_CTX wide;
};

struct hmac {
	union hash_state inner, outer;
	bool wide; // SHA-384
};

size_t hmac_size(const struct hmac *hmac);
void hmac_begin(struct hmac *hmac, bool wide, struct bytes key);
void hmac_add(struct hmac *hmac, struct bytes bytes);
void hmac_end(struct hmac *hmac, uint8_t *out); // hmac_size() bytes
void hash_of_nothing(bool wide, uint8_t *out);
