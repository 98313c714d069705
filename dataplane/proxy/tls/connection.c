// SPDX-License-Identifier: BSD-3-Clause
// One connection on its worker: from the first byte to READY, then plaintext both ways.
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

#define FIRST_RECORDS      32768u // bytes written in small records: a remote sees the first soon
#define FIRST_RECORD_BYTES 4096u
#define ROOM_USEFUL        1024u

static void unlink_from_all(struct tls_connection *c)
{
	if (!c->all_link)
		return;
	*c->all_link = c->all_next;
	if (c->all_next)
		c->all_next->all_link = c->all_link;
	c->all_link = NULL;
}

// What only the handshake needed.
static void end_handshake(struct tls_connection *c)
{
	for (unsigned i = 0; i < TLS_KEY_KINDS; i++) {
		tls_identity_release(c->found[i]);
		c->found[i] = NULL;
	}
	free(c->hello);
	c->hello = NULL;
	if (c->counted)
		c->tls->handshakes--;
	c->counted = false;
}

void connection_free(struct tls_connection *c)
{
	SSL_SESSION_free(c->session);
	unlink_from_all(c);
	end_handshake(c);
	if (c->ssl) {
		// Else OpenSSL would hold the session to be spoilt.
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(c->ssl);
	}
	tls_backend_release(c->backend);
	tls_identity_release(c->identity);
	buffer_free(&c->in);
	buffer_free(&c->inbox);
	buffer_free(&c->out);
	OPENSSL_free((char *)c->alpn);
	free(c->name);
	free(c);
}

static struct tls_connection *connection_new(struct tls *tls, void *user)
{
	struct tls_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->tls = tls;
	c->user = user;
	c->all_next = tls->all;
	c->all_link = &tls->all;
	if (tls->all)
		tls->all->all_link = &c->all_next;
	tls->all = c;
	return c;
}

struct tls_connection *tls_accept(struct tls *tls, void *user)
{
	struct tls_connection *c = connection_new(tls, user);

	if (!c)
		return NULL;
	c->hello = calloc(1, sizeof(*c->hello));
	if (!c->hello) {
		connection_free(c);
		return NULL;
	}
	c->state = STATE_HELLO;
	return c;
}

static const char *name_of(const struct tls_target *target)
{
	return target->backend->name ? target->backend->name : target->name;
}

struct tls_connection *tls_connect(struct tls *tls, const struct tls_target *target, void *user)
{
	const char *name = name_of(target);
	struct tls_connection *c = connection_new(tls, user);

	if (!c)
		return NULL;
	c->name = name ? strdup(name) : NULL;
	if (name && !c->name) {
		connection_free(c);
		return NULL;
	}
	c->backend = tls_backend_hold(target->backend);
	c->identity = tls_identity_hold(target->identity);
	c->endpoint = target->endpoint;
	backend_take_session(c);
	connection_queue(c);
	return c;
}

bool tls_fits(const struct tls_connection *c, const struct tls_target *target)
{
	const char *name = name_of(target);

	return c->backend == target->backend && c->identity == target->identity &&
	       (c->name && name ? strcmp(c->name, name) == 0 : c->name == name);
}

void tls_close(struct tls_connection *c)
{
	if (c->state != STATE_QUEUED && c->state != STATE_AWAY) {
		connection_free(c);
		return;
	}
	c->closed = true;
}

void connection_fail(struct tls_connection *c, enum tls_refusal refusal)
{
	c->state = STATE_FAILED;
	c->refusal = (uint8_t)refusal;
	c->tls->refused[refusal]++;
	end_handshake(c);
}

// Before there is an SSL to send it.
static int refuse(struct tls_connection *c, enum tls_refusal refusal)
{
	uint8_t alert[7] = {SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, alert_of_refusal(refusal)};

	if (alert[6] && buffer_append(&c->out, alert, sizeof(alert)))
		stream_flush(c);
	connection_fail(c, refusal);
	return -EPROTO;
}

void connection_queue(struct tls_connection *c)
{
	struct tls *tls = c->tls;

	if (tls->config.crypto) {
		c->state = STATE_AWAY;
		crypto_submit(tls->config.crypto, c);
		return;
	}
	c->state = STATE_QUEUED;
	c->next = NULL;
	*tls->last = c;
	tls->last = &c->next;
	tls->waiting++;
}

