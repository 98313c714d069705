// SPDX-License-Identifier: BSD-3-Clause
// TIME_WAIT: what remains of a connection that we closed first, so that its late segments do no
// harm. All wait equally long, so a list in order of arrival is the timer; when there are too many
// the oldest goes. A reset does not end it (RFC 1337); a later connection of the same four may
// follow at once when its timestamp or sequence number is beyond the old one's (RFC 6191, RFC
// 9293 3.10.7.4).
#include "tcp_parts.h"

#include <stdlib.h>

#define NONE UINT32_MAX

bool wait_init(struct tcp *tcp)
{
	uint32_t size = 16;

	while (size < tcp->config.waits)
		size *= 2;
	tcp->wait_mask = size - 1;
	tcp->waits = calloc(tcp->config.waits + 1, sizeof(*tcp->waits));
	tcp->wait_buckets = malloc(size * sizeof(*tcp->wait_buckets));
	tcp->wait_oldest = tcp->wait_newest = NONE;
	tcp->wait_free = NONE;
	if (!tcp->waits || !tcp->wait_buckets)
		return false;
	for (uint32_t i = 0; i < size; i++)
		tcp->wait_buckets[i] = NONE;
	return true;
}

static uint32_t *bucket_of(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return &tcp->wait_buckets[tuple_hash(tcp, tuple) & tcp->wait_mask];
}

static uint32_t find(struct tcp *tcp, const struct tcp_tuple *tuple)
{
	uint32_t i;

	if (!tcp->used_waits)
		return NONE;
	i = *bucket_of(tcp, tuple);
	while (i != NONE && memcmp(&tcp->waits[i].tuple, tuple, sizeof(*tuple)) != 0)
		i = tcp->waits[i].chain;
	return i;
}

bool wait_has(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return find((struct tcp *)tcp, tuple) != NONE;
}

static void unlist(struct tcp *tcp, uint32_t i)
{
	struct wait *w = &tcp->waits[i];

	*(w->older == NONE ? &tcp->wait_oldest : &tcp->waits[w->older].newer) = w->newer;
	*(w->newer == NONE ? &tcp->wait_newest : &tcp->waits[w->newer].older) = w->older;
}

// Behind all others, with the whole time ahead of it.
static void list(struct tcp *tcp, uint32_t i)
{
	struct wait *w = &tcp->waits[i];

	w->expires_ms = tcp->now_ms + tcp->config.wait_ms;
	w->newer = NONE;
	w->older = tcp->wait_newest;
	*(w->older == NONE ? &tcp->wait_oldest : &tcp->waits[w->older].newer) = i;
	tcp->wait_newest = i;
}

static void end(struct tcp *tcp, uint32_t i)
{
	uint32_t *at = bucket_of(tcp, &tcp->waits[i].tuple);

	while (*at != i)
		at = &tcp->waits[*at].chain;
	*at = tcp->waits[i].chain;
	unlist(tcp, i);
	tcp->waits[i].chain = tcp->wait_free;
	tcp->wait_free = i;
	tcp->used_waits--;
}

void wait_add(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	uint32_t i, *bucket;
	struct wait *w;

	if (tcp->used_waits == tcp->config.waits) {
		if (tcp->wait_oldest == NONE)
			return;
		end(tcp, tcp->wait_oldest);
		tcp->counters[TCP_COUNT_WAIT_EVICTED]++;
	}
	i = tcp->wait_free;
	if (i == NONE)
		i = tcp->made_waits++;
	else
		tcp->wait_free = tcp->waits[i].chain;
	w = &tcp->waits[i];
	tcp->used_waits++;
	w->tuple = c->tuple;
	w->rcv_nxt = c->rcv_nxt;
	w->snd_nxt = c->snd_nxt;
	w->window = c->rcv_edge - c->rcv_nxt;
	w->ts_recent = c->ts_recent;
	w->ts_offset = c->ts_offset;
	w->options = c->options;
	w->since_ms = tcp->now_ms;
	bucket = bucket_of(tcp, &c->tuple);
	w->chain = *bucket;
	*bucket = i;
	list(tcp, i);
}

static void answer(struct tcp *tcp, const struct wait *w)
{
	struct tcp_output out = {
		.tuple = &w->tuple,
		.seq = w->snd_nxt,
		.ack = w->rcv_nxt,
		.flags = TCP_ACK,
	};

	if (w->options & TCP_OPTION_TIME)
		out.options_length =
			option_time(out.options, tcp->now_ms + w->ts_offset, w->ts_recent);
	output_bare(tcp, &out);
}

bool wait_input(struct tcp *tcp, const struct tcp_segment *s, uint32_t *isn_floor)
{
	uint32_t i = find(tcp, &s->tuple);
	struct wait *w;
	bool newer, timed;

	if (i == NONE)
		return false;
	w = &tcp->waits[i];
	timed = s->options & w->options & TCP_OPTION_TIME;
	newer = timed ? seq_before(w->ts_recent, s->ts_value) : seq_before(w->rcv_nxt, s->seq);
	if (s->flags & TCP_RST)
		return true;
	if (s->flags & TCP_SYN && !(s->flags & TCP_ACK) && newer) {
		*isn_floor = w->snd_nxt + 65537;
		*isn_floor += !*isn_floor;
		end(tcp, i);
		return false;
	}
	// A late FIN wants its ACK again; what else comes late is told where we are.
	if (s->flags & TCP_FIN) {
		unlist(tcp, i);
		list(tcp, i);
	}
	if (s->flags & (TCP_FIN | TCP_SYN) || s->payload.length || s->seq != w->rcv_nxt)
		answer(tcp, w);
	return true;
}

int wait_reuse(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t *isn_floor)
{
	uint32_t i = find(tcp, tuple);
	struct wait *w;

	if (i == NONE)
		return 0;
	w = &tcp->waits[i];
	// With timestamps the remote tells new from old after a tick; a second is far beyond one.
	if (!(w->options & TCP_OPTION_TIME) || tcp->now_ms - w->since_ms < 1000)
		return -EADDRINUSE;
	*isn_floor = w->snd_nxt + 65537;
	*isn_floor += !*isn_floor;
	end(tcp, i);
	return 0;
}

void wait_expire(struct tcp *tcp)
{
	while (tcp->wait_oldest != NONE &&
		!seq_before(tcp->now_ms, tcp->waits[tcp->wait_oldest].expires_ms))
		end(tcp, tcp->wait_oldest);
}
