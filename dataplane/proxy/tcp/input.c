// SPDX-License-Identifier: BSD-3-Clause
// A segment's way: whose it is, whether it is acceptable, what it acknowledges, what it carries.
//
//                 listen() accepts a SYN            tcp_connect()
//                          |                              |
//                    SYN_RECEIVED <---- SYN ---------- SYN_SENT
//   valid cookie           | ACK                          | SYN,ACK
//        |                 v                              |
//        +----------> ESTABLISHED <-----------------------+
//            our FIN sent /   \ FIN
//                        v     v
//               FIN_WAIT_1     CLOSE_WAIT
//               ACK |  \ FIN       | our FIN sent
//                   v   v          v
//          FIN_WAIT_2   CLOSING    LAST_ACK
//             FIN |        | ACK       | ACK
//                 v        v           v
//               (TIME_WAIT: wait.c)   gone          a reset, or time: gone from anywhere
//
// Blind attacks (RFC 5961): a reset must hit rcv_nxt exactly, a SYN never harms, an ACK must be
// of what was sent lately; what only nearly fits is answered by a challenge ACK, a few a second.
#include "tcp_parts.h"

#define PAWS_IDLE_MS (24U * 86400 * 1000) // RFC 7323 section 5.5

void reset_reply(struct tcp *tcp, const struct tcp_segment *s)
{
	struct tcp_output out = {.tuple = &s->tuple, .flags = TCP_RST};

	if (s->flags & TCP_RST)
		return;
	if (tcp->now_ms - tcp->resets_ms >= 1000) {
		tcp->resets_ms = tcp->now_ms;
		tcp->resets = 0;
	}
	if (tcp->resets >= tcp->config.resets_per_second) {
		tcp->counters[TCP_COUNT_RESETS_UNSENT]++;
		return;
	}
	tcp->resets++;
	if (s->flags & TCP_ACK) {
		out.seq = s->ack;
	} else {
		out.flags |= TCP_ACK;
		out.ack = s->seq + s->payload.length + !!(s->flags & TCP_SYN) +
			  !!(s->flags & TCP_FIN);
	}
	tcp->counters[TCP_COUNT_RESETS_SENT]++;
	output_bare(tcp, &out);
}

// A segment of no connection; returns the one it makes, if any.
static struct tcp_connection *stranger(struct tcp *tcp, const struct tcp_segment *s)
{
	struct tcp_connection *c;
	uint32_t floor = 0;
	bool silent = false;

	if (wait_input(tcp, s, &floor) || s->flags & TCP_RST)
		return NULL;
	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN) {
		open_stranger(tcp, s, floor);
		return NULL;
	}
	c = open_cookie(tcp, s, &silent);
	if (!c && !silent)
		reset_reply(tcp, s);
	return c;
}

static bool timely(struct tcp_connection *c, const struct tcp_segment *s)
{
	if (!(c->options & TCP_OPTION_TIME) || s->flags & TCP_RST)
		return true;
	if (!(s->options & TCP_OPTION_TIME))
		return false;
	if (!seq_before(s->ts_value, c->ts_recent) ||
		c->tcp->now_ms - c->ts_recent_ms > PAWS_IDLE_MS)
		return true;
	c->tcp->counters[TCP_COUNT_PAWS]++;
	if (s->payload.length || s->flags & TCP_FIN)
		output_ack(c);
	else
		output_challenge(c);
	return false;
}

static bool in_window(struct tcp_connection *c, const struct tcp_segment *s)
{
	uint32_t end = s->seq + s->payload.length + !!(s->flags & TCP_FIN);

	// An empty segment at the edge is the ACK of a remote that filled the window; one at
	// rcv_nxt brings its ACK whatever the window.
	if (s->seq == c->rcv_nxt)
		return true;
	if (s->seq == end || s->flags & TCP_RST)
		return !seq_before(s->seq, c->rcv_nxt) && !seq_before(c->rcv_edge, s->seq);
	return seq_before(c->rcv_nxt, end) && seq_before(s->seq, c->rcv_edge);
}

