// SPDX-License-Identifier: BSD-3-Clause
// What the handshake takes from an identity. Of this folder only.
#pragma once

#include <openssl/ssl.h>

#include "identity.h"

struct identity_whole { // as OpenSSL needs them, with their public keys
	X509 *certificate;
	STACK_OF(X509) * chain;
};

struct tls_identity {
	unsigned holders; // atomic
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;       // without the certificate
	struct identity_whole *whole; // atomic; NULL: nobody was shown it yet
	uint8_t *staple;
	size_t staple_length;
	struct tls_facts facts;
};

// Made when it is first asked for, by any thread: of many certificates few are shown in an hour.
// NULL: out of memory.
const struct identity_whole *identity_whole(struct tls_identity *identity);
// Fills facts from the certificate. 0 or -ENOMEM.
int identity_note_facts(struct tls_identity *identity);
void identity_free_facts(struct tls_facts *facts);
