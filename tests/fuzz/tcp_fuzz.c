// SPDX-License-Identifier: BSD-3-Clause
// Any segments, any caller, any times: two instances joined by the input's will. What it checks
// beyond the sanitizers: bounds on memory, and that in the end each owner was released or received,
// once.
//
// The input is commands of one byte and its operands. Segments are made of a kind (numbers near
// those that are in use, or any), or are raw bytes for the parser; sent ones can be handed to the
// other side.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tcp.h"

#define CONNECTIONS 4
#define BLOCKS      64
#define QUEUE       8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sent { // the wire, with room for one segment
	struct tcp_tuple tuple;
	uint8_t bytes[2048];
	uint32_t length;
};

struct state {
	const uint8_t *at, *end;
	struct tcp *sides[2];
	struct tcp_connection *open[2][CONNECTIONS];
	struct sent queue[2][QUEUE];
	unsigned queued[2];
	usec_t now;
	int64_t owned;     // by the instances
	uint32_t seq, ack; // last seen out
	unsigned outs;
};

struct io {
	struct state *state;
	unsigned side;
};

static uint8_t next(struct state *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static uint32_t next32(struct state *s)
{
	uint32_t value = next(s);

	value |= (uint32_t)next(s) << 8;
	value |= (uint32_t)next(s) << 16;
	return value | (uint32_t)next(s) << 24;
}

static void keep(struct io *io, const struct tcp_output *out)
{
	struct state *s = io->state;
	struct sent *sent = &s->queue[io->side][s->queued[io->side]++ % QUEUE];
	uint32_t at = tcp_write_header(out, sent->bytes), length = at, sum = 0;

	if (out->options_length > 40 || out->options_length % 4)
		abort();
	for (unsigned i = 0; i < out->piece_count; i++)
		sum += out->pieces[i].length;
	if (sum != out->length || at + sum > sizeof(sent->bytes))
		abort();
	for (unsigned i = 0; i < out->piece_count; i++) {
		memcpy(sent->bytes + length, out->pieces[i].data, out->pieces[i].length);
		length += out->pieces[i].length;
	}
	sent->length = length;
	sent->tuple = *out->tuple;
	s->seq = out->seq;
	s->ack = out->ack;
	s->outs++;
}

static void on_output(void *argument, const struct tcp_output *out)
{
	struct tcp_output one;
	struct tcp_cut cut;

	tcp_cut_begin(&cut, out);
	while (tcp_cut_next(&cut, &one))
		keep(argument, &one);
	if (cut.done != out->length)
		abort();
}

static enum tcp_verdict on_listen(
	void *argument, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	struct io *io = argument;

	open->user = io;
	return tuple->remote_port % 8 < 6   ? TCP_ACCEPT
	       : tuple->remote_port % 8 < 7 ? TCP_REFUSE
					    : TCP_IGNORE;
}

static unsigned slot_of(const struct tcp_connection *connection)
{
	const struct tcp_tuple *tuple = tcp_tuple_of(connection);

	return (tuple->local_port == 80 ? tuple->remote_port : tuple->local_port) % CONNECTIONS;
}

static void on_receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct io *io = user;
	struct state *s = io->state;
	volatile uint8_t last = ((const uint8_t *)piece->data)[piece->length - 1];

	(void)last;
	s->owned--;
	free(piece->owner);
	if (next(s) & 1)
		tcp_consume(connection, piece->length);
	if (next(s) == 7) {
		tcp_abort(connection);
		for (unsigned i = 0; i < CONNECTIONS; i++)
			if (s->open[io->side][i] == connection)
				s->open[io->side][i] = NULL;
	}
}

static void on_event(struct tcp_connection *connection, void *user, enum tcp_event event, int value)
{
	struct io *io = user;
	struct tcp_connection **open = &io->state->open[io->side][slot_of(connection)];

	if (event == TCP_EVENT_CONNECTED)
		*open = connection;
	else if (event == TCP_EVENT_CLOSED && *open == connection)
		*open = NULL;
}

static void on_release(void *argument, void *owner)
{
	struct io *io = argument;

	io->state->owned--;
	free(owner);
}

static const struct tcp_ops ops = {on_output, on_listen, on_receive, on_event, on_release};

static struct tcp_tuple tuple_of(unsigned side, unsigned which)
{
	struct addr a = addr_from_v4(0x0100000a), b = addr_from_v4(0x0200000a);
	uint16_t port = (uint16_t)(8000 + which % 8);

	return (struct tcp_tuple){side ? b : a, side ? a : b, side ? 80 : port, side ? port : 80};
}

// To an instance, in memory of its own that ends where the segment does.
static void give(struct state *s, unsigned side, const struct tcp_tuple *tuple,
	const uint8_t *bytes, uint32_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	struct tcp_segment segment = {0};

	if (!copy)
		return;
	memcpy(copy, bytes, length);
	if (tcp_parse(&segment, copy, length)) {
		free(copy);
		return;
	}
	segment.tuple = *tuple;
	segment.payload.owner = copy;
	s->owned++;
	if (!tcp_input(s->sides[side], &segment, s->now)) {
		s->owned--;
		free(copy);
	}
}

