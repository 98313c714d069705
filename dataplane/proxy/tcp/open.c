// SPDX-License-Identifier: BSD-3-Clause
// Handshakes: SYNs in and out, and SYN cookies. A flood costs no memory: beyond the bound of
// half-open connections the SYN's facts go into the sequence number we answer with (RFC 4987
// section 3.6):
//   5 bits of time (32 s each), 3 bits of MSS class, 24 bits of SipHash over these and the tuple;
// scale and SACK ride in the low five bits of our timestamp, if the remote has timestamps at all.
#include "congestion.h"
#include "tcp_parts.h"
#include "siphash.h"

#define COOKIE_PERIOD_MS 32768
#define COOKIE_LIFE      2 // periods a cookie is good for, at least one whole
#define NO_SCALE         15

enum {
	PURPOSE_ISN,
	PURPOSE_TIME,
	PURPOSE_COOKIE
};

static const uint16_t cookie_mss[8] = {216, 536, 1160, 1220, 1360, 1440, 1460, 8900};

static uint64_t secret(
	const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t purpose, uint64_t more)
{
	uint64_t words[6] = {0};

	memcpy(words, tuple, sizeof(*tuple));
	words[4] |= (uint64_t)purpose << 32;
	words[5] = more;
	return siphash(tcp->key, words, 6);
}

uint32_t tuple_secret(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t purpose)
{
	return (uint32_t)secret(tcp, tuple, purpose, 0);
}

// RFC 6528: a clock of 4 us and a secret of the four.
uint32_t isn_new(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (uint32_t)(tcp->now_us / 4) + tuple_secret(tcp, tuple, PURPOSE_ISN);
}

// RFC 9293 section 3.7.1: what holds when the SYN names no MSS.
static uint32_t mss_named(const struct tcp_segment *s)
{
	return s->mss ? s->mss : (addr_is_v4(&s->tuple.remote) ? 536 : 1220);
}

static uint32_t cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
	uint32_t time, uint32_t mss)
{
	uint64_t facts = (uint64_t)irs << 32 | time << 3 | mss;

	return (time & 31) << 27 | mss << 24 |
	       ((uint32_t)secret(tcp, tuple, PURPOSE_COOKIE, facts) & 0xffffff);
}

// A timestamp not beyond now, with the options in its low bits.
static uint32_t cookie_time(uint32_t stamp, const struct tcp_segment *s, uint8_t options)
{
	uint32_t bits = options & TCP_OPTION_SCALE ? s->scale : NO_SCALE;
	uint32_t value;

	bits |= options & TCP_OPTION_SACK ? 16 : 0;
	value = (stamp & ~31U) | bits;
	return seq_before(stamp, value) ? value - 32 : value;
}

static uint8_t agreed(const struct tcp *tcp, const struct tcp_segment *s)
{
	return s->options & tcp->config.options;
}

static void cookie_send(struct tcp *tcp, const struct tcp_segment *s, const struct tcp_open *open)
{
	uint32_t mss = mss_named(s), class = 0;
	uint8_t options = agreed(tcp, s), scale = 0;
	uint32_t most = open->receive_bytes
				? min_u32(open->receive_bytes, tcp->config.receive_bytes)
				: tcp->config.receive_bytes;
	struct tcp_output out = {
		.tuple = &s->tuple,
		.ack = s->seq + 1,
		.flags = TCP_SYN | TCP_ACK,
	};

	while (class < 7 && cookie_mss[class + 1] <= mss)
		class ++;
	// Without timestamps there is no room to remember them in.
	if (!(options & TCP_OPTION_TIME))
		options = 0;
	while (scale < 14 && tcp->config.options & TCP_OPTION_SCALE && most >> scale > 65535)
		scale++;
	out.seq = cookie_make(tcp, &s->tuple, s->seq, tcp->now_ms / COOKIE_PERIOD_MS, class);
	out.window = (uint16_t)min_u32(most, 65535);
	out.options_length = option_syn(
		out.options, mss_of(&s->tuple, open->mtu ? open->mtu : 1500), options, scale);
	if (options & TCP_OPTION_TIME)
		out.options_length += option_time(out.options + out.options_length,
			cookie_time(tcp->now_ms + tuple_secret(tcp, &s->tuple, PURPOSE_TIME), s,
				options),
			s->ts_value);
	tcp->cookies = true;
	tcp->cookie_ms = tcp->now_ms;
	tcp->counters[TCP_COUNT_COOKIES_SENT]++;
	output_bare(tcp, &out);
}

// The remote's half of the handshake.
static void take_syn(struct tcp_connection *c, const struct tcp_segment *s)
{
	uint32_t mss = mss_named(s);

	c->options &= s->options;
	c->irs = s->seq;
	c->rcv_nxt = c->ack_sent = s->seq + 1;
	c->snd_scale = c->options & TCP_OPTION_SCALE ? s->scale : 0;
	if (!(c->options & TCP_OPTION_SCALE))
		c->rcv_scale = 0;
	if (c->options & TCP_OPTION_TIME) {
		c->ts_recent = s->ts_value;
		c->ts_recent_ms = c->tcp->now_ms;
	}
	c->mss = min_u32(c->mss, max_u32(mss, 64));
	c->snd_wnd = c->wnd_max = s->window; // never scaled in a SYN
	c->snd_wl1 = s->seq;
	c->snd_wl2 = s->flags & TCP_ACK ? s->ack : c->snd_una;
	c->rcv_edge = c->rcv_nxt + min_u32(c->rcv_limit, 65535);
}

