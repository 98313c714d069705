// SPDX-License-Identifier: BSD-3-Clause
// What was lost, and the timer that finds out: RACK-TLP (RFC 8985) with SACK, NewReno (RFC 6582)
// without, timeouts (RFC 6298), probes of a closed window. The list of sent segments is in the
// order of sequence numbers; it is walked only while something in it was reported or sent again.
#include "congestion.h"
#include "tcp_parts.h"

#define MIN_RTT_LIFE_MS   30000
#define REMOTE_DELAY_MS   200 // the longest a remote may hold an ACK back (RFC 8985 section 7.2)
#define REORDER_STEPS_MAX 15
#define REORDER_KEEP      16 // recoveries
#define QUIET_MS          1000

void recovery_rtt(struct tcp_connection *c, uint32_t rtt)
{
	uint32_t off;

	rtt = rtt ? rtt : 1;
	if (rtt <= c->min_rtt || c->tcp->now_ms - c->min_rtt_ms > MIN_RTT_LIFE_MS) {
		c->min_rtt = rtt;
		c->min_rtt_ms = c->tcp->now_ms;
	}
	if (!c->srtt) {
		c->srtt = rtt;
		c->rttvar = rtt / 2;
	} else {
		off = c->srtt > rtt ? c->srtt - rtt : rtt - c->srtt;
		c->rttvar = c->rttvar - c->rttvar / 4 + off / 4;
		c->srtt = c->srtt - c->srtt / 8 + rtt / 8;
	}
	c->srtt = c->srtt ? c->srtt : 1;
	c->rto = c->srtt + max_u32(1000, 4 * c->rttvar);
}

uint32_t recovery_rto_ms(const struct tcp_connection *c)
{
	const struct tcp_config *config = &c->tcp->config;
	uint64_t ms = max_u32(c->rto / 1000, config->rto_min_ms);

	ms <<= c->backoff < 16 ? c->backoff : 16;
	return ms < config->rto_max_ms ? (uint32_t)ms : config->rto_max_ms;
}

void recovery_mark_lost(struct tcp_connection *c, struct block *sent)
{
	if (sent->marks & (MARK_LOST | MARK_SACKED))
		return;
	sent->marks |= MARK_LOST;
	c->lost_bytes += sent->end - sent->seq;
	c->congestion->lost += sent->end - sent->seq;
	c->congestion->losses += sent->seq != c->congestion->lost_end;
	c->congestion->lost_end = sent->end;
}

static bool sent_after(uint32_t us, uint32_t end, uint32_t other_us, uint32_t other_end)
{
	return seq_before(other_us, us) || (us == other_us && seq_before(other_end, end));
}

// One segment arrived, as the cumulative number or as SACK says.
void recovery_sent_acked(struct tcp_connection *c, struct block *sent, struct delivered *d)
{
	uint32_t rtt = now_us32(c->tcp) - sent->sent_us;

	if (sent->marks & MARK_SACKED)
		return;
	d->bytes += sent->end - sent->seq;
	rate_acked(c, sent, d);
	if (sent->marks & MARK_LOST) {
		c->lost_bytes -= sent->end - sent->seq;
		c->congestion->lost -= sent->end - sent->seq;
		sent->marks &= (uint8_t)~MARK_LOST;
	}
	if (sent->marks & MARK_RESENT) {
		d->resent = true;
		if (rtt < c->min_rtt) // an answer to the first of them
			return;
	} else {
		d->rtt = rtt ? rtt : 1;
		if (seq_before(sent->end, c->rack_high))
			c->reordering = true;
	}
	c->rack_rtt = rtt;
	if (seq_before(c->rack_high, sent->end))
		c->rack_high = sent->end;
	if (!c->rack_known || sent_after(sent->sent_us, sent->end, c->rack_us, c->rack_end)) {
		c->rack_known = true;
		c->rack_us = sent->sent_us;
		c->rack_end = sent->end;
	}
}

void recovery_sack(struct tcp_connection *c, const struct tcp_segment *s, struct delivered *d)
{
	for (unsigned i = 0; i < s->sack_count; i++) {
		struct tcp_range range = s->sack[i];

		if (!seq_before(c->snd_una, range.end)) { // RFC 2883
			d->duplicate |= i == 0;
			continue;
		}
		if (!seq_before(range.start, range.end) || seq_before(range.start, c->snd_una) ||
			seq_before(c->snd_nxt, range.end))
			continue;
		for (struct block *b = c->sent.head; b && seq_before(b->seq, range.end);
			b = b->next) {
			if (b->marks & MARK_SACKED || seq_before(b->seq, range.start) ||
				seq_before(range.end, b->end))
				continue;
			recovery_sent_acked(c, b, d);
			b->marks |= MARK_SACKED;
			c->sacked_bytes += b->end - b->seq;
		}
	}
}