static void forge(struct state *s, unsigned side)
{
	struct tcp_tuple tuple = tuple_of(side, next(s));
	uint8_t bytes[256] = {0};
	uint32_t seq = s->ack + (uint32_t)(int32_t)(int8_t)next(s), ack = s->seq;
	uint8_t kind = next(s), words = 5, length;

	ack += kind & 1 ? (uint32_t)(int32_t)(int8_t)next(s) : 0;
	if (kind & 2)
		seq = next32(s);
	if (kind & 4)
		ack = next32(s);
	bytes[4] = (uint8_t)(seq >> 24);
	bytes[5] = (uint8_t)(seq >> 16);
	bytes[6] = (uint8_t)(seq >> 8);
	bytes[7] = (uint8_t)seq;
	bytes[8] = (uint8_t)(ack >> 24);
	bytes[9] = (uint8_t)(ack >> 16);
	bytes[10] = (uint8_t)(ack >> 8);
	bytes[11] = (uint8_t)ack;
	bytes[13] = next(s);
	bytes[14] = next(s);
	if (kind & 8)
		words += next(s) % 11;
	bytes[12] = (uint8_t)(words << 4);
	for (unsigned i = 20; i < words * 4U; i++)
		bytes[i] = next(s);
	length = next(s) % 128;
	give(s, side, &tuple, bytes, words * 4U + length);
}

static void verb(struct state *s, unsigned side, uint8_t what)
{
	uint8_t which = next(s) % CONNECTIONS;
	struct tcp_connection **open = &s->open[side][which];
	struct tcp_tuple tuple = tuple_of(side, which);
	struct tcp_piece piece;

	if (what == 6) {
		tcp_too_big(s->sides[side], &tuple, s->seq, (uint16_t)(next(s) * 8));
		return;
	}
	if (!*open)
		return;
	switch (what) {
	case 1:
		piece.length = next(s) * 16U;
		piece.owner = malloc(piece.length + 1U);
		if (!piece.owner)
			return;
		memset(piece.owner, 'x', piece.length + 1U);
		piece.data = piece.owner;
		s->owned++;
		if (tcp_send(*open, &piece, 1) != 1) {
			s->owned--;
			free(piece.owner);
		}
		break;
	case 2:
		tcp_consume(*open, next(s) * 16U);
		break;
	case 3:
		tcp_finish(*open);
		break;
	case 4:
		tcp_abort(*open);
		*open = NULL;
		break;
	case 5:
		tcp_leave(*open);
		*open = NULL;
		break;
	default:
		break;
	}
}

static void step(struct state *s, struct io *io)
{
	uint8_t what = next(s);
	unsigned side = what >> 7;
	struct tcp_tuple tuple;
	struct tcp_open how = {.user = &io[side]};
	struct tcp_connection *c;
	const struct sent *sent;

	switch (what & 15) {
	case 0:
	case 1:
	case 2: // what the other side sent, lately
		if (!s->queued[!side])
			break;
		sent = &s->queue[!side][(s->queued[!side] - 1 - next(s) % QUEUE) % QUEUE];
		tuple = (struct tcp_tuple){sent->tuple.remote, sent->tuple.local,
			sent->tuple.remote_port, sent->tuple.local_port};
		if (sent->length)
			give(s, side, &tuple, sent->bytes, sent->length);
		break;
	case 3:
		forge(s, side);
		break;
	case 4:
		tuple = tuple_of(side, what >> 4);
		give(s, side, &tuple, s->at, (uint32_t)(s->end - s->at < 64 ? s->end - s->at : 64));
		break;
	case 5:
		s->now += next32(s) % 100000000;
		break;
	case 6:
		s->now += next(s) * 1000U;
		break;
	case 7:
		tuple = tuple_of(0, what >> 4 & 3);
		if (!side && !s->open[0][(what >> 4 & 3)] &&
			!tcp_connect(s->sides[0], &tuple, &how, &c))
			s->open[0][what >> 4 & 3] = c;
		break;
	default:
		verb(s, side, (uint8_t)((what & 15) - 8));
	}
	if (what & 0x40 || (what & 15) >= 5) {
		tcp_run(s->sides[0], s->now);
		tcp_run(s->sides[1], s->now);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s = {.at = data, .end = data + size, .now = 1000000};
	struct io io[2] = {{&s, 0}, {&s, 1}};
	struct tcp_config config;

	if (size < 4 || size > 8192)
		return 0;
	tcp_config_default(&config);
	config.connections = config.waits = CONNECTIONS;
	config.blocks = BLOCKS;
	config.connection_blocks = 24;
	config.options = data[0] & 7;
	config.congestion = size & 1 ? TCP_CONGESTION_BBR : TCP_CONGESTION_CUBIC;
	config.half_open = data[0] & 8 ? 0 : CONNECTIONS;
	config.run_bytes = data[0] & 0x80 ? 4000 : 0;
	config.receive_bytes = 500U << (data[0] >> 4 & 7);
	s.at++;
	for (unsigned side = 0; side < 2; side++)
		s.sides[side] = tcp_new(&config, &ops, &io[side]);
	while (s.sides[0] && s.sides[1] && s.at < s.end) {
		uint32_t used[3];

		step(&s, io);
		for (unsigned side = 0; side < 2; side++) {
			tcp_usage(s.sides[side], &used[0], &used[1], &used[2]);
			if (used[0] > CONNECTIONS || used[1] > CONNECTIONS || used[2] > BLOCKS)
				abort();
		}
	}
	tcp_free(s.sides[0]);
	tcp_free(s.sides[1]);
	if (s.owned)
		abort();
	return 0;
}