void open_send(struct tcp_connection *c)
{
	c->snd_una = c->iss;
	c->snd_nxt = c->queue_end = c->iss + 1;
	c->syn_due = true;
	c->progress_ms = c->tcp->now_ms;
	connection_pending(c);
}

void open_established(struct tcp_connection *c)
{
	c->state = STATE_ESTABLISHED;
	c->backoff = 0;
	timer_clear(c, TIMER_SEND);
	congestion_established(c);
	timer_idle(c);
	if (c->passive)
		c->tcp->counters[TCP_COUNT_ACCEPTED]++;
	connection_event(c, TCP_EVENT_CONNECTED, 0);
}

// A SYN that belongs to nothing.
void open_stranger(struct tcp *tcp, const struct tcp_segment *s, uint32_t isn_floor)
{
	struct tcp_open open = {0};
	struct tcp_connection *c;
	enum tcp_verdict verdict = tcp->ops->listen(tcp->io, &s->tuple, &open);

	if (verdict == TCP_REFUSE)
		reset_reply(tcp, s);
	if (verdict != TCP_ACCEPT)
		return;
	if (tcp->half_open >= tcp->config.half_open) {
		cookie_send(tcp, s, &open);
		return;
	}
	c = connection_new(tcp, &s->tuple, &open);
	if (!c)
		return;
	c->passive = true;
	c->state = STATE_SYN_RECEIVED;
	tcp->half_open++;
	c->options = tcp->config.options;
	take_syn(c, s);
	c->iss = isn_new(tcp, &s->tuple);
	if (isn_floor && seq_before(c->iss, isn_floor))
		c->iss = isn_floor;
	open_send(c);
}

// While cookies are about, a segment that acknowledges a recent one may have overtaken the one that
// proves it: it is dropped in silence, as the remote will send both again; *silent says so.
static bool cookie_holds(struct tcp *tcp, const struct tcp_segment *s, bool *silent)
{
	uint32_t cookie = s->ack - 1, period = tcp->now_ms / COOKIE_PERIOD_MS;
	uint32_t age = (period - (cookie >> 27)) & 31;

	if (s->flags & (TCP_SYN | TCP_RST) || !(s->flags & TCP_ACK) || !tcp->cookies ||
		tcp->now_ms - tcp->cookie_ms > (COOKIE_LIFE + 1) * COOKIE_PERIOD_MS)
		return false;
	if (age <= COOKIE_LIFE &&
		cookie == cookie_make(tcp, &s->tuple, s->seq - 1, period - age, cookie >> 24 & 7))
		return true;
	*silent = age <= COOKIE_LIFE;
	tcp->counters[TCP_COUNT_COOKIES_REFUSED]++;
	return false;
}

// A connection out of an ACK that carries our cookie; NULL when it does not.
struct tcp_connection *open_cookie(struct tcp *tcp, const struct tcp_segment *s, bool *silent)
{
	struct tcp_open open = {0};
	struct tcp_segment syn = *s;
	struct tcp_connection *c;
	uint32_t cookie = s->ack - 1;

	if (!cookie_holds(tcp, s, silent) ||
		tcp->ops->listen(tcp->io, &s->tuple, &open) != TCP_ACCEPT)
		return NULL;
	c = connection_new(tcp, &s->tuple, &open);
	if (!c)
		return NULL;
	c->passive = true;
	c->options = tcp->config.options;
	syn.options = s->options & TCP_OPTION_TIME;
	if (syn.options) {
		uint32_t bits = s->ts_echo & 31;

		syn.options |= bits & 16 ? TCP_OPTION_SACK : 0;
		syn.options |= (bits & 15) != NO_SCALE ? TCP_OPTION_SCALE : 0;
		syn.scale = bits & 15;
	}
	syn.seq = s->seq - 1;
	syn.mss = cookie_mss[cookie >> 24 & 7];
	take_syn(c, &syn);
	c->snd_wnd = c->wnd_max = (uint32_t)s->window << c->snd_scale;
	c->iss = cookie;
	c->snd_una = c->snd_nxt = c->queue_end = cookie + 1;
	tcp->counters[TCP_COUNT_COOKIES_ACCEPTED]++;
	open_established(c);
	return c;
}

// RFC 9293 section 3.10.7.3.
void open_syn_sent(struct tcp_connection *c, const struct tcp_segment *s)
{
	bool acks = s->flags & TCP_ACK && s->ack == c->snd_nxt;

	if (s->flags & TCP_ACK && !acks) {
		if (!(s->flags & TCP_RST))
			reset_reply(c->tcp, s);
		return;
	}
	if (s->flags & TCP_RST) {
		if (acks)
			connection_close(c, -ECONNREFUSED);
		return;
	}
	if (!(s->flags & TCP_SYN))
		return;
	take_syn(c, s);
	if (!acks) { // both opened at once
		c->state = STATE_SYN_RECEIVED;
		c->syn_due = true;
		c->backoff = 0;
		connection_pending(c);
		return;
	}
	c->snd_una = s->ack;
	if (!c->syn_resent)
		recovery_rtt(c, now_us32(c->tcp) - c->sent_us);
	c->ack_now = true;
	connection_pending(c);
	open_established(c);
}
