// SPDX-License-Identifier: BSD-3-Clause
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls_end.h"
#include "tls_fixture.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

// house: OpenSSL hands its method for randomness nothing of ours
static uint64_t state;

static int random_bytes(unsigned char *out, int length)
{
	for (int i = 0; i < length; i++) {
		state = state * 6364136223846793005 + 1442695040888963407;
		out[i] = (unsigned char)(state >> 56);
	}
	return 1;
}

static int random_status(void)
{
	return 1;
}

void tls_ends_reset(void)
{
	state = 1;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

void tls_ends_start(struct tls_ends *ends)
{
	static const RAND_METHOD method = {
		.bytes = random_bytes, .pseudorand = random_bytes, .status = random_status};
	struct authority authority = authority_new("fuzz");
	struct secret secret = secret_new(&authority, MADE_P256, "a.example", 3650);
	BIO *chain = BIO_new_mem_buf(secret.chain, -1), *key = BIO_new_mem_buf(secret.key, -1);

	ends->chain = secret.chain;
	ends->key = secret.key;
	ends->client = SSL_CTX_new(TLS_client_method());
	ends->server = SSL_CTX_new(TLS_server_method());
	must(ends->client && ends->server && chain && key);
	must(SSL_CTX_use_certificate(ends->server, PEM_read_bio_X509(chain, NULL, NULL, NULL)) ==
		1);
	must(SSL_CTX_use_PrivateKey(ends->server, PEM_read_bio_PrivateKey(key, NULL, NULL, NULL)) ==
		1);
	BIO_free(chain);
	BIO_free(key);
	authority_free(&authority);
	must(RAND_set_rand_method(&method) == 1);
}

SSL *tls_end_new(const struct tls_ends *ends, bool server, bool old)
{
	SSL *end = SSL_new(server ? ends->server : ends->client);

	must(end != NULL);
	SSL_set_bio(end, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (old)
		SSL_set_max_proto_version(end, TLS1_2_VERSION);
	if (server) {
		SSL_set_accept_state(end);
	} else {
		SSL_set_connect_state(end);
		SSL_set_tlsext_host_name(end, "a.example");
	}
	return end;
}

void tls_end_hear(SSL *end, const uint8_t *bytes, uint32_t length)
{
	uint8_t plain[4096];

	if (length)
		BIO_write(SSL_get_rbio(end), bytes, (int)length);
	while (SSL_do_handshake(end) == 1 && SSL_read(end, plain, sizeof(plain)) > 0)
		;
	ERR_clear_error();
}

void tls_end_say(SSL *end, const uint8_t *bytes, uint32_t length)
{
	if (length && SSL_is_init_finished(end))
		SSL_write(end, bytes, (int)length);
	ERR_clear_error();
}

uint32_t tls_end_wire(SSL *end, uint8_t *bytes, uint32_t most)
{
	int length = BIO_read(SSL_get_wbio(end), bytes, (int)most);

	return length > 0 ? (uint32_t)length : 0;
}
