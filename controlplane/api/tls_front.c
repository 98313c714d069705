// SPDX-License-Identifier: BSD-3-Clause
#include "tls_front.h"

#include "listen.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS_MAX  128
#define RECORD       16384 // most of a TLS record
#define TURNS        32    // records moved before others have their turn
#define HANDSHAKE_MS 10000
#define SILENCE_MS   120000
#define TICK_MS      1000

struct pipe_end {
	char bytes[RECORD];
	size_t from, to; // what is still to be written
};

struct client {
	struct tls_front *front;
	struct client *next, **link;
	int fd, inner;
	SSL *ssl;
	bool ready;       // its handshake is done
	bool wants_write; // TLS has something to send
	bool ending;      // the inner side has ended
	uint64_t since_ms, moved_ms;
	uv_poll_t outer_poll, inner_poll;
	unsigned handles;
	struct pipe_end in, out; // to the inner side, to the client
};

struct tls_front {
	struct tls_front_options options;
	SSL_CTX *context;
	uv_loop_t *loop;
	int fd;
	uv_poll_t listen_poll;
	uv_timer_t tick;
	unsigned handles, count;
	struct client *clients;
};

static void client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	if (--c->handles)
		return;
	close(c->fd);
	if (c->inner >= 0)
		close(c->inner);
	SSL_free(c->ssl);
	free(c);
}

static void client_close(struct client *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->front->count--;
	c->front = NULL;
	uv_close((uv_handle_t *)&c->outer_poll, client_closed);
	if (c->handles > 1)
		uv_close((uv_handle_t *)&c->inner_poll, client_closed);
}

// The outcome of a TLS call: true = go on, false = wait or, with *over, the end.
static bool tls_goes_on(struct client *c, int result, bool *over)
{
	int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, result);

	ERR_clear_error();
	if (error == SSL_ERROR_WANT_WRITE)
		c->wants_write = true;
	*over = error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ &&
		error != SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_NONE;
}

// Client to inner side. False: over.
static bool move_in(struct client *c)
{
	for (unsigned turn = 0; turn < TURNS; turn++) {
		struct pipe_end *in = &c->in;
		bool over;
		ssize_t n;

		if (in->from == in->to) {
			int got = SSL_read(c->ssl, in->bytes, sizeof(in->bytes));

			if (!tls_goes_on(c, got, &over))
				return !over;
			in->from = 0;
			in->to = (size_t)got;
		}
		n = send(c->inner, in->bytes + in->from, in->to - in->from, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		in->from += (size_t)n;
	}
	return true;
}

// Inner side to client. False: over.
static bool move_out(struct client *c)
{
	for (unsigned turn = 0; turn < TURNS; turn++) {
		struct pipe_end *out = &c->out;
		bool over;
		int sent;

		if (out->from == out->to) {
			ssize_t n = c->ending ? 0 : recv(c->inner, out->bytes, RECORD, 0);

			if (n < 0)
				return errno == EAGAIN || errno == EINTR;
			if (n == 0) {
				c->ending = true;
				SSL_shutdown(c->ssl);
				return false;
			}
			out->from = 0;
			out->to = (size_t)n;
		}
		// The same bytes at the same place until they are gone.
		sent = SSL_write(c->ssl, out->bytes + out->from, (int)(out->to - out->from));
		if (!tls_goes_on(c, sent, &over))
			return !over;
		out->from += (size_t)sent;
	}
	return true;
}

static void on_outer(uv_poll_t *poll, int status, int events);
static void on_inner(uv_poll_t *poll, int status, int events);

static void watch(struct client *c)
{
	int outer = UV_READABLE, inner = 0;

	if (c->ready) {
		if (c->in.from != c->in.to) { // the inner side first
			outer = 0;
			inner |= UV_WRITABLE;
		}
		if (c->out.from == c->out.to)
			inner |= UV_READABLE;
		else
			outer |= UV_WRITABLE;
	}
	if (c->wants_write)
		outer |= UV_WRITABLE;
	if (outer)
		uv_poll_start(&c->outer_poll, outer, on_outer);
	else
		uv_poll_stop(&c->outer_poll);
	if (!c->ready)
		return;
	if (inner)
		uv_poll_start(&c->inner_poll, inner, on_inner);
	else
		uv_poll_stop(&c->inner_poll);
}

// Its handshake is done: the HTTP server gets the other end of a socket.
static bool begin(struct client *c)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int pair[2];

	if (getpeername(c->fd, (struct sockaddr *)&address, &length) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	if (!c->front->options.accepted(
		    c->front->options.arg, pair[1], (struct sockaddr *)&address, length)) {
		close(pair[0]);
		return false;
	}
	c->inner = pair[0];
	c->ready = true;
	uv_poll_init(c->front->loop, &c->inner_poll, c->inner);
	c->inner_poll.data = c;
	c->handles++;
	return true;
}

static void move(struct client *c)
{
	bool over = false, goes_on = true;

	c->moved_ms = uv_now(c->front->loop);
	c->wants_write = false;
	if (!c->ready) {
		goes_on = tls_goes_on(c, SSL_accept(c->ssl), &over);
		if (goes_on)
			over = !begin(c);
	}
	if (!over && goes_on)
		over = !move_in(c) || !move_out(c);
	if (over)
		client_close(c);
	else
		watch(c);
}

static void on_outer(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	move(poll->data);
}

static void on_inner(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	move(poll->data);
}

static void end_oldest(struct tls_front *front)
{
	struct client *oldest = front->clients;

	for (struct client *c = front->clients; c; c = c->next)
		if (c->moved_ms < oldest->moved_ms)
			oldest = c;
	if (oldest)
		client_close(oldest);
}

// Without TLS the HTTP server has the connection itself.
static void take_plain(struct tls_front *front, int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &length) < 0)
		close(fd);
	else
		front->options.accepted(
			front->options.arg, fd, (struct sockaddr *)&address, length);
}