// Everything a step will ask for is decided here, on the worker.
static int hello_done(struct tls_connection *c)
{
	struct tls *tls = c->tls;

	c->name = strdup(c->hello->name);
	if (!c->name)
		return refuse(c, TLS_NO_MEMORY);
	if (tls->handshakes >= tls->config.handshakes)
		return refuse(c, TLS_OVERLOADED);
	if (!tls->ops.choose(tls->io, c->user, c->name, c->found))
		return refuse(c, TLS_NO_CERTIFICATE);
	for (unsigned i = 0; i < TLS_KEY_KINDS; i++)
		tls_identity_hold(c->found[i]);
	tls->handshakes++;
	c->counted = true;
	connection_queue(c);
	return -EAGAIN;
}

static int read_hello(struct tls_connection *c, struct tls_input *in)
{
	for (;;) {
		uint32_t had = c->in.end - c->in.start;
		uint32_t kept = stream_keep(c, in);

		if (kept == 0)
			break;
		switch (hello_feed(c->hello, c->in.bytes + c->in.start + had, kept)) {
		case HELLO_MORE:
			break;
		case HELLO_WHOLE:
			return hello_done(c);
		case HELLO_REFUSED:
			return refuse(c, c->hello->refusal);
		}
	}
	if (in->count && !c->starved)
		return refuse(c, TLS_NO_MEMORY);
	return c->starved ? refuse(c, TLS_HELLO_TOO_LONG) : -EAGAIN;
}

static int read_handshake(struct tls_connection *c, struct tls_input *in)
{
	c->handshake_bytes += stream_keep(c, in);
	if (c->state == STATE_WAITING && c->in.end > c->in.start) {
		if (c->handshake_bytes > HANDSHAKE_BYTES_MAX)
			return refuse(c, TLS_HANDSHAKE_TOO_LONG);
		connection_queue(c);
	}
	return -EAGAIN;
}

static int read_failed(struct tls_connection *c, int result)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		c->ended = true;
		return 0;
	default:
		connection_fail(c, refusal_of_errors(c->ssl, false));
		return -EPROTO;
	}
}

static int read_plain(
	struct tls_connection *c, struct tls_input *in, uint8_t *buffer, uint32_t size)
{
	uint32_t done = 0;
	int result = 0;

	ERR_clear_error();
	c->reading = in;
	while (done < size && result >= 0 && !c->ended) {
		size_t length = 0;

		result = SSL_read_ex(c->ssl, buffer + done, size - done, &length);
		if (result == 1) {
			c->records_idle = 0;
			done += (uint32_t)length;
			continue;
		}
		result = read_failed(c, result);
	}
	c->reading = NULL;
	if (c->backend)
		backend_keep_session(c);
	if (c->state == STATE_READY && c->records_idle > RECORDS_IDLE_MAX) {
		connection_fail(c, TLS_TOO_MANY_RECORDS);
		result = -EPROTO;
	}
	return done ? (int)done : c->ended ? 0 : result;
}

int tls_read(struct tls_connection *c, struct tls_input *in, void *buffer, uint32_t size)
{
	switch ((enum state)c->state) {
	case STATE_HELLO:
		return read_hello(c, in);
	case STATE_WAITING:
	case STATE_QUEUED:
	case STATE_AWAY:
		return read_handshake(c, in);
	case STATE_READY:
		return c->ended ? 0 : read_plain(c, in, buffer, size);
	case STATE_FAILED:
		break;
	}
	return -EPROTO;
}

int tls_end(struct tls_connection *c)
{
	c->no_more = true;
	switch ((enum state)c->state) {
	case STATE_HELLO: // whoever has said nothing only looked whether we are there
		return c->in.end > c->in.start ? refuse(c, TLS_TRUNCATED) : 0;
	case STATE_WAITING:
		return refuse(c, TLS_TRUNCATED);
	case STATE_QUEUED:
	case STATE_AWAY:
		return -EAGAIN;
	case STATE_READY:
		return 0;
	case STATE_FAILED:
		break;
	}
	return -EPROTO;
}

// The next record's plaintext: a piece as it is where it alone fills the record, else gathered.
static const void *gather(
	struct tls_connection *c, const struct tls_piece *pieces, uint32_t offset, uint32_t length)
{
	uint32_t done = 0;

	if (pieces->length - offset >= length)
		return (const uint8_t *)pieces->data + offset;
	while (done < length) {
		uint32_t part = pieces->length - offset;

		if (part > length - done)
			part = length - done;
		memcpy(c->tls->scratch + done, (const uint8_t *)pieces->data + offset, part);
		done += part;
		offset = 0;
		pieces++;
	}
	return c->tls->scratch;
}

