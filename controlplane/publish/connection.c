// SPDX-License-Identifier: BSD-3-Clause
// See publish_internal.h. Each attempt to connect is a struct link of its own: a libuv pipe is
// closed asynchronously, so a new one must not wait for the old one's end.
#include "publish_internal.h"

#include "clock.h"
#include "limits.h"
#include "log.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define BACKOFF_FIRST_MS 20
#define BACKOFF_LAST_MS  200
#define HELLO_MS         5000
#define ASK_MS           3000
#define CHANGE_MS        30000
#define READ_BYTES       65536

struct link {
	uv_pipe_t pipe;
	uv_connect_t connect;
	struct connection *connection; // NULL once it was given up
	uint8_t *bytes;                // what has been read and not been understood yet
	size_t used, size;
};

struct pending {
	struct pending *next;
	uint64_t id;
	usec_t deadline;
	enum patience patience;
	struct reply_to to;
};

struct connection {
	uv_loop_t *loop;
	char *path;
	struct connection_handlers handlers;
	struct link *link; // NULL between two attempts
	bool up;           // Hello has come
	uint64_t last_id;
	struct pending *first, **last;
	uv_timer_t retry;
	uv_timer_t timeout; // of Hello, or of the most impatient request
	unsigned backoff_ms;
	unsigned open_handles;
};

static void try_connect(uv_timer_t *timer);

static void answer_without(struct pending *pending, const char *why)
{
	if (pending->to.packed)
		pending->to.packed(pending->to.arg, NULL, 0, why);
	else
		pending->to.done(pending->to.arg, NULL, why);
	free(pending);
}

static void link_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	free(link->bytes);
	free(link);
}

static void answer_all(struct connection *c, const char *why)
{
	while (c->first) {
		struct pending *pending = c->first;

		c->first = pending->next;
		if (!c->first)
			c->last = &c->first;
		answer_without(pending, why);
	}
}

static void drop_link(struct connection *c)
{
	uv_timer_stop(&c->timeout);
	c->up = false;
	if (c->link) {
		c->link->connection = NULL;
		uv_close((uv_handle_t *)&c->link->pipe, link_closed);
		c->link = NULL;
	}
}

// Whatever goes wrong with a link ends here.
static void lose(struct connection *c, const char *why)
{
	drop_link(c);
	answer_all(c, why);
	c->handlers.down(c->handlers.arg, why);
	uv_timer_start(&c->retry, try_connect, c->backoff_ms, 0);
	c->backoff_ms = c->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : c->backoff_ms * 2;
}

static void timed_out(uv_timer_t *timer);

static void arm_timeout(struct connection *c)
{
	usec_t now = clock_now_us();
	usec_t earliest = UINT64_MAX;

	for (struct pending *pending = c->first; pending; pending = pending->next)
		if (pending->deadline < earliest)
			earliest = pending->deadline;
	if (earliest == UINT64_MAX)
		uv_timer_stop(&c->timeout);
	else
		uv_timer_start(&c->timeout, timed_out,
			earliest > now ? (earliest - now) / 1000 + 1 : 0, 0);
}

static void timed_out(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	usec_t now = clock_now_us();
	struct pending **at = &c->first;

	if (!c->up) {
		lose(c, "the dataplane does not say hello");
		return;
	}
	while (*at) {
		struct pending *pending = *at;

		if (pending->deadline > now) {
			at = &pending->next;
			continue;
		}
		if (pending->patience == PATIENCE_CHANGE) {
			lose(c, "the dataplane does not answer");
			return;
		}
		*at = pending->next;
		if (!*at)
			c->last = at;
		answer_without(pending, "the dataplane does not answer in time");
	}
	arm_timeout(c);
}

static void on_hello(struct connection *c, const Sluice__Reply *reply)
{
	char why[160];

	if (reply->body_case != SLUICE__REPLY__BODY_HELLO || reply->id != 0) {
		lose(c, "the dataplane's first message is not a hello");
	} else if (reply->hello->version != SLUICE__VERSION__VERSION_CURRENT) {
		snprintf(why, sizeof(why),
			"the dataplane (%.40s) speaks version %u of the channel, this control "
			"plane %u: install both from one release",
			reply->hello->build, reply->hello->version,
			(unsigned)SLUICE__VERSION__VERSION_CURRENT);
		lose(c, why);
	} else {
		uv_timer_stop(&c->timeout);
		c->up = true;
		c->backoff_ms = BACKOFF_FIRST_MS;
		c->handlers.up(c->handlers.arg, reply->hello);
	}
}

