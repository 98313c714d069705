// SPDX-License-Identifier: BSD-3-Clause
#include "tls_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *lend(void *io, void *user, uint32_t *room)
{
	struct end *end = user;
	uint32_t left = WIRE_BYTES - end->wire_length;

	*room = end->lend_most && end->lend_most < left ? end->lend_most : left;
	return end->lend_none ? NULL : end->wire + end->wire_length;
}

static void sent(void *io, void *user, uint32_t length)
{
	((struct end *)user)->wire_length += length;
}

static void event(void *io, void *user, enum tls_event event)
{
	struct end *end = user;

	end->ready += event == TLS_EVENT_READY;
	end->failed += event == TLS_EVENT_FAILED;
	end->more += event == TLS_EVENT_MORE;
}

static bool choose(void *io, void *user, const char *name, struct tls_identity *found[])
{
	struct end *end = user;

	snprintf(end->asked, sizeof(end->asked), "%s", name);
	end->chosen++;
	if (end->choose)
		return end->choose(end, name, found);
	memcpy(found, end->found, sizeof(end->found));
	return true;
}

struct end *end_new(struct tls_config *config)
{
	static const struct tls_ops ops = {
		.lend = lend, .sent = sent, .event = event, .choose = choose};
	struct end *end = calloc(1, sizeof(*end));

	end->tls = tls_new(config, &ops, NULL);
	return end;
}

void end_free(struct end *end)
{
	tls_free(end->tls);
	for (unsigned i = 0; i < TLS_KEY_KINDS; i++)
		tls_identity_release(end->found[i]);
	free(end);
}

void end_accept(struct end *end)
{
	if (end->connection)
		tls_close(end->connection);
	end->wire_length = 0;
	end->ready = end->failed = end->more = 0;
	end->connection = tls_accept(end->tls, end);
}

void end_serve(struct end *end, struct tls_identity *identity)
{
	enum tls_key_kind kind = tls_identity_facts(identity)->key_kind;

	tls_identity_release(end->found[kind]);
	end->found[kind] = identity;
}

struct client *client_new(void)
{
	struct client *client = calloc(1, sizeof(*client));

	client->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
	return client;
}

void client_free(struct client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	free(client);
}

void client_connect(struct client *client, const char *name, SSL_SESSION *session)
{
	if (client->ssl) // keeps its session good
		SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client->ssl);
	client->ssl = SSL_new(client->context);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
	if (name)
		SSL_set_tlsext_host_name(client->ssl, name);
	if (session)
		SSL_set_session(client->ssl, session);
}

void to_client(struct end *end, struct client *client)
{
	if (end->wire_length)
		BIO_write(client->in, end->wire, (int)end->wire_length);
	end->wire_length = 0;
}

uint32_t from_client(struct client *client, uint8_t *bytes, uint32_t most)
{
	int length = BIO_read(client->out, bytes, (int)most);

	return length > 0 ? (uint32_t)length : 0;
}

int end_feed(struct end *end, const uint8_t *bytes, uint32_t length, uint32_t cut)
{
	uint8_t plain[TLS_READ_ROOM];
	int result = -EAGAIN;

	for (uint32_t at = 0; at < length; at += cut) {
		// A copy of its own size, so that a sanitizer sees any look beyond it.
		uint32_t part = length - at < cut ? length - at : cut;
		uint8_t *copy = malloc(part);
		struct tls_piece piece = {copy, part};
		struct tls_input in = {&piece, 1, 0};

		memcpy(copy, bytes + at, part);
		result = tls_read(end->connection, &in, plain, sizeof(plain));
		free(copy);
		if (result != -EAGAIN)
			break;
		tls_poll(end->tls, 1);
	}
	return result;
}

bool handshake(struct end *end, struct client *client, uint32_t cut)
{
	uint8_t bytes[65536];

	for (unsigned turn = 0; turn < 20; turn++) {
		uint32_t length;

		SSL_do_handshake(client->ssl);
		length = from_client(client, bytes, sizeof(bytes));
		if (length && end_feed(end, bytes, length, cut) == -EPROTO)
			end->failed++;
		while (tls_poll(end->tls, 1))
			;
		if (length == 0 && end->wire_length == 0)
			break;
		to_client(end, client);
	}
	if (end->ready && SSL_is_init_finished(client->ssl)) {
		SSL_peek(client->ssl, bytes, 1); // takes the tickets
		return true;
	}
	return false;
}
