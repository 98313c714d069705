// SPDX-License-Identifier: BSD-3-Clause
// One step of a handshake, on whichever thread: all asymmetric work is in here. What a step needs
// was put into the connection before (name, identities, input); it touches nothing else but what is
// immutable or, as ticket keys, made for it.
//
// Parameters: Mozilla's intermediate profile without finite-field Diffie-Hellman, which no client
// of the last ten years lacks an alternative for and which costs a millisecond.
#include <openssl/err.h>
#include <string.h>
#include <time.h>

#include "provider.h"
#include "tls_internal.h"

#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_12                                                                                 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"
// Cheapest for us first: it is our order that counts.
#define SIGNATURES                                                                                 \
	"ECDSA+SHA256:ed25519:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:"                      \
	"rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

struct tls_connection *connection_of(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

// Only now is it known that there is no resumption: loads what choose() found. OpenSSL takes the
// one that the client's signature algorithms, in our order, can check.
static int use_identities(SSL *ssl, void *arg)
{
	struct tls_connection *c = connection_of(ssl);
	int used = 0;

	for (unsigned i = 0; i < TLS_KEY_KINDS; i++) {
		struct tls_identity *identity = c->found[i];
		const struct identity_whole *whole;

		if (!identity)
			continue;
		whole = identity_whole(identity);
		if (!whole || SSL_use_cert_and_key(
				      ssl, whole->certificate, identity->key, whole->chain, 1) != 1)
			return 0;
		used++;
	}
	return used > 0;
}

static int staple(SSL *ssl, void *arg)
{
	struct tls_connection *c = connection_of(ssl);
	const X509 *used = SSL_get_certificate(ssl);

	for (unsigned i = 0; i < TLS_KEY_KINDS; i++) {
		struct tls_identity *identity = c->found[i];
		const struct identity_whole *whole;
		uint8_t *copy;

		if (!identity || !identity->staple || identity->facts.staple_until < time(NULL))
			continue;
		whole = identity_whole(identity);
		if (!whole || whole->certificate != used)
			continue;
		copy = OPENSSL_memdup(identity->staple, identity->staple_length);
		if (!copy)
			break;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)identity->staple_length);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int acknowledge_name(SSL *ssl, int *alert, void *arg)
{
	return SSL_TLSEXT_ERR_OK; // the certificate was chosen before
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *length,
	const unsigned char *offered, unsigned offered_length, void *arg) // house: OpenSSL's form
{
	const struct tls *tls = arg;

	if (SSL_select_next_proto((unsigned char **)out, length, tls->alpn, tls->alpn_length,
		    offered, offered_length) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301 section 3.2
}

// Handshake messages, alerts and the like once the connection is ready: counted since the last
// data, so that nobody keeps us busy with them.
static void watch(int writing, int version, int type, const void *bytes, size_t length, SSL *ssl,
	void *arg) // house: OpenSSL's form
{
	struct tls_connection *c = connection_of(ssl);
	uint8_t record = SSL3_RT_APPLICATION_DATA;

	if (writing || c->state != STATE_READY)
		return;
	if (type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE)
		record = *(const uint8_t *)bytes;
	if (record != SSL3_RT_APPLICATION_DATA)
		c->records_idle++;
}

static bool set_alpn(struct tls *tls)
{
	const char *const *names = tls->config.alpn;
	unsigned length = 0;

	for (unsigned i = 0; names && names[i]; i++)
		length += 1 + (unsigned)strlen(names[i]);
	if (length == 0)
		return true;
	tls->alpn = OPENSSL_malloc(length);
	if (!tls->alpn)
		return false;
	for (unsigned i = 0; names[i]; i++) {
		uint8_t one = (uint8_t)strlen(names[i]);

		tls->alpn[tls->alpn_length++] = one;
		memcpy(tls->alpn + tls->alpn_length, names[i], one);
		tls->alpn_length += one;
	}
	SSL_CTX_set_alpn_select_cb(tls->server, choose_alpn, tls);
	return true;
}

bool server_setup(struct tls *tls)
{
	SSL_CTX *context = SSL_CTX_new_ex(NULL, PROVIDER_PREFERRED, TLS_server_method());

	tls->server = context;
	if (!context || !context_setup(context))
		return false;
	SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
					     SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_cert_cb(context, use_identities, NULL);
	SSL_CTX_set_tlsext_status_cb(context, staple);
	SSL_CTX_set_tlsext_servername_callback(context, acknowledge_name);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"sluice", 6);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return set_alpn(tls) && tickets_setup(context, tls->config.tickets) == 0;
}

// What both sides have in common.
bool context_setup(SSL_CTX *context)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_msg_callback(context, watch);
	// What we offer is listed here, and keys are looked at when they are loaded.
	SSL_CTX_set_security_level(context, 0);
	return SSL_CTX_set_ciphersuites(context, CIPHERS_13) &&
	       SSL_CTX_set_cipher_list(context, CIPHERS_12) &&
	       SSL_CTX_set1_groups_list(context, GROUPS) &&
	       SSL_CTX_set1_sigalgs_list(context, SIGNATURES);
}

static bool begin(struct tls_connection *c)
{
	BIO *bio;

	c->ssl = SSL_new(c->backend ? c->backend->context : c->tls->server);
	bio = c->ssl ? stream_new(c) : NULL;
	if (!bio)
		return false;
	SSL_set_bio(c->ssl, bio, bio);
	if (c->backend)
		return backend_begin(c);
	SSL_set_accept_state(c->ssl);
	return true;
}

void handshake_step(struct tls_connection *c)
{
	int done;

	ERR_clear_error();
	if (!c->ssl && !begin(c)) {
		c->result = STEP_RESULT_FAILED;
		c->refusal = TLS_NO_MEMORY;
		return;
	}
	done = SSL_do_handshake(c->ssl);
	if (done == 1) {
		c->result = STEP_RESULT_DONE;
		return;
	}
	if (SSL_get_error(c->ssl, done) == SSL_ERROR_WANT_READ) {
		c->result = STEP_RESULT_MORE;
		return;
	}
	c->result = STEP_RESULT_FAILED;
	c->refusal = (uint8_t)refusal_of_errors(c->ssl, true);
}