static uint32_t reorder_window(const struct tcp_connection *c)
{
	if (!c->reordering && (c->phase != PHASE_OPEN || c->sacked_bytes >= 3 * c->mss))
		return 0;
	return min_u32(c->srtt, c->min_rtt / 4 * (1U + c->reorder_steps));
}

// Marks what was sent so long before something that arrived that it cannot come any more.
static void rack_detect(struct tcp_connection *c)
{
	uint32_t allowance, longest = 0;

	c->reorder_armed = false;
	if (!c->rack_known || (!c->sacked_bytes && c->phase == PHASE_OPEN && !c->tail_resent))
		return;
	allowance = c->rack_rtt + reorder_window(c);
	for (struct block *b = c->sent.head; b; b = b->next) {
		int32_t left;

		if (b->marks & (MARK_SACKED | MARK_LOST) ||
			!sent_after(c->rack_us, c->rack_end, b->sent_us, b->end))
			continue;
		left = (int32_t)(b->sent_us + allowance - now_us32(c->tcp));
		if (left <= 0)
			recovery_mark_lost(c, b);
		else
			longest = max_u32(longest, (uint32_t)left);
	}
	if (longest) {
		c->reorder_armed = true;
		c->reorder_ms = longest / 1000 + 1;
	}
}

static void reno(struct tcp_connection *c, struct delivered *d)
{
	uint32_t out = c->snd_nxt - c->snd_una;

	if (d->reno_duplicate) {
		// One more segment has left the network.
		c->sacked_bytes += c->mss;
		d->bytes += c->mss;
		if (c->duplicate_acks < 255)
			c->duplicate_acks++;
		if (c->duplicate_acks == 3 && c->phase == PHASE_OPEN && c->sent.head)
			recovery_mark_lost(c, c->sent.head);
	} else if (d->acked) {
		uint32_t behind = d->acked > c->mss ? d->acked - c->mss : 0;

		c->duplicate_acks = 0;
		if (c->phase == PHASE_RECOVERY && seq_before(c->snd_una, c->recover)) {
			c->sacked_bytes -= min_u32(c->sacked_bytes, behind);
			if (c->sent.head)
				recovery_mark_lost(c, c->sent.head);
		} else {
			c->sacked_bytes = 0;
		}
	}
	out = out > c->lost_bytes + c->mss ? out - c->lost_bytes - c->mss : 0;
	c->sacked_bytes = min_u32(c->sacked_bytes, out);
}

static void enter(struct tcp_connection *c)
{
	c->phase = PHASE_RECOVERY;
	c->recover = c->snd_nxt;
	c->congestion->kind->lost(c);
}

static void leave(struct tcp_connection *c)
{
	c->congestion->kind->recovered(c);
	c->phase = PHASE_OPEN;
	if (c->reorder_keep && !--c->reorder_keep)
		c->reorder_steps = 0;
}

static void tail_done(struct tcp_connection *c, const struct delivered *d)
{
	if (!c->tail_probed || seq_before(c->snd_una, c->tail_end))
		return;
	// The probe mended a loss unless it is reported as one too many.
	if (c->tail_resent && !d->duplicate && c->phase == PHASE_OPEN) {
		c->congestion->kind->lost(c);
		c->congestion->kind->recovered(c);
	}
	c->tail_probed = c->tail_resent = false;
}

void recovery_after_ack(struct tcp_connection *c, struct delivered *d)
{
	// What waited behind a hole that was mended tells the time of the mending (Karn).
	if (d->resent)
		d->rtt = 0;
	if (d->rtt)
		recovery_rtt(c, d->rtt);
	rate_sample(c, d);
	if (d->duplicate && c->reordering && c->reorder_steps < REORDER_STEPS_MAX) {
		c->reorder_steps++;
		c->reorder_keep = REORDER_KEEP;
	}
	if (c->options & TCP_OPTION_SACK)
		rack_detect(c);
	else
		reno(c, d);
	tail_done(c, d);
	if (c->phase != PHASE_OPEN && !seq_before(c->snd_una, c->recover))
		leave(c);
	if (c->phase == PHASE_OPEN && c->lost_bytes)
		enter(c);
	c->congestion->kind->acked(c, d);
	recovery_arm(c);
}

