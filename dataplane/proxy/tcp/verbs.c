// SPDX-License-Identifier: BSD-3-Clause
// What a caller says to a connection, and what it may ask about the instance. See tcp.h.
#include "tcp_parts.h"

int tcp_connect(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_open *open,
	struct tcp_connection **connection)
{
	struct tcp_connection *c;
	uint32_t floor = 0;
	int error;

	if (connection_find(tcp, tuple))
		return -EADDRINUSE;
	error = wait_reuse(tcp, tuple, &floor);
	if (error)
		return error;
	c = connection_new(tcp, tuple, open);
	if (!c)
		return -ENOBUFS;
	c->state = STATE_SYN_SENT;
	c->options = tcp->config.options;
	c->iss = isn_new(tcp, tuple);
	if (floor && seq_before(c->iss, floor))
		c->iss = floor;
	open_send(c);
	*connection = c;
	return 0;
}

bool tcp_has(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return connection_find((struct tcp *)tcp, tuple) || wait_has(tcp, tuple);
}

void *tcp_io(const struct tcp_connection *c)
{
	return c->tcp->io;
}

uint32_t tcp_send_room(const struct tcp_connection *c)
{
	uint32_t queued = c->queue_end - c->snd_una, most = c->tcp->config.send_bytes;

	// What is sent has to stay until it is acknowledged, and mended where it was lost.
	if (plenty(c->tcp) && c->cwnd > most / 2)
		most = max_u32(most, min_u32(2 * c->cwnd, bytes_most(c->tcp, most)));
	if (c->queued_count >= blocks_most(c->tcp) || !blocks_left(c->tcp))
		return 0;
	return queued < most ? most - queued : 0;
}

int tcp_send(struct tcp_connection *c, const struct tcp_piece *pieces, int count)
{
	struct tcp *tcp = c->tcp;
	int taken = 0;

	if (c->fin_queued || c->state == STATE_CLOSED)
		return -EPIPE;
	for (; taken < count; taken++) {
		const struct tcp_piece *piece = &pieces[taken];
		struct block *block;

		// A piece larger than the bound is taken when nothing else is queued.
		if (!piece->length) {
			tcp->ops->release(tcp->io, piece->owner);
			continue;
		}
		if (piece->length > tcp_send_room(c) && (c->queued_count || !blocks_left(tcp)))
			break;
		block = block_new(tcp);
		if (!block)
			break;
		block->seq = c->queue_end;
		block->end = c->queue_end + piece->length;
		block->data = piece->data;
		block->owner = piece->owner;
		if (c->queue.tail)
			c->queue.tail->next = block;
		else
			c->queue.head = block;
		c->queue.tail = block;
		c->queued_count++;
		c->queue_end = block->end;
		if (!c->cursor)
			c->cursor = block;
	}
	if (taken)
		connection_pending(c);
	return taken;
}

void tcp_consume(struct tcp_connection *c, uint32_t bytes)
{
	uint32_t offer;

	if (c->state == STATE_CLOSED)
		return;
	c->unconsumed -= min_u32(bytes, c->unconsumed);
	receive_consumed(c, bytes);
	offer = receive_offer(c);
	// Silly windows: news only of half of it, or of two segments (RFC 9293 section 3.8.6.2.2).
	if (!c->fin_received &&
		!seq_before(offer, c->rcv_edge + min_u32(c->rcv_limit / 2, 2 * c->mss))) {
		c->ack_now = true;
		connection_pending(c);
	}
}

void tcp_finish(struct tcp_connection *c)
{
	if (c->fin_queued || c->state == STATE_CLOSED)
		return;
	if (c->state == STATE_SYN_SENT) {
		connection_close(c, 0);
		return;
	}
	c->fin_queued = true;
	connection_pending(c);
}

void tcp_leave(struct tcp_connection *c)
{
	c->left = true;
	tcp_finish(c);
	c->unconsumed = 0;
	if (c->state != STATE_CLOSED)
		timer_idle(c);
}

void tcp_abort(struct tcp_connection *c)
{
	if (c->state == STATE_CLOSED)
		return;
	if (c->state != STATE_SYN_SENT)
		output_reset(c);
	connection_end(c);
}

void *tcp_user(const struct tcp_connection *c)
{
	return c->user;
}

void tcp_set_user(struct tcp_connection *c, void *user)
{
	c->user = user;
}

const struct tcp_tuple *tcp_tuple_of(const struct tcp_connection *c)
{
	return &c->tuple;
}

// Only news of what is under way is believed (RFC 5927 section 4.1).
static struct tcp_connection *find_sent(
	struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t seq)
{
	struct tcp_connection *c = connection_find(tcp, tuple);

	return c && !seq_before(seq, c->snd_una) && seq_before(seq, c->snd_nxt) ? c : NULL;
}

