// SPDX-License-Identifier: BSD-3-Clause
// What the TLS layer costs by itself: handshakes and bulk data back to back in memory, only the
// server's side on the clock, each beside the bare cryptography of the same run. Then memory: idle
// connections and certificates. One line each; `tls_bench` takes about 20 s, `tls_bench handshake`,
// `bulk` or `memory` a part of it.
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tls_fixture.h"

#define SECONDS      1.0
#define BULK_PIECE   1448u
#define BULK_PIECES  46u // about 64 KB
#define CONNECTIONS  10000u
#define CERTIFICATES 10000u

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void must(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "tls_bench: %s\n", what);
		exit(1);
	}
}

// Seconds of one P-256 signature and of one X25519 agreement with a fresh key.
static void primitives(double *sign_s, double *agree_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	uint8_t digest[32] = {1}, out[128];
	EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new(key, NULL);
	double start = now(), took = 0;
	unsigned turns = 0;

	must(EVP_PKEY_sign_init(signer) == 1, "sign");
	for (; (took = now() - start) < SECONDS; turns++) {
		size_t length = sizeof(out);

		must(EVP_PKEY_sign(signer, out, &length, digest, sizeof(digest)) == 1, "sign");
	}
	*sign_s = took / turns;
	EVP_PKEY_CTX_free(signer);
	start = now();
	for (turns = 0; (took = now() - start) < SECONDS; turns++) {
		EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
		EVP_PKEY_CTX *agree = EVP_PKEY_CTX_new(own, NULL);
		size_t length = sizeof(out);

		must(EVP_PKEY_derive_init(agree) == 1 &&
				EVP_PKEY_derive_set_peer(agree, peer) == 1 &&
				EVP_PKEY_derive(agree, out, &length) == 1,
			"agree");
		EVP_PKEY_CTX_free(agree);
		EVP_PKEY_free(own);
	}
	*agree_s = took / turns;
	EVP_PKEY_free(key);
	EVP_PKEY_free(peer);
}

// One handshake; returns the server's seconds.
static double one_handshake(struct end *end, struct client *client, SSL_SESSION *session)
{
	uint8_t bytes[8192], plain[64];
	double took = 0, start;

	client_connect(client, "bench.example.com", session);
	for (unsigned turn = 0; turn < 2; turn++) {
		struct tls_piece piece = {bytes, 0};
		struct tls_input in = {&piece, 1, 0};

		SSL_do_handshake(client->ssl);
		piece.length = from_client(client, bytes, sizeof(bytes));
		start = now();
		if (turn == 0)
			end_accept(end);
		tls_read(end->connection, &in, plain, sizeof(plain));
		tls_poll(end->tls, 1);
		took += now() - start;
		to_client(end, client);
	}
	must(end->ready == 1, "no handshake");
	start = now();
	tls_close(end->connection);
	end->connection = NULL;
	return took + now() - start;
}

// The same by OpenSSL alone with its defaults, one ticket: what any server on it pays.
static double plain_handshake(SSL_CTX *context, struct client *client, SSL_SESSION *session)
{
	uint8_t bytes[8192];
	double start = now(), took;
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int length, done = 0;

	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	took = now() - start;
	client_connect(client, "bench.example.com", session);
	for (unsigned turn = 0; turn < 2; turn++) {
		SSL_do_handshake(client->ssl);
		length = (int)from_client(client, bytes, sizeof(bytes));
		start = now();
		BIO_write(in, bytes, length);
		done = SSL_do_handshake(ssl);
		length = BIO_read(out, bytes, sizeof(bytes));
		took += now() - start;
		BIO_write(client->in, bytes, length);
	}
	must(done == 1, "no plain handshake");
	start = now();
	SSL_free(ssl);
	return took + now() - start;
}

static void plain_handshakes(struct client *client, const struct authority *authority)
{
	struct secret secret = secret_new(authority, MADE_P256, "bench.example.com", 90);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	BIO *chain = BIO_new_mem_buf(secret.chain, -1), *text = BIO_new_mem_buf(secret.key, -1);
	X509 *certificate = PEM_read_bio_X509(chain, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
	double full = 0, start;
	unsigned turns = 0;

	must(SSL_CTX_use_cert_and_key(context, certificate, key, NULL, 1) == 1, "certificate");
	SSL_CTX_add1_chain_cert(context, authority->certificate);
	SSL_CTX_set_num_tickets(context, 1);
	for (start = now(); now() - start < 2 * SECONDS; turns++)
		full += plain_handshake(context, client, NULL);
	printf("OpenSSL alone, full: %.1f us\n", full * 1e6 / turns);
	BIO_free(chain);
	BIO_free(text);
	X509_free(certificate);
	EVP_PKEY_free(key);
	SSL_CTX_free(context);
	secret_free(&secret);
}

static void handshakes(struct end *end, struct client *client)
{
	double sign_s, agree_s, full = 0, resumed = 0, start;
	unsigned full_turns = 0, resumed_turns = 0;
	uint8_t byte;

	primitives(&sign_s, &agree_s);
	for (start = now(); now() - start < 3 * SECONDS; full_turns++)
		full += one_handshake(end, client, NULL);
	for (start = now(); now() - start < 3 * SECONDS; resumed_turns++) {
		SSL_SESSION *session;

		SSL_peek(client->ssl, &byte, 1);
		session = SSL_get1_session(client->ssl);
		resumed += one_handshake(end, client, session);
		must(SSL_session_reused(client->ssl), "not resumed");
		SSL_SESSION_free(session);
	}
	full /= full_turns;
	resumed /= resumed_turns;
	printf("P-256 signature %.1f us, X25519 key and agreement %.1f us: limit %.0f full, %.0f "
	       "resumed a CPU second\n",
		sign_s * 1e6, agree_s * 1e6, 1 / (sign_s + agree_s), 1 / agree_s);
	printf("full TLS 1.3 handshake %.1f us: %.0f a CPU second, %.2f of the limit\n", full * 1e6,
		1 / full, (sign_s + agree_s) / full);
	printf("resumed %.1f us: %.0f a CPU second, %.2f of the limit\n", resumed * 1e6,
		1 / resumed, agree_s / resumed);
}

static double gcm_s(uint8_t *data)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	uint8_t key[16] = {1}, iv[12] = {2}, tag[16];
	double start = now(), took = 0;
	unsigned turns = 0;
	int length;

	must(EVP_EncryptInit_ex2(context, cipher, key, iv, NULL) == 1, "cipher");
	for (; (took = now() - start) < SECONDS; turns++) {
		EVP_EncryptInit_ex2(context, NULL, NULL, iv, NULL);
		EVP_EncryptUpdate(context, NULL, &length, iv, 5);
		EVP_EncryptUpdate(context, data, &length, data, 16384);
		EVP_EncryptFinal_ex(context, tag, &length);
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag);
	}
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
	return took / turns;
}