// The request that this answers, which does not wait any longer. NULL: there is none.
static struct pending *take_pending(struct connection *c, uint64_t id)
{
	struct pending **at = &c->first;
	struct pending *pending;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	pending = *at;
	if (!pending)
		return NULL;
	*at = pending->next;
	if (!*at)
		c->last = at;
	arm_timeout(c);
	return pending;
}

static void on_reply(struct connection *c, const Sluice__Reply *reply)
{
	struct pending *pending;

	if (!c->up) {
		on_hello(c, reply);
		return;
	}
	pending = take_pending(c, reply->id);
	if (!pending) {
		// One that was not waited for any longer.
		if (reply->id == 0 || reply->id > c->last_id)
			lose(c, "the dataplane answers what was not asked");
		return;
	}
	if (pending->to.packed) { // it is for those who want it packed
		answer_without(pending, "the dataplane's answer cannot be read");
		return;
	}
	pending->to.done(pending->to.arg, reply, "");
	free(pending);
}

// The id, where the reply begins with it, as ours do; else 0.
static uint64_t reply_id(const uint8_t *bytes, size_t length)
{
	uint64_t id = 0;

	if (length < 2 || bytes[0] != 0x08) // field 1, a varint
		return 0;
	for (size_t i = 1; i < length && i < 11; i++) {
		id |= (uint64_t)(bytes[i] & 0x7f) << 7 * (i - 1);
		if (!(bytes[i] & 0x80))
			return id;
	}
	return 0;
}

// True when it is for somebody who takes it as it is.
static bool on_packed(struct connection *c, const uint8_t *bytes, size_t length)
{
	uint64_t id = c->up ? reply_id(bytes, length) : 0;
	struct pending *pending = c->first;

	while (pending && (pending->id != id || !pending->to.packed))
		pending = pending->next;
	if (!id || !pending)
		return false;
	take_pending(c, id);
	pending->to.packed(pending->to.arg, bytes, length, "");
	free(pending);
	return true;
}

static uint32_t frame_length(const uint8_t *bytes)
{
	uint32_t be;

	memcpy(&be, bytes, sizeof(be));
	return be32toh(be);
}

// Handles the complete frames that were read. A handler may end the link.
static void on_bytes(struct link *link)
{
	size_t at = 0;

	while (link->connection && link->used - at >= 4) {
		uint32_t length = frame_length(link->bytes + at);
		Sluice__Reply *reply;

		if (length > SLUICE_CHANNEL_MESSAGE) {
			lose(link->connection, "the dataplane's message is too long");
			return;
		}
		if (link->used - at - 4 < length)
			break;
		at += 4 + length;
		if (on_packed(link->connection, link->bytes + at - length, length))
			continue;
		reply = sluice__reply__unpack(NULL, length, link->bytes + at - length);
		if (!reply) {
			lose(link->connection, "the dataplane's message cannot be read");
			return;
		}
		on_reply(link->connection, reply);
		sluice__reply__free_unpacked(reply, NULL);
	}
	link->used -= at;
	memmove(link->bytes, link->bytes + at, link->used);
}

static void read_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct link *link = handle->data;

	(void)suggested;
	if (link->size - link->used < READ_BYTES) {
		size_t size = (link->size + READ_BYTES) * 2;
		uint8_t *bytes = realloc(link->bytes, size);

		if (!bytes) {
			*buf = uv_buf_init(NULL, 0); // the read ends with UV_ENOBUFS
			return;
		}
		link->bytes = bytes;
		link->size = size;
	}
	*buf = uv_buf_init((char *)link->bytes + link->used, (unsigned)(link->size - link->used));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *link = stream->data;

	(void)buf;
	if (!link->connection || n == 0)
		return;
	if (n < 0) {
		lose(link->connection, n == UV_EOF || n == UV_ECONNRESET
					       ? "the dataplane closed the connection"
					       : uv_strerror((int)n));
		return;
	}
	link->used += (size_t)n;
	on_bytes(link);
}

