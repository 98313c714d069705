// SPDX-License-Identifier: BSD-3-Clause
// A Secret (v1), as a model object (model.h): what of it can be used for TLS, already checked.
// The key must not appear in anything that people see: `fingerprint` stands for the pair.
#pragma once

#include "model.h"

struct secret_bytes {
	const uint8_t *data;
	size_t length;
};

enum key_kind {
	KEY_NONE,
	KEY_RSA,
	KEY_ECDSA,
	KEY_OTHER
};

struct secret_facts { // of the first certificate
	enum key_kind key;
	unsigned name_count;
	const char *const *names; // of the SAN, else its common name; small letters
	const char *issuer, *subject;
	const char *fingerprint;       // SHA-256, hexadecimal
	int64_t not_before, not_after; // seconds of the epoch
	int64_t staple_until;          // 0: there is no OCSP response
	unsigned misplaced; // the certificate that did not issue the one before it; 0: none
};

struct secret {
	struct object object;
	const char *type;
	// None of them is there in a Secret that is for something else.
	struct secret_bytes chain_pem, key_pem, ocsp_der;
	struct secret_bytes ca_pem; // ca.crt
	struct secret_facts facts;
};

// A name of the certificate is the host, or has *. in place of its first label.
bool secret_covers(const struct secret_facts *facts, const char *host);