static uint32_t record_length(const struct tls_connection *c, uint32_t left, uint32_t room)
{
	uint32_t most = c->written < FIRST_RECORDS ? FIRST_RECORD_BYTES : RECORD_PLAIN_MAX;

	if (room <= TLS_RECORD_OVERHEAD)
		return 0;
	room -= TLS_RECORD_OVERHEAD;
	if (left <= most && left <= room)
		return left;
	if (most <= room)
		return most;
	return room >= ROOM_USEFUL ? room : 0;
}

static int write_pieces(
	struct tls_connection *c, const struct tls_piece *pieces, uint32_t left, uint32_t room)
{
	uint32_t taken = 0, offset = 0, length;

	ERR_clear_error();
	while (left && (length = record_length(c, left, room)) > 0) {
		size_t wrote = 0;

		while (pieces->length == offset) {
			pieces++;
			offset = 0;
		}
		if (SSL_write_ex(c->ssl, gather(c, pieces, offset, length), length, &wrote) != 1) {
			connection_fail(c, refusal_of_errors(c->ssl, false));
			return -EPROTO;
		}
		c->written = c->written < FIRST_RECORDS ? c->written + length : c->written;
		taken += length;
		left -= length;
		room -= length + TLS_RECORD_OVERHEAD;
		for (offset += length; left && offset >= pieces->length; pieces++)
			offset -= pieces->length;
		if (c->out.end > c->out.start)
			break; // nothing more could be lent
	}
	return (int)taken;
}

int tls_write(
	struct tls_connection *c, const struct tls_piece *pieces, uint32_t count, uint32_t room)
{
	uint32_t left = 0;

	if (c->state == STATE_FAILED)
		return -EPROTO;
	if (c->state != STATE_READY)
		return -EAGAIN;
	if (c->finished)
		return -EPIPE;
	if (!stream_flush(c))
		return 0;
	for (uint32_t i = 0; i < count && left < INT32_MAX / 2; i++)
		left += pieces[i].length;
	return write_pieces(c, pieces, left, room);
}

bool tls_flush(struct tls_connection *c)
{
	return c->state == STATE_AWAY || stream_flush(c);
}

void tls_finish(struct tls_connection *c)
{
	if (c->state != STATE_READY || c->finished)
		return;
	c->finished = true;
	ERR_clear_error();
	SSL_shutdown(c->ssl);
	ERR_clear_error();
}

static void ready(struct tls_connection *c)
{
	struct tls *tls = c->tls;
	const unsigned char *alpn;
	unsigned length;

	c->state = STATE_READY;
	c->resumed = SSL_session_reused(c->ssl);
	SSL_get0_alpn_selected(c->ssl, &alpn, &length);
	if (length)
		c->alpn = OPENSSL_strndup((const char *)alpn, length);
	if (c->backend)
		tls->counts[c->resumed ? TLS_COUNT_BACKEND_RESUMED : TLS_COUNT_BACKEND_FULL]++;
	else
		tls->counts[c->resumed ? TLS_COUNT_RESUMED : TLS_COUNT_FULL]++;
	tls->counts[TLS_COUNT_TLS12] += SSL_version(c->ssl) == TLS1_2_VERSION;
	if (c->backend)
		backend_keep_session(c);
	end_handshake(c);
	tls->ops.event(tls->io, c->user, TLS_EVENT_READY);
}

static void failed(struct tls_connection *c, enum tls_refusal refusal)
{
	connection_fail(c, refusal);
	c->tls->ops.event(c->tls->io, c->user, TLS_EVENT_FAILED);
}

void connection_stepped(struct tls_connection *c)
{
	struct tls *tls = c->tls;
	bool starved = c->starved;

	tls->counts[TLS_COUNT_STEPS]++;
	if (c->closed) {
		connection_free(c);
		return;
	}
	c->state = STATE_WAITING;
	c->starved = false;
	stream_flush(c);
	if (c->inbox.end > c->inbox.start) {
		if (!buffer_append(&c->in, c->inbox.bytes + c->inbox.start,
			    c->inbox.end - c->inbox.start)) {
			c->result = STEP_RESULT_FAILED;
			c->refusal = TLS_NO_MEMORY;
		}
		buffer_free(&c->inbox);
	}
	switch ((enum step_result)c->result) {
	case STEP_RESULT_DONE:
		ready(c);
		break;
	case STEP_RESULT_MORE:
		if (c->in.end > c->in.start)
			connection_queue(c);
		else if (starved)
			tls->ops.event(tls->io, c->user, TLS_EVENT_MORE);
		else if (c->no_more)
			failed(c, TLS_TRUNCATED);
		break;
	case STEP_RESULT_FAILED:
		failed(c, (enum tls_refusal)c->refusal);
		break;
	}
}