static void bulk(struct end *end, struct client *client)
{
	uint8_t *data = calloc(BULK_PIECES, BULK_PIECE), *wire = malloc(WIRE_BYTES),
		plain[TLS_READ_ROOM];
	struct tls_piece pieces[BULK_PIECES], chopped[BULK_PIECES * 2];
	double bare = gcm_s(data), out = 0, in = 0, out_bytes = 0, in_bytes = 0, start;

	end_accept(end);
	client_connect(client, NULL, NULL);
	must(handshake(end, client, 65536), "no handshake");
	end->lend_most = BULK_PIECE;
	for (unsigned i = 0; i < BULK_PIECES; i++)
		pieces[i] = (struct tls_piece){data + i * BULK_PIECE, BULK_PIECE};
	for (unsigned turn = 0; out < SECONDS; turn++) {
		start = now();
		out_bytes += tls_write(end->connection, pieces, BULK_PIECES, 1u << 20);
		out += now() - start;
		end->wire_length = 0;
	}
	while (in < SECONDS) {
		struct tls_input input = {chopped, 0, 0};
		uint32_t length;
		int got;

		SSL_write(client->ssl, data, BULK_PIECE * BULK_PIECES);
		length = from_client(client, wire, WIRE_BYTES);
		for (uint32_t at = 0; at < length; at += BULK_PIECE)
			chopped[input.count++] = (struct tls_piece){
				wire + at, length - at < BULK_PIECE ? length - at : BULK_PIECE};
		start = now();
		while ((got = tls_read(end->connection, &input, plain, sizeof(plain))) > 0)
			in_bytes += got;
		in += now() - start;
	}
	printf("AES-128-GCM of 16 KB %.1f Gbit/s; written %.1f Gbit/s, %.2f of it; read %.1f "
	       "Gbit/s, "
	       "%.2f of it\n",
		16384 * 8 / bare / 1e9, out_bytes * 8 / out / 1e9, out_bytes * bare / 16384 / out,
		in_bytes * 8 / in / 1e9, in_bytes * bare / 16384 / in);
	free(data);
	free(wire);
}

static double resident_bytes(void)
{
	char text[128] = "";
	int fd = open("/proc/self/statm", O_RDONLY);
	unsigned long pages = 0;

	must(read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%*u %lu", &pages) == 1, "statm");
	close(fd);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void memory(struct end *end, struct client *client, const struct authority *authority)
{
	struct secret secret = secret_new(authority, MADE_P256, "bench.example.com", 90);
	struct secret rsa = secret_new(authority, MADE_RSA2048, "bench.example.com", 90);
	struct tls_identity **identities = calloc(CERTIFICATES, sizeof(*identities));
	struct tls_connection **all = calloc(CONNECTIONS, sizeof(*all));
	double before = resident_bytes(), start;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		end->connection = NULL;
		end_accept(end);
		client_connect(client, NULL, NULL);
		must(handshake(end, client, 65536), "no handshake");
		all[i] = end->connection;
	}
	printf("idle connection: %.0f bytes\n", (resident_bytes() - before) / CONNECTIONS);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		tls_close(all[i]);
	end->connection = NULL;
	for (unsigned kind = 0; kind < 2; kind++) {
		before = resident_bytes();
		start = now();
		for (unsigned i = 0; i < CERTIFICATES; i++)
			identities[i] = identity_of(kind ? &rsa : &secret);
		printf("%u %s certificates with issuer: %.2f s, %.0f bytes each\n", CERTIFICATES,
			kind ? "RSA-2048" : "P-256", now() - start,
			(resident_bytes() - before) / CERTIFICATES);
		for (unsigned i = 0; i < CERTIFICATES && kind; i++)
			tls_identity_release(identities[i]);
	}
	secret_free(&secret);
	secret_free(&rsa);
	free(identities);
	free(all);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	struct tls_config config = {0};
	struct authority authority;
	struct client *client;
	struct end *end;

	must(tls_start() == 0, "start");
	authority = authority_new("bench");
	config.tickets = tls_tickets_new(3600);
	end = end_new(&config);
	end_serve(end, identity_made(&authority, MADE_P256, "bench.example.com"));
	client = client_new();
	if (!only || strcmp(only, "handshake") == 0)
		plain_handshakes(client, &authority), handshakes(end, client);
	if (!only || strcmp(only, "bulk") == 0)
		bulk(end, client);
	if (!only || strcmp(only, "memory") == 0)
		memory(end, client, &authority);
	client_free(client);
	end_free(end);
	tls_tickets_free(config.tickets);
	authority_free(&authority);
	return 0;
}
