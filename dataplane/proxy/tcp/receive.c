// SPDX-License-Identifier: BSD-3-Clause
// What arrives, into order, and the window that says how much more may. Pieces out of order are
// held by reference, sorted and without overlap, within the window and within a count of blocks:
// beyond either they are as good as lost. What is held, and so reported by SACK, is never given up
// again.
#include "tcp_parts.h"

#define QUICK_ACKS 16 // segments after one out of order

uint32_t receive_offer(const struct tcp_connection *c)
{
	uint32_t room = c->rcv_limit > c->unconsumed ? c->rcv_limit - c->unconsumed : 0;

	return c->rcv_nxt + min_u32(room, 65535U << c->rcv_scale);
}

uint32_t receive_window(struct tcp_connection *c)
{
	uint32_t offer = receive_offer(c);

	// The edge never goes back, and forth only by steps worth a segment.
	if (!seq_before(offer, c->rcv_edge + min_u32(c->rcv_limit / 2, c->mss)))
		c->rcv_edge = offer;
	return seq_before(c->rcv_edge, c->rcv_nxt) ? 0 : c->rcv_edge - c->rcv_nxt;
}

// A window a quarter of which is read in one round trip may be what holds the remote back: while it
// mends what was lost, the rest of two or three is under way.
void receive_consumed(struct tcp_connection *c, uint32_t bytes)
{
	const struct tcp_config *config = &c->tcp->config;
	uint32_t now = now_us32(c->tcp);

	c->consumed += bytes;
	if (now - c->consumed_us < c->srtt)
		return;
	if (c->rcv_limit >= config->receive_bytes) {
		if (!plenty(c->tcp))
			c->rcv_limit = config->receive_bytes;
		else if (c->consumed > c->rcv_limit / 4 && c->srtt)
			c->rcv_limit = min_u32(
				2 * c->rcv_limit, bytes_most(c->tcp, config->receive_bytes));
	}
	c->consumed = 0;
	c->consumed_us = now;
}

// More than one full segment waits for it, or losses were seen of late: whoever sends little at a
// time after them waits for each.
static bool due_at_once(struct tcp_connection *c)
{
	uint32_t full = c->mss - (c->options & TCP_OPTION_TIME ? 12 : 0);

	if (c->ack_bytes > full)
		return true;
	if (!c->quick_acks || !c->ack_bytes)
		return false;
	c->quick_acks--;
	return true;
}

static void acknowledge(struct tcp_connection *c)
{
	c->ack_now = true;
	connection_pending(c);
}

static void deliver(struct tcp_connection *c, const struct tcp_piece *piece)
{
	c->rcv_nxt += piece->length;
	c->unconsumed += piece->length;
	c->ack_bytes += piece->length;
	c->tcp->ops->receive(c, c->user, piece);
}

static void finished(struct tcp_connection *c)
{
	c->rcv_nxt++;
	c->fin_received = true;
	release_list(c->tcp, &c->held);
	c->held_count = 0;
	acknowledge(c);
	if (c->state == STATE_ESTABLISHED)
		c->state = STATE_CLOSE_WAIT;
	else if (c->state == STATE_FIN_WAIT_1)
		c->state = STATE_CLOSING;
	connection_event(c, TCP_EVENT_FINISHED, 0);
	if (c->state == STATE_FIN_WAIT_2) {
		output_ack(c);
		wait_add(c);
		connection_close(c, 0);
	}
}

// What was held and is next now.
static void drain(struct tcp_connection *c)
{
	struct block *b;

	while (c->state != STATE_CLOSED && (b = c->held.head) && !seq_before(c->rcv_nxt, b->seq)) {
		uint32_t skip = c->rcv_nxt - b->seq;
		struct tcp_piece piece = {b->data + skip, b->end - b->seq - skip, b->owner};
		bool stale = !seq_before(c->rcv_nxt, b->end);

		c->held.head = b->next;
		if (!c->held.head)
			c->held.tail = NULL;
		c->held_count--;
		block_free(c->tcp, b);
		if (stale)
			c->tcp->ops->release(c->tcp->io, piece.owner);
		else
			deliver(c, &piece);
	}
}

static void drop_after(struct tcp_connection *c, struct block *before)
{
	struct block **at = before ? &before->next : &c->held.head, *b = *at;

	*at = b->next;
	if (c->held.tail == b)
		c->held.tail = before;
	c->tcp->ops->release(c->tcp->io, b->owner);
	block_free(c->tcp, b);
	c->held_count--;
}

