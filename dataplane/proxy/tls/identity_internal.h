// SPDX-License-Identifier: BSD-3-Clause
// What the handshake takes from an identity. Of this folder only.
#pragma once

#include <openssl/ssl.h>

#include "identity.h"

struct tls_identity {
	unsigned holders; // atomic
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; // without the certificate
	uint8_t *staple;
	size_t staple_length;
	struct tls_facts facts;
};

// Fills facts from the certificate. 0 or -ENOMEM.
int identity_note_facts(struct tls_identity *identity);
void identity_free_facts(struct tls_facts *facts);
