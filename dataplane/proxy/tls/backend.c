// SPDX-License-Identifier: BSD-3-Clause
// The client side: how to speak TLS to a kind of backend, and the sessions to resume with it. Each
// worker keeps its own sessions, a few by endpoint.
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"
#include "tls_internal.h"

static bool is_address(const char *name)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool trust(SSL_CTX *context, const struct tls_backend_config *config, struct reason *reason)
{
	BIO *bio = BIO_new_mem_buf(config->ca, (int)config->ca_length);
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	unsigned count = 0;
	X509 *one;

	while (bio && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, one) == 1;
		X509_free(one);
	}
	BIO_free(bio);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		reason_add(reason, "backend CA: certificate %u is malformed", count + 1);
	else if (count == 0)
		reason_add(reason, "backend CA: no certificate in it, expected PEM text");
	ERR_clear_error();
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return true;
}

static bool offer_alpn(SSL_CTX *context, const char *const *names)
{
	uint8_t wire[256];
	unsigned length = 0;

	for (unsigned i = 0; names && names[i]; i++) {
		size_t one = strlen(names[i]);

		if (one == 0 || one > 255 || length + 1 + one > sizeof(wire))
			return false;
		wire[length++] = (uint8_t)one;
		memcpy(wire + length, names[i], one);
		length += (unsigned)one;
	}
	return length == 0 || SSL_CTX_set_alpn_protos(context, wire, length) == 0;
}

static bool set_up(SSL_CTX *context, const struct tls_backend_config *config, struct reason *reason)
{
	if (!context || !context_setup(context) || !offer_alpn(context, config->alpn))
		return false;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); // ours is below
	return !config->ca || trust(context, config, reason);
}

struct tls_backend *tls_backend_new(const struct tls_backend_config *config, struct reason *reason)
{
	struct tls_backend *backend = calloc(1, sizeof(*backend));
	unsigned before = reason->count;

	if (!backend) {
		reason_add(reason, "backend TLS: out of memory");
		return NULL;
	}
	backend->holders = 1;
	ERR_clear_error();
	backend->name = config->name ? strdup(config->name) : NULL;
	backend->context = SSL_CTX_new_ex(NULL, PROVIDER_PREFERRED, TLS_client_method());
	if (!set_up(backend->context, config, reason) || (config->name && !backend->name))
		reason_add(reason, "backend TLS: out of memory, or a protocol name of wrong size");
	ERR_clear_error();
	if (reason->count == before)
		return backend;
	tls_backend_release(backend);
	return NULL;
}

struct tls_backend *tls_backend_hold(struct tls_backend *backend)
{
	if (backend)
		__atomic_add_fetch(&backend->holders, 1, __ATOMIC_RELAXED);
	return backend;
}

void tls_backend_release(struct tls_backend *backend)
{
	if (!backend || __atomic_sub_fetch(&backend->holders, 1, __ATOMIC_ACQ_REL))
		return;
	for (unsigned i = 0; i < SLUICE_WORKERS_MAX; i++) {
		for (unsigned j = 0; backend->sessions[i] && j < BACKEND_SESSIONS; j++) {
			SSL_SESSION_free(backend->sessions[i][j].session);
			free(backend->sessions[i][j].name);
			tls_identity_release(backend->sessions[i][j].identity);
		}
		free(backend->sessions[i]);
	}
	SSL_CTX_free(backend->context);
	free(backend->name);
	free(backend);
}

static bool set_name(SSL *ssl, const char *name)
{
	if (!name)
		return true;
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool show(SSL *ssl, struct tls_identity *own)
{
	const struct identity_whole *whole = own ? identity_whole(own) : NULL;

	return !own || (whole && SSL_use_cert_and_key(
					 ssl, whole->certificate, own->key, whole->chain, 1) == 1);
}

bool backend_begin(struct tls_connection *c)
{
	SSL_set_connect_state(c->ssl);
	if (c->session)
		SSL_set_session(c->ssl, c->session);
	return show(c->ssl, c->identity) && set_name(c->ssl, c->name);
}

// By endpoint, name and what we showed: a certificate that was checked for one name says nothing of
// another, and who resumes is for the remote who it was.
static struct backend_session *slot_of(struct tls_connection *c, bool make)
{
	struct backend_session **row = &c->backend->sessions[c->tls->config.worker];
	uint32_t hash = c->endpoint;

	if (!*row && make)
		*row = calloc(BACKEND_SESSIONS, sizeof(**row));
	for (const char *at = c->name; at && *at; at++)
		hash = hash * 31 + (uint8_t)*at;
	return *row ? &(*row)[(hash * 2654435761u) >> 28] : NULL;
}

static bool is_for(const struct backend_session *slot, const struct tls_connection *c)
{
	return slot->identity == c->identity &&
	       (slot->name && c->name ? strcmp(slot->name, c->name) == 0 : slot->name == c->name);
}

void backend_take_session(struct tls_connection *c)
{
	struct backend_session *slot = slot_of(c, false);

	if (slot && slot->session && is_for(slot, c) && SSL_SESSION_is_resumable(slot->session) &&
		SSL_SESSION_up_ref(slot->session))
		c->session = slot->session;
}

// With 1.2 at the end of the handshake, with 1.3 whenever a ticket comes.
void backend_keep_session(struct tls_connection *c)
{
	SSL_SESSION *now = SSL_get0_session(c->ssl);
	struct backend_session *slot;
	char *name;

	if (now == c->session_seen || !now || !SSL_SESSION_is_resumable(now))
		return;
	c->session_seen = now;
	slot = slot_of(c, true);
	if (!slot)
		return;
	if (!is_for(slot, c)) {
		name = c->name ? strdup(c->name) : NULL;
		if (c->name && !name)
			return;
		free(slot->name);
		slot->name = name;
		tls_identity_release(slot->identity);
		slot->identity = tls_identity_hold(c->identity);
	}
	SSL_SESSION_up_ref(now);
	SSL_SESSION_free(slot->session);
	slot->session = now;
}