// Takes the piece at seq into what is held; false when it brought nothing or there is no room.
static bool hold(struct tcp_connection *c, uint32_t seq, const struct tcp_piece *piece)
{
	uint32_t start = seq, end = seq + piece->length;
	struct block *before = NULL, *b = c->held.head, *new;

	if (c->held.tail && !seq_before(seq, c->held.tail->end)) {
		before = c->held.tail;
		b = NULL;
	}
	for (; b && !seq_before(start, b->end); b = b->next)
		before = b;
	if (b && !seq_before(start, b->seq)) {
		start = b->end;
		before = b;
		b = b->next;
	}
	if (!seq_before(start, end)) {
		c->duplicate = (struct tcp_range){seq, end};
		return false;
	}
	if (c->held_count >= blocks_most(c->tcp) || !(new = block_new(c->tcp)))
		return false;
	while (b && !seq_before(end, b->end)) {
		drop_after(c, before);
		b = before ? before->next : c->held.head;
	}
	if (b && seq_before(b->seq, end))
		end = b->seq;
	if (start == end) { // two that touch had all of it
		c->duplicate = (struct tcp_range){seq, seq + piece->length};
		block_free(c->tcp, new);
		return false;
	}
	*new = (struct block){.seq = start, .end = end};
	new->data = (const uint8_t *)piece->data + (start - seq);
	new->owner = piece->owner;
	new->next = b;
	*(before ? &before->next : &c->held.head) = new;
	if (!b)
		c->held.tail = new;
	c->held_count++;
	c->tcp->counters[TCP_COUNT_HELD]++;
	return true;
}

// True when it goes on where the latest ended.
static bool remember(struct tcp_connection *c, uint32_t seq, uint32_t end)
{
	bool goes_on = seq == c->recent_end && c->held.head;

	c->recent_end = end;
	if (goes_on)
		return true;
	c->recent[2] = c->recent[1];
	c->recent[1] = c->recent[0];
	c->recent[0] = seq;
	return false;
}

static bool out_of_order(
	struct tcp_connection *c, uint32_t seq, const struct tcp_piece *piece, bool fin)
{
	bool kept = piece->length && hold(c, seq, piece);

	if (fin) {
		c->fin_known = true;
		c->fin_at = seq + piece->length;
	}
	c->quick_acks = QUICK_ACKS;
	// Each piece apart is told of at once, so that none is forgotten over later ones; what goes
	// on with one when the burst is over. Without SACK the remote counts the ACKs.
	if (remember(c, seq, seq + piece->length) && kept && c->options & TCP_OPTION_SACK)
		acknowledge(c);
	else
		output_ack(c);
	return kept;
}

bool receive_input(struct tcp_connection *c, const struct tcp_segment *s)
{
	struct tcp_piece piece = s->payload;
	uint32_t seq = s->seq;
	bool fin = s->flags & TCP_FIN, mending = c->held.head != NULL;

	if (seq_before(seq, c->rcv_nxt)) {
		uint32_t skip = min_u32(c->rcv_nxt - seq, piece.length);

		c->duplicate = (struct tcp_range){seq, seq + skip};
		piece.data = (const uint8_t *)piece.data + skip;
		piece.length -= skip;
		seq += skip;
		acknowledge(c);
		if (seq != c->rcv_nxt)
			return false;
	}
	if (seq_before(c->rcv_edge, seq + piece.length)) {
		piece.length = seq_before(seq, c->rcv_edge) ? c->rcv_edge - seq : 0;
		fin = false;
		acknowledge(c);
	}
	if (piece.length && c->left) { // nobody will read it (RFC 9293 section 3.6.1)
		output_reset(c);
		connection_close(c, -ECONNRESET);
		return false;
	}
	if (seq != c->rcv_nxt)
		return out_of_order(c, seq, &piece, fin);
	if (piece.length)
		deliver(c, &piece);
	drain(c);
	if (c->state == STATE_CLOSED)
		return piece.length > 0;
	if (mending || due_at_once(c))
		acknowledge(c);
	else if (!c->ack_now && !(c->armed & 1U << TIMER_ACK))
		timer_set(c, TIMER_ACK, c->tcp->config.ack_delay_ms);
	if ((fin && c->rcv_nxt == seq + piece.length) || (c->fin_known && c->rcv_nxt == c->fin_at))
		finished(c);
	return piece.length > 0;
}

// The latest news first (RFC 2018 section 4), a duplicate before all (RFC 2883).
unsigned receive_sack(const struct tcp_connection *c, struct tcp_range ranges[TCP_SACK_MAX])
{
	struct tcp_range found[3] = {{0, 0}};
	unsigned count = 0;

	if (c->duplicate.start != c->duplicate.end)
		ranges[count++] = c->duplicate;
	for (const struct block *b = c->held.head; b;) {
		struct tcp_range run = {b->seq, b->end};

		for (b = b->next; b && b->seq == run.end; b = b->next)
			run.end = b->end;
		if (c->fin_known && c->fin_at == run.end)
			run.end++;
		for (unsigned i = 0; i < 3; i++)
			if (!seq_before(c->recent[i], run.start) &&
				seq_before(c->recent[i], run.end))
				found[i] = run;
	}
	for (unsigned i = 0; i < 3 && count < TCP_SACK_MAX; i++) {
		bool again = found[i].start == found[i].end;

		for (unsigned k = 0; k < i; k++)
			again |= found[k].start == found[i].start;
		if (!again)
			ranges[count++] = found[i];
	}
	return count;
}
