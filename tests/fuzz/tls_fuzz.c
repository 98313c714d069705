// SPDX-License-Identifier: BSD-3-Clause
// The record stream of a client into a server connection. The first byte says how it is cut, and
// which bytes of a real client's own flights (a ClientHello of the same run) go before it, so that
// the fuzzer also meets what is behind a good beginning. Never ready, never beyond the bounds of
// what is lent, and no memory left.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct {
	struct tls *tls;
	struct tls_identity *identity;
	struct tls_tickets *tickets;
	uint8_t hello[2048], lent[512];
	uint32_t hello_length, lend_room;
	bool ready;
} fuzz;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void *lend(void *io, void *user, uint32_t *room)
{
	*room = fuzz.lend_room;
	return fuzz.lend_room ? fuzz.lent : NULL;
}

static void sent(void *io, void *user, uint32_t length)
{
	must(length <= fuzz.lend_room);
}

static void event(void *io, void *user, enum tls_event event)
{
	fuzz.ready |= event == TLS_EVENT_READY;
}

static bool choose(void *io, void *user, const char *name, struct tls_identity *found[])
{
	found[TLS_KEY_ECDSA] = fuzz.identity;
	return strcmp(name, "none") != 0;
}

static void make_hello(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *out = BIO_new(BIO_s_mem());
	int length;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	SSL_set_tlsext_host_name(ssl, "fuzz.example.com");
	SSL_do_handshake(ssl);
	length = BIO_read(out, fuzz.hello, sizeof(fuzz.hello));
	must(length > 0);
	fuzz.hello_length = (uint32_t)length;
	SSL_free(ssl);
	SSL_CTX_free(context);
	ERR_clear_error();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const alpn[] = {"http/1.1", NULL};
	static const struct tls_ops ops = {
		.lend = lend, .sent = sent, .event = event, .choose = choose};
	struct tls_config config = {.alpn = alpn};

	must(tls_start() == 0);
	fuzz.tickets = config.tickets = tls_tickets_new(3600);
	fuzz.identity = tls_identity_self_signed("fuzz.example.com", time(NULL));
	fuzz.tls = tls_new(&config, &ops, NULL);
	must(fuzz.tls && fuzz.identity && fuzz.tickets);
	make_hello();
	return 0;
}

static void feed(struct tls_connection *connection, const uint8_t *bytes, size_t length, size_t cut)
{
	uint8_t plain[512];

	for (size_t at = 0; at < length; at += cut) {
		size_t part = length - at < cut ? length - at : cut;
		uint8_t *copy = malloc(part);
		struct tls_piece piece = {copy, (uint32_t)part};
		struct tls_input in = {&piece, 1, 0};
		int result;

		must(copy != NULL);
		memcpy(copy, bytes + at, part);
		result = tls_read(connection, &in, plain, sizeof(plain));
		must(result < 0);
		tls_poll(fuzz.tls, 2);
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct tls_connection *connection = tls_accept(fuzz.tls, NULL);
	uint32_t before;

	must(connection != NULL);
	if (length) {
		fuzz.lend_room = (bytes[0] & 7) == 7 ? 0 : 1u << (2 + (bytes[0] & 7));
		before = bytes[0] & 8 ? fuzz.hello_length : 0;
		feed(connection, fuzz.hello, before, 4096);
		feed(connection, bytes + 1, length - 1, 1u + (bytes[0] >> 4) * 37u);
	}
	must(!fuzz.ready);
	tls_close(connection);
	while (tls_poll(fuzz.tls, 100))
		;
	return 0;
}
