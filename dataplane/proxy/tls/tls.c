// SPDX-License-Identifier: BSD-3-Clause
// The instance of a worker: what its connections share, the queue of handshakes, and the getters.
#include "tls.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

#define HANDSHAKES_DEFAULT 16384

struct tls *tls_new(const struct tls_config *config, const struct tls_ops *ops, void *io)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->ops = *ops;
	tls->io = io;
	tls->config = *config;
	tls->last = &tls->first;
	if (tls->config.handshakes == 0)
		tls->config.handshakes = HANDSHAKES_DEFAULT;
	tls->scratch = OPENSSL_malloc(RECORD_PLAIN_MAX);
	tls->method = stream_method_new();
	if (!tls->scratch || !tls->method || queue_init(&tls->done) || !server_setup(tls)) {
		tls_free(tls);
		return NULL;
	}
	return tls;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	while (__atomic_load_n(&tls->away, __ATOMIC_ACQUIRE))
		sched_yield();
	while (tls->all)
		connection_free(tls->all);
	queue_free(tls->done);
	SSL_CTX_free(tls->server);
	BIO_meth_free(tls->method);
	OPENSSL_free(tls->alpn);
	OPENSSL_free(tls->scratch);
	free(tls);
}

static struct tls_connection *take_waiting(struct tls *tls)
{
	struct tls_connection *c = tls->first;

	tls->first = c->next;
	if (!tls->first)
		tls->last = &tls->first;
	tls->waiting--;
	return c;
}

unsigned tls_poll(struct tls *tls, unsigned steps)
{
	struct tls_connection *c;

	// Only as many as there are now: what comes back may be given out again.
	if (tls->config.crypto)
		for (unsigned i = 0; i < tls->config.handshakes; i++) {
			c = queue_pop(tls->done);
			if (!c)
				break;
			connection_stepped(c);
		}
	while (tls->first && steps) {
		c = take_waiting(tls);
		if (!c->closed) {
			handshake_step(c);
			steps--;
		}
		connection_stepped(c);
	}
	return tls->waiting;
}

enum tls_refusal tls_refusal_of(const struct tls_connection *c)
{
	return c->state == STATE_FAILED ? (enum tls_refusal)c->refusal : TLS_OK;
}

bool tls_ended(const struct tls_connection *c)
{
	return c->ended;
}

bool tls_is_ready(const struct tls_connection *c)
{
	return c->state == STATE_READY;
}

bool tls_is_resumed(const struct tls_connection *c)
{
	return c->resumed;
}

const char *tls_server_name(const struct tls_connection *c)
{
	return c->name ? c->name : "";
}

const char *tls_version(const struct tls_connection *c)
{
	return c->ssl && c->state != STATE_AWAY ? SSL_get_version(c->ssl) : "";
}

const char *tls_cipher(const struct tls_connection *c)
{
	const SSL_CIPHER *cipher =
		c->ssl && c->state != STATE_AWAY ? SSL_get_current_cipher(c->ssl) : NULL;

	return cipher ? SSL_CIPHER_standard_name(cipher) : "";
}

const char *tls_alpn(const struct tls_connection *c)
{
	return c->alpn ? c->alpn : "";
}

uint64_t tls_count(const struct tls *tls, enum tls_counter counter)
{
	return tls->counts[counter];
}

uint64_t tls_refused(const struct tls *tls, enum tls_refusal refusal)
{
	return tls->refused[refusal];
}

const char *tls_counter_name(enum tls_counter counter)
{
	static const char *const names[TLS_COUNTERS] = {
		[TLS_COUNT_FULL] = "handshakes_full",
		[TLS_COUNT_RESUMED] = "handshakes_resumed",
		[TLS_COUNT_BACKEND_FULL] = "backend_handshakes_full",
		[TLS_COUNT_BACKEND_RESUMED] = "backend_handshakes_resumed",
		[TLS_COUNT_TLS12] = "handshakes_tls12",
		[TLS_COUNT_STEPS] = "handshake_steps",
	};

	return counter < TLS_COUNTERS ? names[counter] : "unknown";
}
