// SPDX-License-Identifier: BSD-3-Clause
// Segments out: first what was lost, then what is new, then a bare ACK if one is owed; as far as
// the congestion window, the remote's window and silly window avoidance allow.
#include "congestion.h"
#include "tcp_parts.h"

struct gathered { // the payload of one segment
	struct tcp_piece pieces[TCP_PIECES_MAX];
	uint32_t count, length;
	struct block *next; // the piece that the following byte is in; NULL: none yet
};

uint16_t mss_of(const struct tcp_tuple *tuple, uint16_t mtu)
{
	uint16_t headers = addr_is_v4(&tuple->remote) ? 40 : 60;

	return mtu > headers + 64 ? (uint16_t)(mtu - headers) : 64;
}

static void put32(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

uint8_t option_time(uint8_t *to, uint32_t value, uint32_t echo)
{
	put32(to, 0x0101080a);
	put32(to + 4, value);
	put32(to + 8, echo);
	return 12;
}

uint8_t option_syn(uint8_t *to, uint16_t mss, uint8_t options, uint8_t scale)
{
	uint8_t length = 4;

	put32(to, 0x02040000U | mss);
	if (options & TCP_OPTION_SCALE) {
		put32(to + length, 0x01030300U | scale);
		length += 4;
	}
	if (options & TCP_OPTION_SACK) {
		put32(to + length, 0x01010402);
		length += 4;
	}
	return length;
}

uint32_t output_timestamp(const struct tcp_connection *c)
{
	return c->tcp->now_ms + c->ts_offset;
}

void output_bare(struct tcp *tcp, struct tcp_output *out)
{
	tcp->counters[TCP_COUNT_OUT]++;
	tcp->ops->output(tcp->io, out);
}

static uint8_t options_length(const struct tcp_connection *c)
{
	return c->options & TCP_OPTION_TIME ? 12 : 0;
}

// Header fields of any segment of a connection that stands; tells the remote all we know.
static void fill(struct tcp_connection *c, struct tcp_output *out, uint32_t seq, uint8_t flags)
{
	uint32_t window = receive_window(c);

	*out = (struct tcp_output){
		.tuple = &c->tuple,
		.seq = seq,
		.ack = c->rcv_nxt,
		.window = (uint16_t)min_u32(window >> c->rcv_scale, 65535),
		.flags = flags | TCP_ACK,
	};
	if (c->options & TCP_OPTION_TIME)
		out->options_length = option_time(out->options, output_timestamp(c), c->ts_recent);
	c->ack_sent = c->rcv_nxt;
	c->ack_bytes = 0;
	c->ack_now = false;
	timer_clear(c, TIMER_ACK);
}

void output_ack(struct tcp_connection *c)
{
	struct tcp_range ranges[TCP_SACK_MAX];
	struct tcp_output out;
	unsigned count;

	fill(c, &out, c->snd_nxt, 0);
	if (c->options & TCP_OPTION_SACK &&
		(c->held.head || c->duplicate.start != c->duplicate.end)) {
		uint8_t *to = out.options + out.options_length;

		count = receive_sack(c, ranges);
		count = min_u32(count, (36U - out.options_length) / 8);
		if (count) {
			put32(to, 0x01010500U | (2 + 8 * count));
			for (unsigned i = 0; i < count; i++) {
				to += 8;
				put32(to - 4, ranges[i].start);
				put32(to, ranges[i].end);
			}
			out.options_length += (uint8_t)(4 + 8 * count);
		}
	}
	c->duplicate.start = c->duplicate.end;
	output_bare(c->tcp, &out);
}

// No new data: what was acknowledged long ago cannot change anything, and must be answered.
void output_probe(struct tcp_connection *c)
{
	struct tcp_output out;

	fill(c, &out, c->snd_una - 1, 0);
	output_bare(c->tcp, &out);
}

void output_challenge(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;

	if (tcp->now_ms - c->challenge_ms >= 1000) {
		c->challenge_ms = tcp->now_ms;
		c->challenges = 0;
	}
	if (c->challenges >= 5)
		return;
	c->challenges++;
	tcp->counters[TCP_COUNT_CHALLENGES]++;
	if (c->state == STATE_SYN_RECEIVED) {
		c->syn_due = true;
		connection_pending(c);
	} else {
		output_ack(c);
	}
}

void output_reset(struct tcp_connection *c)
{
	struct tcp_output out;

	fill(c, &out, c->snd_nxt, TCP_RST);
	c->tcp->counters[TCP_COUNT_RESETS_SENT]++;
	output_bare(c->tcp, &out);
}

void output_syn(struct tcp_connection *c)
{
	struct tcp_output out = {
		.tuple = &c->tuple,
		.seq = c->iss,
		.flags = TCP_SYN,
	};

	if (c->state == STATE_SYN_RECEIVED) {
		out.flags |= TCP_ACK;
		out.ack = c->rcv_nxt;
	}
	c->syn_due = false;
	c->sent_us = now_us32(c->tcp);
	out.window = (uint16_t)min_u32(c->rcv_limit, 65535);
	out.options_length =
		option_syn(out.options, mss_of(&c->tuple, c->mtu), c->options, c->rcv_scale);
	if (c->options & TCP_OPTION_TIME)
		out.options_length += option_time(
			out.options + out.options_length, output_timestamp(c), c->ts_recent);
	output_bare(c->tcp, &out);
	recovery_arm(c);
}

// At most `most` bytes from seq on, beginning the search at b.
static void gather(struct gathered *g, struct block *b, uint32_t seq, uint32_t most)
{
	g->count = g->length = 0;
	while (b && !seq_before(seq, b->end))
		b = b->next;
	for (; b && g->length < most && g->count < TCP_PIECES_MAX; b = b->next) {
		uint32_t skip = seq + g->length - b->seq;
		uint32_t length = min_u32(b->end - b->seq - skip, most - g->length);

		g->pieces[g->count++] = (struct tcp_piece){b->data + skip, length, b->owner};
		g->length += length;
		if (skip + length < b->end - b->seq)
			break;
	}
	g->next = b;
}

static void run_send(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	struct run *run = &tcp->run;
	struct tcp_output out;
	uint8_t flags = run->fin ? TCP_FIN : 0;

	if (!run->segments)
		return;
	if (run->length && run->seq + run->length == c->queue_end)
		flags |= TCP_PSH;
	fill(c, &out, run->seq, flags);
	out.pieces = run->pieces;
	out.piece_count = run->count;
	out.length = run->length;
	out.cut = run->segments > 1 ? run->cut : 0;
	tcp->counters[TCP_COUNT_OUT] += run->segments;
	run->segments = run->count = run->length = 0;
	tcp->ops->output(tcp->io, &out);
}

// Bytes that lie behind each other in memory are one piece.
static void run_add(struct run *run, const struct tcp_piece *piece)
{
	struct tcp_piece *last = run->count ? &run->pieces[run->count - 1] : NULL;

	if (last && last->owner == piece->owner &&
		(const char *)last->data + last->length == (const char *)piece->data)
		last->length += piece->length;
	else
		run->pieces[run->count++] = *piece;
	run->length += piece->length;
}

static void emit(struct tcp_connection *c, uint32_t seq, const struct gathered *g, bool fin)
{
	struct tcp *tcp = c->tcp;
	struct run *run = &tcp->run;

	if (run->segments &&
		(run->seq + run->length != seq || !g->length || run->last < run->cut ||
			g->length > run->cut || run->length + g->length > tcp->config.run_bytes ||
			run->count + g->count > TCP_RUN_PIECES))
		run_send(c);
	if (!run->segments) {
		run->seq = seq;
		run->cut = g->length;
	}
	for (uint32_t i = 0; i < g->count; i++)
		run_add(run, &g->pieces[i]);
	run->segments++;
	run->last = g->length;
	run->fin = fin;
	congestion_emitted(c, g->length);
	c->sent_us = now_us32(tcp);
	if (fin)
		run_send(c);
}

// The rest of a segment that has to go in two; false when memory is short.
static bool split(struct tcp_connection *c, struct block *b, uint32_t at)
{
	struct block *rest = block_new(c->tcp);

	if (!rest)
		return false;
	rest->seq = at;
	rest->end = b->end;
	rest->sent_us = b->sent_us;
	rest->marks = b->marks;
	rest->span_us = b->span_us;
	rest->delivered = b->delivered;
	rest->delivered_us = b->delivered_us;
	rest->next = b->next;
	b->next = rest;
	b->end = at;
	if (c->sent.tail == b)
		c->sent.tail = rest;
	c->sent_count++;
	return true;
}

static bool resend(struct tcp_connection *c, struct block *b)
{
	struct gathered g;
	uint32_t most = c->mss - options_length(c);
	bool fin = c->fin_queued && b->end == c->queue_end + 1;

	gather(&g, c->queue.head, b->seq, min_u32(most, b->end - b->seq - fin));
	if (b->seq + g.length + fin != b->end) {
		if (!split(c, b, b->seq + g.length))
			return false;
		fin = false;
	}
	rate_sent(c, b);
	b->marks = (uint8_t)((b->marks & ~MARK_LOST) | MARK_RESENT);
	c->lost_bytes -= b->end - b->seq;
	if (b == c->sent.head)
		c->timeout_start_ms = c->tcp->now_ms;
	c->tcp->counters[TCP_COUNT_RETRANSMITTED]++;
	emit(c, b->seq, &g, fin);
	return true;
}

static bool send_lost(struct tcp_connection *c)
{
	bool any = false;

	for (struct block *b = c->sent.head; b && c->lost_bytes; b = b->next) {
		uint32_t pipe = pipe_bytes(c);

		if (!(b->marks & MARK_LOST))
			continue;
		if (pipe && pipe + min_u32(b->end - b->seq, c->mss) > c->cwnd && !c->force) {
			c->limited = true;
			break;
		}
		if (!c->force && !congestion_paced(c))
			break;
		if (!resend(c, b))
			break;
		c->force = false;
		any = true;
	}
	run_send(c);
	return any;
}

// How many new bytes may go now; *fin when our FIN goes with them. 0 and no fin: nothing.
static uint32_t allowed(struct tcp_connection *c, bool *fin)
{
	uint32_t left = seq_before(c->snd_nxt, c->queue_end) ? c->queue_end - c->snd_nxt : 0;
	uint32_t edge = c->snd_una + c->snd_wnd, pipe = pipe_bytes(c);
	uint32_t room = seq_before(c->snd_nxt, edge) ? edge - c->snd_nxt : 0;
	uint32_t most = c->mss - options_length(c), length = min_u32(min_u32(left, most), room);

	*fin = c->fin_queued && length == left && room > length &&
	       seq_before(c->snd_nxt, c->queue_end + 1);
	if (!length)
		return 0;
	// Silly windows, and Nagle if asked for (RFC 9293 sections 3.7.4, 3.8.6.2.1).
	if (length < most && length < left && length < c->wnd_max / 2 && !c->force) {
		c->limited = false;
		return 0;
	}
	if (length == left && length < most && c->nagle && c->sent.head && !*fin)
		return 0;
	if (pipe && pipe + length > c->cwnd && !c->force) {
		c->limited = true;
		*fin = false;
		return 0;
	}
	if (!c->force && !congestion_paced(c)) {
		*fin = false;
		return 0;
	}
	return length;
}

static bool send_new(struct tcp_connection *c)
{
	struct gathered g;
	struct block *sent;
	bool fin;
	uint32_t length = allowed(c, &fin);

	if ((!length && !fin) || c->sent_count >= blocks_most(c->tcp))
		return false;
	sent = block_new(c->tcp);
	if (!sent)
		return false;
	if (!c->congestion)
		congestion_open(c);
	gather(&g, c->cursor, c->snd_nxt, length);
	fin &= g.length == length;
	c->cursor = g.next;
	sent->seq = c->snd_nxt;
	sent->end = c->snd_nxt + g.length + fin;
	sent->marks = 0;
	rate_sent(c, sent);
	if (c->sent.tail) {
		c->sent.tail->next = sent;
	} else {
		c->sent.head = sent;
		c->timeout_start_ms = c->tcp->now_ms;
		// Silence while there was nothing to acknowledge is no sign.
		c->progress_ms = c->tcp->now_ms;
	}
	c->sent.tail = sent;
	c->sent_count++;
	c->tail_start_ms = c->tcp->now_ms;
	emit(c, c->snd_nxt, &g, fin);
	c->snd_nxt = sent->end;
	c->force = false;
	if (fin)
		c->state = c->state == STATE_ESTABLISHED ? STATE_FIN_WAIT_1 : STATE_LAST_ACK;
	return true;
}

void output_run(struct tcp_connection *c)
{
	bool any;

	if (c->syn_due) {
		output_syn(c);
		return;
	}
	if (c->state < STATE_ESTABLISHED)
		return;
	if (c->congestion && !c->sent.head && seq_before(c->snd_nxt, c->queue_end) &&
		now_us32(c->tcp) - c->sent_us > c->rto)
		c->congestion->kind->paused(c);
	any = c->lost_bytes && send_lost(c);
	while (send_new(c)) {
		any = true;
		if (!seq_before(c->snd_nxt, c->queue_end))
			c->limited = pipe_bytes(c) + c->mss > c->cwnd;
	}
	run_send(c);
	c->force = false;
	if (any && !seq_before(c->snd_nxt, c->queue_end) && !c->lost_bytes &&
		pipe_bytes(c) < c->cwnd)
		rate_app_limited(c);
	if (c->ack_now)
		output_ack(c);
	if (any || c->snd_nxt != c->queue_end + c->fin_queued)
		recovery_arm(c);
}