static void outside(struct tcp_connection *c, const struct tcp_segment *s)
{
	struct tcp *tcp = c->tcp;

	if (s->flags & TCP_RST) {
		tcp->counters[TCP_COUNT_OUT_OF_WINDOW]++;
	} else if (s->payload.length || s->flags & TCP_FIN) {
		uint32_t end = s->seq + s->payload.length;

		if (seq_before(s->seq, c->rcv_nxt)) {
			tcp->counters[TCP_COUNT_DUPLICATE]++;
			c->duplicate = (struct tcp_range){s->seq, end};
		} else {
			tcp->counters[TCP_COUNT_OUT_OF_WINDOW]++;
		}
		output_ack(c);
	} else {
		tcp->counters[TCP_COUNT_OUT_OF_WINDOW]++;
		output_challenge(c);
	}
}

// RST and SYN where the connection stands already; true when that was all.
static bool control(struct tcp_connection *c, const struct tcp_segment *s)
{
	if (s->flags & TCP_RST) {
		if (!in_window(c, s))
			outside(c, s);
		else if (s->seq != c->rcv_nxt)
			output_challenge(c);
		else
			connection_close(
				c, c->state == STATE_SYN_RECEIVED ? -ECONNREFUSED : -ECONNRESET);
		return true;
	}
	if (!(s->flags & TCP_SYN))
		return false;
	if (c->state != STATE_SYN_RECEIVED || s->seq != c->irs) {
		output_challenge(c);
		return true;
	}
	// The remote's SYN again, or its answer to ours when both opened at once.
	if (!(s->flags & TCP_ACK)) {
		c->syn_due = true;
		connection_pending(c);
		return true;
	}
	return s->ack != c->snd_nxt;
}

static bool handshake_done(struct tcp_connection *c, const struct tcp_segment *s)
{
	if (s->ack != c->snd_nxt) {
		reset_reply(c->tcp, s);
		return false;
	}
	if (c->passive)
		c->tcp->half_open--;
	c->snd_una = s->ack;
	c->snd_wnd = c->wnd_max = (uint32_t)s->window << (s->flags & TCP_SYN ? 0 : c->snd_scale);
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->ack;
	if (!c->syn_resent)
		recovery_rtt(c, now_us32(c->tcp) - c->sent_us);
	open_established(c);
	return c->state != STATE_CLOSED;
}

// Our FIN was acknowledged, if it was.
static void closing(struct tcp_connection *c)
{
	if (!c->fin_queued || c->snd_una != c->queue_end + 1)
		return;
	if (c->state == STATE_FIN_WAIT_1) {
		c->state = STATE_FIN_WAIT_2;
		timer_idle(c);
	} else if (c->state == STATE_CLOSING) {
		wait_add(c);
		connection_close(c, 0);
	} else if (c->state == STATE_LAST_ACK) {
		connection_close(c, 0);
	}
}

static bool synchronized(struct tcp_connection *c, const struct tcp_segment *s)
{
	if (!timely(c, s) || control(c, s))
		return false;
	if (!(s->flags & TCP_SYN) && !in_window(c, s)) {
		outside(c, s);
		return false;
	}
	if (!(s->flags & TCP_ACK))
		return false;
	if (c->state == STATE_SYN_RECEIVED && !handshake_done(c, s))
		return false;
	if (s->flags & TCP_SYN) {
		c->ack_now = true;
		connection_pending(c);
		return false;
	}
	c->heard_ms = c->tcp->now_ms;
	c->keep_sent = 0;
	if (c->options & s->options & TCP_OPTION_TIME && !seq_before(c->ack_sent, s->seq)) {
		c->ts_recent = s->ts_value;
		c->ts_recent_ms = c->tcp->now_ms;
	}
	if (!ack_input(c, s))
		return false;
	closing(c);
	if (!s->payload.length && !(s->flags & TCP_FIN))
		return false;
	if (c->state != STATE_ESTABLISHED && c->state != STATE_FIN_WAIT_1 &&
		c->state != STATE_FIN_WAIT_2)
		return false;
	return receive_input(c, s);
}

bool tcp_input(struct tcp *tcp, const struct tcp_segment *s, usec_t now)
{
	struct tcp_connection *c;

	tcp_set_now(tcp, now);
	tcp->counters[TCP_COUNT_IN]++;
	c = connection_find(tcp, &s->tuple);
	if (!c) {
		c = stranger(tcp, s);
		if (!c || c->state == STATE_CLOSED)
			return false;
	}
	if (c->state == STATE_SYN_SENT) {
		open_syn_sent(c, s);
		return false;
	}
	return synchronized(c, s);
}