// What is to happen when nothing more is heard.
void recovery_arm(struct tcp_connection *c)
{
	uint32_t now = c->tcp->now_ms, rto = recovery_rto_ms(c), gone, left, tail;

	if (c->state < STATE_ESTABLISHED) {
		c->send_kind = SEND_SYN;
		timer_set(c, TIMER_SEND, rto);
		return;
	}
	if (!c->sent.head) {
		// The window is closed, or memory is short, unless it is only not yet time.
		if (c->armed & 1U << TIMER_PACE || (c->congestion && c->congestion->paced)) {
			timer_clear(c, TIMER_SEND);
		} else if (c->snd_nxt != c->queue_end + c->fin_queued) {
			c->send_kind = SEND_PERSIST;
			if (!(c->armed & 1U << TIMER_SEND))
				timer_set(c, TIMER_SEND, rto);
		} else if (c->congestion) {
			c->send_kind = SEND_QUIET;
			timer_set(c, TIMER_SEND, max_u32(rto, QUIET_MS));
		} else {
			timer_clear(c, TIMER_SEND);
		}
		return;
	}
	if (c->reorder_armed) {
		c->send_kind = SEND_REORDER;
		timer_set(c, TIMER_SEND, c->reorder_ms);
		return;
	}
	gone = now - c->timeout_start_ms;
	left = rto > gone ? rto - gone : 1;
	gone = now - c->progress_ms;
	left = min_u32(left, c->tcp->config.user_ms > gone ? c->tcp->config.user_ms - gone : 1);
	c->send_kind = SEND_TIMEOUT;
	if (c->options & TCP_OPTION_SACK && c->phase == PHASE_OPEN && !c->tail_probed && c->srtt &&
		!c->sacked_bytes && !c->lost_bytes) {
		tail = c->srtt / 500 + 2 + (c->sent.head->next ? 0 : REMOTE_DELAY_MS);
		gone = now - c->tail_start_ms;
		tail = tail > gone ? tail - gone : 1;
		if (tail < left) {
			c->send_kind = SEND_TAIL;
			left = tail;
		}
	}
	timer_set(c, TIMER_SEND, left);
}

static void timeout(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	bool reneged = c->sent.head->marks & MARK_SACKED;

	if (tcp->now_ms - c->progress_ms >= tcp->config.user_ms) {
		output_reset(c);
		connection_close(c, -ETIMEDOUT);
		return;
	}
	tcp->counters[TCP_COUNT_TIMEOUTS]++;
	if (!(c->options & TCP_OPTION_SACK) || reneged)
		c->sacked_bytes = 0;
	for (struct block *b = c->sent.head; b; b = b->next) {
		if (reneged) // RFC 2018 section 8
			b->marks &= (uint8_t)~MARK_SACKED;
		recovery_mark_lost(c, b);
	}
	if (!c->backoff)
		c->congestion->kind->timeout(c);
	c->cwnd = c->mss;
	c->phase = PHASE_LOSS;
	c->recover = c->snd_nxt;
	c->duplicate_acks = 0;
	c->tail_probed = c->tail_resent = false;
	c->timeout_start_ms = tcp->now_ms;
	c->backoff += c->backoff < 16;
}

static void tail_probe(struct tcp_connection *c)
{
	c->tcp->counters[TCP_COUNT_PROBES]++;
	c->tail_probed = true;
	c->tail_end = c->snd_nxt;
	// New data if there is any; else the last segment again.
	c->force = true;
	if (seq_before(c->snd_nxt, c->queue_end) && blocks_left(c->tcp) &&
		c->sent_count < blocks_most(c->tcp) &&
		seq_before(c->snd_nxt, c->snd_una + c->snd_wnd))
		return;
	c->tail_resent = true;
	recovery_mark_lost(c, c->sent.tail);
}

static void handshake_timeout(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;

	if (tcp->now_ms - c->progress_ms >= tcp->config.connect_ms) {
		connection_close(c, -ETIMEDOUT);
		return;
	}
	c->backoff++;
	c->syn_resent = c->syn_due = true;
}

static void persist(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	uint32_t since = c->left ? c->progress_ms : c->heard_ms;

	if (tcp->now_ms - since >= tcp->config.user_ms && c->backoff > 3) {
		output_reset(c);
		connection_close(c, -ETIMEDOUT);
		return;
	}
	c->backoff += c->backoff < 16;
	c->force = true;
	tcp->counters[TCP_COUNT_PROBES]++;
	if (!seq_before(c->snd_nxt, c->snd_una + c->snd_wnd))
		output_probe(c);
}

void recovery_timer(struct tcp_connection *c)
{
	switch (c->send_kind) {
	case SEND_SYN:
		handshake_timeout(c);
		break;
	case SEND_PERSIST:
		persist(c);
		break;
	case SEND_QUIET:
		congestion_close(c);
		return;
	case SEND_REORDER:
		rack_detect(c);
		if (c->lost_bytes && c->phase == PHASE_OPEN) {
			enter(c);
			c->congestion->kind->acked(c, &(struct delivered){0});
		}
		break;
	case SEND_TAIL:
		tail_probe(c);
		break;
	default:
		timeout(c);
	}
	if (c->state == STATE_CLOSED)
		return;
	recovery_arm(c);
	connection_pending(c);
}
