// SPDX-License-Identifier: BSD-3-Clause
// See tcp_fixture.h.
#include "tcp_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REMOTE_ISS 1000

static const uint8_t bytes[65536];

static void on_output(void *io, const struct tcp_output *out)
{
	struct fixture *f = io;
	uint8_t header[TCP_HEADER_MAX];
	uint32_t length = tcp_write_header(out, header), sum = 0;
	struct tcp_segment *kept;

	f->flood_outs++;
	for (uint32_t i = 0; i < out->piece_count; i++)
		sum += out->pieces[i].length;
	assert_int_equal(sum, out->length);
	if (f->outs == FIXTURE_OUT)
		return;
	kept = &f->out[f->outs++];
	assert_int_equal(tcp_parse(kept, header, length), 0);
	kept->payload.length = out->length;
	if (kept->flags & TCP_SYN)
		f->iss = kept->seq;
}

static enum tcp_verdict on_listen(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	struct fixture *f = io;

	open->user = f;
	return f->verdict;
}

static void on_receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct fixture *f = user;

	f->received += piece->length;
	if (f->consume)
		tcp_consume(connection, piece->length);
}

static void on_event(struct tcp_connection *connection, void *user, enum tcp_event event, int value)
{
	struct fixture *f = user;

	switch (event) {
	case TCP_EVENT_CONNECTED:
		f->connected++;
		f->connection = connection;
		break;
	case TCP_EVENT_SENT:
		f->sent += (uint32_t)value;
		break;
	case TCP_EVENT_FINISHED:
		f->finished++;
		break;
	case TCP_EVENT_CLOSED:
		f->closed++;
		f->why = value;
		f->connection = NULL;
		break;
	}
}

static void on_release(void *io, void *owner)
{
	struct fixture *f = io;

	f->released++;
}

static const struct tcp_ops ops = {on_output, on_listen, on_receive, on_event, on_release};

void fixture_new(struct fixture *f)
{
	*f = (struct fixture){.now = 1000000, .port = 40000, .window = 65535, .consume = true};
	tcp_config_default(&f->config);
	f->config.connections = 64;
	f->config.waits = 8;
	f->config.blocks = 4096;
	f->config.half_open = 32;
	for (unsigned i = 0; i < sizeof(f->config.key); i++)
		f->config.key[i] = (uint8_t)(i * 37 + 11);
}

void fixture_start(struct fixture *f)
{
	f->tcp = tcp_new(&f->config, &ops, f);
	assert_non_null(f->tcp);
	tcp_run(f->tcp, f->now);
}

void fixture_free(struct fixture *f)
{
	tcp_free(f->tcp);
}

struct tcp_segment fixture_segment(
	const struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length)
{
	struct tcp_segment s = {
		.tuple = {addr_from_v4(0x0100000a), addr_from_v4(0x0200000a), 80, f->port},
		.seq = REMOTE_ISS + seq,
		.ack = flags & TCP_ACK ? f->iss + ack : 0,
		.flags = flags,
		.window = f->window,
		.payload = {bytes, length, NULL},
	};

	if (f->stamped) {
		s.options |= TCP_OPTION_TIME;
		s.ts_value = f->ts_value;
	}
	if (f->sack.start != f->sack.end) {
		s.sack_count = 1;
		s.sack[0] = (struct tcp_range){f->iss + f->sack.start, f->iss + f->sack.end};
	}
	return s;
}

bool fixture_in(struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length)
{
	struct tcp_segment s = fixture_segment(f, flags, seq, ack, length);

	return tcp_input(f->tcp, &s, f->now);
}

void fixture_run(struct fixture *f)
{
	tcp_run(f->tcp, f->now);
}

void fixture_wait(struct fixture *f, uint32_t ms)
{
	usec_t end = f->now + ms * 1000ULL;

	for (;;) {
		usec_t next = tcp_next_us(f->tcp);

		if (next > end)
			break;
		f->now = next > f->now ? next : f->now;
		fixture_run(f);
	}
	f->now = end;
	fixture_run(f);
}

const struct tcp_segment *fixture_expect(
	struct fixture *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t length)
{
	const struct tcp_segment *s = &f->out[f->taken];

	assert_true(f->taken < f->outs);
	assert_int_equal(s->flags & ~TCP_PSH, flags);
	assert_int_equal(s->seq - f->iss, seq);
	if (flags & TCP_ACK)
		assert_int_equal(s->ack - REMOTE_ISS, ack);
	assert_int_equal(s->payload.length, length);
	if (++f->taken == f->outs)
		f->taken = f->outs = 0;
	return s;
}

void fixture_quiet(struct fixture *f)
{
	assert_int_equal(f->outs - f->taken, 0);
}

// Ours is one beyond its SYN, the remote's too.
void fixture_established(struct fixture *f, uint8_t options)
{
	struct tcp_segment s;

	f->stamped = options & TCP_OPTION_TIME;
	f->ts_value = 5000;
	s = fixture_segment(f, TCP_SYN, 0, 0, 0);
	s.options = options;
	s.mss = 1460;
	s.scale = 0;
	tcp_input(f->tcp, &s, f->now);
	fixture_run(f);
	fixture_expect(f, TCP_SYN | TCP_ACK, 0, 1, 0);
	f->now += 10000; // the round trip
	fixture_in(f, TCP_ACK, 1, 1, 0);
	fixture_run(f);
	fixture_quiet(f);
	assert_int_equal(f->connected, 1);
}

void fixture_connect(struct fixture *f)
{
	struct tcp_segment s = fixture_segment(f, 0, 0, 0, 0);
	struct tcp_open open = {.user = f};

	assert_int_equal(tcp_connect(f->tcp, &s.tuple, &open, &f->connection), 0);
	fixture_run(f);
	fixture_expect(f, TCP_SYN, 0, 0, 0);
}

void fixture_send(struct fixture *f, uint32_t length)
{
	struct tcp_piece piece = {bytes, length, f};

	assert_int_equal(tcp_send(f->connection, &piece, 1), 1);
	fixture_run(f);
}
