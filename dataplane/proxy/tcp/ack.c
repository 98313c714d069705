// SPDX-License-Identifier: BSD-3-Clause
// What a segment acknowledges, by number and by SACK, and the window it offers.
#include "congestion.h"
#include "tcp_parts.h"

static void advance(struct tcp_connection *c, uint32_t ack, struct delivered *d)
{
	struct tcp *tcp = c->tcp;
	struct block *b;

	while ((b = c->sent.head) && !seq_before(ack, b->end)) {
		c->sent.head = b->next;
		recovery_sent_acked(c, b, d);
		if (b->marks & MARK_SACKED)
			c->sacked_bytes -= b->end - b->seq;
		c->sent_count--;
		block_free(tcp, b);
	}
	if (!b)
		c->sent.tail = NULL;
	if (b && seq_before(b->seq, ack)) { // part of it
		if (b->marks & MARK_LOST)
			c->lost_bytes -= ack - b->seq;
		if (b->marks & MARK_SACKED)
			c->sacked_bytes -= ack - b->seq;
		else
			d->bytes += ack - b->seq;
		b->seq = ack;
	}
	while ((b = c->queue.head) && !seq_before(ack, b->end)) {
		c->queue.head = b->next;
		c->queued_count--;
		if (b->next) // owners were used when they were sent, and not since
			__builtin_prefetch(b->next->owner, 1);
		tcp->ops->release(tcp->io, b->owner);
		block_free(tcp, b);
	}
	if (!b)
		c->queue.tail = NULL;
	d->acked = ack - c->snd_una;
	c->snd_una = ack;
	c->progress_ms = c->timeout_start_ms = c->tail_start_ms = tcp->now_ms;
	// A timer that backed off stays so until a round trip can be told (Karn, RFC 6298 section
	// 3).
	if (!d->resent)
		c->backoff = 0;
}

// True when the offer changed.
static bool window(struct tcp_connection *c, const struct tcp_segment *s)
{
	uint32_t offer = (uint32_t)s->window << c->snd_scale;
	bool changed = offer != c->snd_wnd;

	if (!(seq_before(c->snd_wl1, s->seq) ||
		    (c->snd_wl1 == s->seq && !seq_before(s->ack, c->snd_wl2))))
		return false;
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	if (offer > c->snd_wnd && !c->sent.head)
		c->backoff = 0;
	c->snd_wnd = offer;
	if (offer > c->wnd_max)
		c->wnd_max = offer;
	// A remote that answers with a closed window is alive (RFC 9293 section 3.8.6.1), and has
	// as long as our side waits for it.
	if (!offer && !c->left)
		c->progress_ms = c->tcp->now_ms;
	return changed;
}

bool ack_input(struct tcp_connection *c, const struct tcp_segment *s)
{
	struct delivered d = {0};
	uint32_t before = c->snd_una, data;
	bool offered;

	if (seq_before(c->snd_nxt, s->ack) || seq_before(s->ack, c->snd_una - c->wnd_max)) {
		output_challenge(c);
		return false;
	}
	if (seq_before(s->ack, c->snd_una))
		return true; // late; what it carries may still be news
	offered = window(c, s);
	if (s->ack != c->snd_una)
		advance(c, s->ack, &d);
	else if (!s->payload.length && !(s->flags & TCP_FIN) && !offered && c->sent.head &&
		 !(c->options & TCP_OPTION_SACK))
		d.reno_duplicate = true;
	if (s->sack_count && c->options & TCP_OPTION_SACK)
		recovery_sack(c, s, &d);
	if (c->sent.head || d.acked)
		recovery_after_ack(c, &d);
	if (d.acked) {
		data = (seq_before(c->queue_end, s->ack) ? c->queue_end : s->ack) - before;
		if (data)
			connection_event(c, TCP_EVENT_SENT, (int)data);
		if (c->state == STATE_CLOSED)
			return false;
	}
	if (d.acked || offered || c->lost_bytes || d.bytes)
		connection_pending(c);
	return true;
}