void tcp_too_big(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t seq, uint16_t mtu)
{
	struct tcp_connection *c = find_sent(tcp, tuple, seq);
	uint16_t least = addr_is_v4(&tuple->remote) ? 552 : 1280, mss;

	if (!c)
		return;
	mtu = mtu < least ? least : mtu;
	if (mtu >= c->mtu)
		return;
	c->mtu = mtu;
	mss = mss_of(tuple, mtu);
	if (c->state == STATE_SYN_SENT || c->state == STATE_SYN_RECEIVED || c->mss <= mss)
		return;
	c->mss = mss;
	// No congestion: what was too big goes again, in smaller segments.
	for (struct block *sent = c->sent.head; sent; sent = sent->next)
		if (sent->end - sent->seq > mss && !(sent->marks & (MARK_SACKED | MARK_LOST)))
			recovery_mark_lost(c, sent);
	connection_pending(c);
}

void tcp_unreachable(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t seq)
{
	struct tcp_connection *c = find_sent(tcp, tuple, seq);

	// An established connection outlives it: routes come back (RFC 5461).
	if (c && c->state == STATE_SYN_SENT)
		connection_close(c, -EHOSTUNREACH);
}

uint64_t tcp_count(const struct tcp *tcp, enum tcp_counter counter)
{
	return tcp->counters[counter];
}

const char *tcp_counter_name(enum tcp_counter counter)
{
	static const char *const names[TCP_COUNTERS] = {
		[TCP_COUNT_IN] = "in",
		[TCP_COUNT_OUT] = "out",
		[TCP_COUNT_ACCEPTED] = "accepted",
		[TCP_COUNT_RETRANSMITTED] = "retransmitted",
		[TCP_COUNT_TIMEOUTS] = "timeouts",
		[TCP_COUNT_PROBES] = "probes",
		[TCP_COUNT_COOKIES_SENT] = "cookies_sent",
		[TCP_COUNT_COOKIES_ACCEPTED] = "cookies_accepted",
		[TCP_COUNT_COOKIES_REFUSED] = "cookies_refused",
		[TCP_COUNT_CHALLENGES] = "challenges",
		[TCP_COUNT_PAWS] = "paws",
		[TCP_COUNT_OUT_OF_WINDOW] = "out_of_window",
		[TCP_COUNT_DUPLICATE] = "duplicate",
		[TCP_COUNT_HELD] = "held",
		[TCP_COUNT_RESETS_SENT] = "resets_sent",
		[TCP_COUNT_RESETS_UNSENT] = "resets_unsent",
		[TCP_COUNT_NO_CONNECTION] = "no_connection",
		[TCP_COUNT_NO_BLOCK] = "no_block",
		[TCP_COUNT_WAIT_EVICTED] = "wait_evicted",
	};

	return counter < TCP_COUNTERS ? names[counter] : "unknown";
}

const char *tcp_state_name(const struct tcp_connection *c)
{
	static const char *const names[STATES] = {
		[STATE_CLOSED] = "closed",
		[STATE_SYN_SENT] = "syn-sent",
		[STATE_SYN_RECEIVED] = "syn-received",
		[STATE_ESTABLISHED] = "established",
		[STATE_FIN_WAIT_1] = "fin-wait-1",
		[STATE_FIN_WAIT_2] = "fin-wait-2",
		[STATE_CLOSING] = "closing",
		[STATE_CLOSE_WAIT] = "close-wait",
		[STATE_LAST_ACK] = "last-ack",
	};

	return names[c->state];
}

void tcp_usage(const struct tcp *tcp, uint32_t *connections, uint32_t *waits, uint32_t *blocks)
{
	*connections = tcp->used_connections;
	*waits = tcp->used_waits;
	*blocks = tcp->used_blocks;
}

uint32_t tcp_connection_bytes(void)
{
	return sizeof(struct tcp_connection);
}

void tcp_config_default(struct tcp_config *config)
{
	*config = (struct tcp_config){
		.connections = 131072,
		.waits = 65536,
		.blocks = 262144,
		.connection_blocks = 2048,
		.half_open = 4096,
		.receive_bytes = 262144,
		.send_bytes = 262144,
		.most_bytes = 2097152,
		.rto_min_ms = 200,
		.rto_max_ms = 60000,
		.ack_delay_ms = 40,
		.connect_ms = 20000,
		.user_ms = 120000,
		.finish_ms = 60000,
		.wait_ms = 60000,
		.keep_idle_ms = 7200000,
		.keep_interval_ms = 75000,
		.keep_probes = 9,
		.resets_per_second = 1000,
		.options = TCP_OPTION_SCALE | TCP_OPTION_SACK | TCP_OPTION_TIME,
	};
}
