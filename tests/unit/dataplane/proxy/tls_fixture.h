// SPDX-License-Identifier: BSD-3-Clause
// A server of ours and a client of OpenSSL's, back to back in memory; and Secrets made on the spot.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tls.h"

#define WIRE_BYTES (1u << 20)

struct secret { // PEM texts
	char *chain, *key;
};

enum made_key {
	MADE_P256,
	MADE_P384,
	MADE_SECP256K1,
	MADE_ED25519,
	MADE_RSA1024,
	MADE_RSA2048,
};

struct authority {
	X509 *certificate;
	EVP_PKEY *key;
	char *pem;
};

struct authority authority_new(const char *name);
void authority_free(struct authority *authority);
// names: DNS names separated by commas, the first is the CN, too. days: until it expires.
struct secret secret_new(
	const struct authority *authority, enum made_key kind, const char *names, int days);
void secret_free(struct secret *secret);
// Of the same texts.
struct tls_secret tls_secret_of(const struct secret *secret);
struct tls_identity *identity_of(const struct secret *secret);
struct tls_identity *identity_made(
	const struct authority *authority, enum made_key kind, const char *names);
// A good OCSP response about the chain's first certificate.
uint8_t *staple_new(
	const struct authority *authority, const struct secret *secret, int days, size_t *length);

struct end { // one of ours, either side
	struct tls *tls;
	struct tls_connection *connection;
	uint8_t wire[WIRE_BYTES]; // what it sent
	uint32_t wire_length, lend_most;
	bool lend_none;
	unsigned ready, failed, more;
	// choose():
	struct tls_identity *found[TLS_KEY_KINDS];
	char asked[256];
	unsigned chosen;
	bool (*choose)(struct end *end, const char *name, struct tls_identity *found[]);
};

struct end *end_new(struct tls_config *config);
void end_free(struct end *end);
void end_accept(struct end *end); // a new connection; what was before is closed
void end_serve(struct end *end, struct tls_identity *identity); // takes it over

struct client {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
};

struct client *client_new(void);
void client_free(struct client *client);
void client_connect(struct client *client, const char *name, SSL_SESSION *session);

// Feeds `end` ciphertext in pieces of `cut` bytes; plaintext to `plain`. As tls_read() at its end.
int end_feed(struct end *end, const uint8_t *bytes, uint32_t length, uint32_t cut);
// Both sides until neither has anything to say. True when both handshakes are done.
bool handshake(struct end *end, struct client *client, uint32_t cut);
// What waits on the wires.
void to_client(struct end *end, struct client *client);
uint32_t from_client(struct client *client, uint8_t *bytes, uint32_t most);
