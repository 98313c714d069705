// SPDX-License-Identifier: BSD-3-Clause
// The bytes between OpenSSL and the caller: a BIO that reads from what was kept and then straight
// from the caller's pieces, and writes straight into what the caller lends. In the handshake, which
// may run on another thread, only what is the connection's own is touched.
#include <openssl/bio.h>
#include <string.h>

#include "tls_internal.h"

static int read_kept(struct tls_connection *c, char *bytes, uint32_t room)
{
	uint32_t length = c->in.end - c->in.start;

	if (length > room)
		length = room;
	memcpy(bytes, c->in.bytes + c->in.start, length);
	buffer_drop(&c->in, length);
	return (int)length;
}

static int read_pieces(struct tls_input *in, char *bytes, uint32_t room)
{
	uint32_t done = 0;

	while (done < room && in->count) {
		const struct tls_piece *piece = in->pieces;
		uint32_t length = piece->length - in->offset;

		if (length > room - done)
			length = room - done;
		if (length)
			memcpy(bytes + done, (const uint8_t *)piece->data + in->offset, length);
		done += length;
		in->offset += length;
		if (in->offset == piece->length) {
			in->pieces++;
			in->count--;
			in->offset = 0;
		}
	}
	return (int)done;
}

static int stream_read(BIO *bio, char *bytes, int room)
{
	struct tls_connection *c = BIO_get_data(bio);
	int length = 0;

	BIO_clear_retry_flags(bio);
	if (c->in.end > c->in.start)
		return read_kept(c, bytes, (uint32_t)room);
	if (c->reading)
		length = read_pieces(c->reading, bytes, (uint32_t)room);
	if (length)
		return length;
	BIO_set_retry_read(bio);
	return -1;
}

// Into what is lent, as far as anything is.
static uint32_t lend_and_copy(struct tls_connection *c, const uint8_t *bytes, uint32_t length)
{
	const struct tls_ops *ops = &c->tls->ops;
	uint32_t done = 0;

	while (done < length) {
		uint32_t room = 0, part;
		void *memory = ops->lend(c->tls->io, c->user, &room);

		if (!memory || room == 0)
			break;
		part = length - done < room ? length - done : room;
		memcpy(memory, bytes + done, part);
		ops->sent(c->tls->io, c->user, part);
		done += part;
	}
	return done;
}

static int stream_write(BIO *bio, const char *bytes, int length)
{
	struct tls_connection *c = BIO_get_data(bio);
	uint32_t left = (uint32_t)length;

	BIO_clear_retry_flags(bio);
	if (c->state == STATE_READY && c->out.end == c->out.start) {
		uint32_t done = lend_and_copy(c, (const uint8_t *)bytes, left);

		bytes += done;
		left -= done;
	}
	if (left && !buffer_append(&c->out, bytes, left))
		return -1;
	return length;
}

static long stream_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *stream_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tls stream");

	if (method) {
		BIO_meth_set_read(method, stream_read);
		BIO_meth_set_write(method, stream_write);
		BIO_meth_set_ctrl(method, stream_control);
	}
	return method;
}

BIO *stream_new(struct tls_connection *connection)
{
	BIO *bio = BIO_new(connection->tls->method);

	if (bio) {
		BIO_set_data(bio, connection);
		BIO_set_init(bio, 1);
	}
	return bio;
}

bool stream_flush(struct tls_connection *c)
{
	uint32_t waiting = c->out.end - c->out.start;

	if (waiting)
		buffer_drop(&c->out, lend_and_copy(c, c->out.bytes + c->out.start, waiting));
	return c->out.end == c->out.start;
}

// Keeps ciphertext of a handshake, up to the bound; how many bytes.
uint32_t stream_keep(struct tls_connection *c, struct tls_input *in)
{
	struct buffer *buffer = c->state == STATE_AWAY ? &c->inbox : &c->in;
	uint32_t kept = 0;

	while (in->count) {
		uint32_t used = buffer->end - buffer->start;
		uint32_t length = in->pieces->length - in->offset;

		if (length > HANDSHAKE_KEPT_MAX - used)
			length = HANDSHAKE_KEPT_MAX - used;
		if (length == 0 && in->pieces->length > in->offset) {
			c->starved = true;
			break;
		}
		if (length && !buffer_append(buffer, (const uint8_t *)in->pieces->data + in->offset,
				      length))
			break;
		kept += length;
		in->offset += length;
		if (in->offset == in->pieces->length) {
			in->pieces++;
			in->count--;
			in->offset = 0;
		}
	}
	return kept;
}