static void on_connect(uv_connect_t *request, int status)
{
	struct link *link = request->handle->data;
	struct connection *c = link->connection;
	char why[160];

	if (!c)
		return;
	if (!status)
		status = uv_read_start((uv_stream_t *)&link->pipe, read_space, on_read);
	if (status == UV_ENOENT || status == UV_ECONNREFUSED) {
		snprintf(why, sizeof(why), "sluice-dataplane is not running (%s: %s)", c->path,
			uv_strerror(status));
		lose(c, why);
	} else if (status) {
		snprintf(why, sizeof(why), "%s: %s", c->path, uv_strerror(status));
		lose(c, why);
	} else {
		uv_timer_start(&c->timeout, timed_out, HELLO_MS, 0);
	}
}

static void try_connect(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	struct link *link = calloc(1, sizeof(*link));

	if (!link) {
		lose(c, "out of memory");
		return;
	}
	link->connection = c;
	uv_pipe_init(c->loop, &link->pipe, 0);
	link->pipe.data = link;
	c->link = link;
	uv_pipe_connect(&link->connect, &link->pipe, c->path, on_connect);
}

struct connection *connection_open(
	uv_loop_t *loop, const char *path, const struct connection_handlers *handlers)
{
	struct connection *c;

	// libuv would cut the name off.
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->path = strdup(path);
	if (!c->path) {
		free(c);
		return NULL;
	}
	c->loop = loop;
	c->handlers = *handlers;
	c->last = &c->first;
	c->backoff_ms = BACKOFF_FIRST_MS;
	uv_timer_init(loop, &c->retry);
	uv_timer_init(loop, &c->timeout);
	c->retry.data = c;
	c->timeout.data = c;
	c->open_handles = 2;
	uv_timer_start(&c->retry, try_connect, 0, 0);
	return c;
}

static void timer_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	if (--c->open_handles)
		return;
	free(c->path);
	free(c);
}

void connection_close(struct connection *c)
{
	if (!c)
		return;
	drop_link(c);
	answer_all(c, "the control plane stops");
	uv_close((uv_handle_t *)&c->retry, timer_closed);
	uv_close((uv_handle_t *)&c->timeout, timer_closed);
}

struct outgoing {
	uv_write_t write;
	size_t length;
	uint8_t bytes[];
};

// A failed write is followed by a failed read, which says so.
static void written(uv_write_t *write, int status)
{
	struct outgoing *out = write->data;

	(void)status;
	explicit_bzero(out->bytes, out->length); // private keys may be in it
	free(out);
}

int connection_request(struct connection *c, Sluice__Request *request, enum patience patience,
	const struct reply_to *to)
{
	struct pending *pending;
	struct outgoing *out;
	uv_buf_t buf;
	size_t length;
	uint32_t be;

	if (!c->up)
		return -ENOTCONN;
	request->id = ++c->last_id;
	length = sluice__request__get_packed_size(request);
	if (length > SLUICE_CHANNEL_MESSAGE)
		return -EMSGSIZE;
	pending = malloc(sizeof(*pending));
	out = malloc(sizeof(*out) + 4 + length);
	if (!pending || !out) {
		free(pending);
		free(out);
		return -ENOMEM;
	}
	be = htobe32((uint32_t)length);
	memcpy(out->bytes, &be, 4);
	sluice__request__pack(request, out->bytes + 4);
	out->write.data = out;
	out->length = 4 + length;
	buf = uv_buf_init((char *)out->bytes, (unsigned)(4 + length));
	if (uv_write(&out->write, (uv_stream_t *)&c->link->pipe, &buf, 1, written)) {
		free(pending);
		free(out);
		return -ENOTCONN;
	}
	*pending = (struct pending){
		.id = request->id,
		.deadline = clock_now_us() +
			    1000 * (usec_t)(patience == PATIENCE_ASK ? ASK_MS : CHANGE_MS),
		.patience = patience,
		.to = *to,
	};
	*c->last = pending;
	c->last = &pending->next;
	arm_timeout(c);
	return 0;
}