static void take(struct tls_front *front, int fd)
{
	struct client *c;
	int yes = 1;

	if (!front->context) {
		take_plain(front, fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c)
		c->ssl = SSL_new(front->context);
	if (!c || !c->ssl || SSL_set_fd(c->ssl, fd) != 1 ||
		uv_poll_init(front->loop, &c->outer_poll, fd)) {
		if (c)
			SSL_free(c->ssl);
		free(c);
		close(fd);
		return;
	}
	if (front->count == CLIENTS_MAX)
		end_oldest(front);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	c->front = front;
	c->fd = fd;
	c->inner = -1;
	c->handles = 1;
	c->outer_poll.data = c;
	c->since_ms = c->moved_ms = uv_now(front->loop);
	c->next = front->clients;
	c->link = &front->clients;
	if (c->next)
		c->next->link = &c->next;
	front->clients = c;
	front->count++;
	watch(c);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct tls_front *front = poll->data;
	int fd;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < TURNS; i++) {
		fd = accept4(front->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		take(front, fd);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct tls_front *front = timer->data;
	uint64_t now = uv_now(front->loop);
	struct client *next;

	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		if ((!c->ready && now - c->since_ms > HANDSHAKE_MS) ||
			now - c->moved_ms > SILENCE_MS)
			client_close(c);
	}
}

static SSL_CTX *make_context(const struct tls_front_options *options)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	BIO *chain = BIO_new_mem_buf(options->certificate_pem, (int)options->certificate_length);
	BIO *key_text = BIO_new_mem_buf(options->key_pem, (int)options->key_length);
	X509 *certificate = chain ? PEM_read_bio_X509(chain, NULL, NULL, NULL) : NULL, *more;
	EVP_PKEY *key = key_text ? PEM_read_bio_PrivateKey(key_text, NULL, NULL, NULL) : NULL;
	bool ok = context && certificate && key &&
		  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		  SSL_CTX_use_certificate(context, certificate) == 1 &&
		  SSL_CTX_use_PrivateKey(context, key) == 1 &&
		  SSL_CTX_check_private_key(context) == 1;

	while (ok && (more = PEM_read_bio_X509(chain, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(context, more) != 1) {
			X509_free(more);
			ok = false;
		}
	X509_free(certificate);
	EVP_PKEY_free(key);
	BIO_free(chain);
	BIO_free(key_text);
	ERR_clear_error();
	if (ok) {
		SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						     SSL_OP_CIPHER_SERVER_PREFERENCE);
		SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
						  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		return context;
	}
	SSL_CTX_free(context);
	return NULL;
}

static void front_closed(uv_handle_t *handle)
{
	struct tls_front *front = handle->data;

	if (--front->handles)
		return;
	SSL_CTX_free(front->context);
	free(front);
}

int tls_front_open(struct tls_front **out, uv_loop_t *loop, const struct listen_settings *settings,
	const struct tls_front_options *options, struct reason *reason)
{
	struct tls_front *front = calloc(1, sizeof(*front));
	int error = -ENOMEM;

	if (!front)
		return -ENOMEM;
	front->loop = loop;
	front->options = *options;
	front->context = options->certificate_pem ? make_context(options) : NULL;
	if (options->certificate_pem && !front->context) {
		reason_add(reason, "api.https: certificate and key are no pair of PEM");
		error = -EINVAL;
		goto failed;
	}
	front->fd = listen_tcp(settings, front->context ? "api.https" : "api.metrics", reason);
	if (front->fd < 0) {
		error = front->fd;
		goto failed;
	}
	uv_poll_init(loop, &front->listen_poll, front->fd);
	uv_timer_init(loop, &front->tick);
	front->listen_poll.data = front->tick.data = front;
	front->handles = 2;
	uv_poll_start(&front->listen_poll, UV_READABLE, on_connection);
	uv_timer_start(&front->tick, on_tick, TICK_MS, TICK_MS);
	*out = front;
	return 0;
failed:
	SSL_CTX_free(front->context);
	free(front);
	return error;
}

void tls_front_close(struct tls_front *front)
{
	if (!front)
		return;
	while (front->clients)
		client_close(front->clients);
	uv_close((uv_handle_t *)&front->listen_poll, front_closed);
	close(front->fd); // at once: another may be to listen there
	uv_close((uv_handle_t *)&front->tick, front_closed);
}
