// SPDX-License-Identifier: BSD-3-Clause
#include "health_tls.h"

#include "addr.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

// Both structs are OpenSSL's own under another name: nobody else needs its headers.
static SSL_CTX *context(struct health_tls *tls)
{
	return (SSL_CTX *)tls;
}

static SSL *connection(struct health_secure *secure)
{
	return (SSL *)secure;
}

struct health_tls *health_tls_open(void)
{
	SSL_CTX *made = SSL_CTX_new(TLS_client_method());

	if (made) {
		SSL_CTX_set_verify(made, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
	}
	ERR_clear_error();
	return (struct health_tls *)made;
}

void health_tls_close(struct health_tls *tls)
{
	SSL_CTX_free(context(tls));
}

struct health_secure *health_secure_open(struct health_tls *tls, int fd, const char *host)
{
	SSL *made = tls ? SSL_new(context(tls)) : NULL;
	struct addr address;

	if (made &&
		(SSL_set_fd(made, fd) != 1 || (*host && addr_parse(&address, host) != 0 &&
						      SSL_set_tlsext_host_name(made, host) != 1))) {
		SSL_free(made);
		made = NULL;
	}
	if (made)
		SSL_set_connect_state(made);
	ERR_clear_error();
	return (struct health_secure *)made;
}

void health_secure_close(struct health_secure *secure)
{
	SSL_free(connection(secure));
}

static enum health_step step(SSL *ssl, int result)
{
	int what = result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);

	ERR_clear_error();
	switch (what) {
	case SSL_ERROR_NONE:
		return STEP_DONE;
	case SSL_ERROR_WANT_READ:
		return STEP_READ;
	case SSL_ERROR_WANT_WRITE:
		return STEP_WRITE;
	default:
		return STEP_FAILED;
	}
}

enum health_step health_secure_handshake(struct health_secure *secure)
{
	SSL *ssl = connection(secure);

	return step(ssl, SSL_do_handshake(ssl));
}

enum health_step health_secure_write(struct health_secure *secure, const void *bytes, size_t length)
{
	SSL *ssl = connection(secure);
	size_t written;

	return step(ssl, SSL_write_ex(ssl, bytes, length, &written));
}

enum health_step health_secure_read(
	struct health_secure *secure, void *bytes, size_t room, size_t *got)
{
	SSL *ssl = connection(secure);

	return step(ssl, SSL_read_ex(ssl, bytes, room, got));
}
