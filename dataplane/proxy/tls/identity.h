// SPDX-License-Identifier: BSD-3-Clause
// What a server proves to be: a certificate chain, its private key and, if there is one, the OCSP
// response that is stapled to it. Made from the contents of a Secret by the main lcore; immutable,
// counted, so that connections keep the one they began with. The counting and the facts: any
// thread.
//
// Private keys live in memory that no core file shows (tls_start()) and are wiped when the last
// holder lets go. Nothing here prints one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"

struct tls_identity;

enum tls_key_kind {
	TLS_KEY_ECDSA,
	TLS_KEY_ED25519,
	TLS_KEY_RSA,
	TLS_KEY_KINDS,
};

struct tls_secret {         // what a Secret holds
	const char *name;   // "cluster/namespace/name": what mistakes call it
	const void *chain;  // "tls.crt", PEM: the server's certificate first
	const void *key;    // "tls.key", PEM
	const void *staple; // "tls.ocsp-staple", DER of an OCSP response; may be absent
	size_t chain_length, key_length, staple_length;
};

struct tls_facts {
	const char *subject, *issuer; // as one line each
	const char *const *names;     // DNS names and addresses it covers, lower case
	unsigned name_count;
	enum tls_key_kind key_kind;
	unsigned key_bits;
	unsigned chain_length;         // certificates sent
	int64_t not_before, not_after; // seconds since 1970
	int64_t staple_until;          // 0: no staple
	uint8_t fingerprint[32];       // SHA-256 of the certificate
	bool self_signed;
};

// NULL when the Secret cannot serve: every mistake is a line of `mistakes`. What serves and yet
// wants attention (expired, not yet valid, a stale or foreign staple, which is left out) is a line
// of `warnings`. now_s: seconds since 1970.
struct tls_identity *tls_identity_new(const struct tls_secret *secret, int64_t now_s,
	struct reason *mistakes, struct reason *warnings);
// A new ECDSA key with a certificate for `name` by itself, for where no Secret serves.
struct tls_identity *tls_identity_self_signed(const char *name, int64_t now_s);
struct tls_identity *tls_identity_hold(struct tls_identity *identity);
void tls_identity_release(struct tls_identity *identity); // NULL is nothing

const struct tls_facts *tls_identity_facts(const struct tls_identity *identity);
// Whether the certificate is good for a name in lower case: exactly, or by a wildcard as the whole
// first label.
bool tls_identity_covers(const struct tls_identity *identity, const char *name);
const char *tls_key_kind_name(enum tls_key_kind kind); // "ECDSA", "Ed25519", "RSA"
// Overwrites what held a key, in a way that no compiler leaves out.
void tls_cleanse(void *bytes, size_t length);
