// SPDX-License-Identifier: BSD-3-Clause
// BBR: the line is modelled by how fast data arrives at most (bandwidth) and by the shortest round
// trip; their product is what the line holds. A loss alone says nothing; many do.
//
//   STARTUP --bandwidth no longer grows--> DRAIN --no queue left--> CRUISE, round and round through
//      |      or much is lost                                         |  phases: faster, slower,
//      even
//      \---------------- PROBE_RTT: 200 ms with half the window <-----/
//                        when the shortest round trip is ten seconds old
//
// After draft-ietf-ccwg-bbr, with the cycle of its first version. Of what the later ones added: a
// bound on what is under way, cut when more than a thirty-second of it is lost, and tried upwards
// while it is not; so flows that share a short queue do not fill it for long.
#include "congestion.h"
#include "tcp_parts.h"

enum {
	MODE_STARTUP,
	MODE_DRAIN,
	MODE_CRUISE,
	MODE_PROBE_RTT,
};

#define UNIT          256 // of gains
#define GAIN_STARTUP  739 // 2 / ln 2: doubles each round trip
#define GAIN_DRAIN    88  // its inverse
#define GAIN_WINDOW   512
#define PHASES        8
#define FILTER_ROUNDS 5 // a half of the time for which a bandwidth is remembered
#define LEVEL_ROUNDS  3 // without growth, then the line is full
#define PROBE_AGE_MS  10000
#define PROBE_MS      200
#define QUANTUM_MOST  65536
#define NEAR_SHIFT    9   // a quantum is whole below 512 us, and halves with each further
#define LEAST         4   // segments, of the window
#define SPAN_SEGMENTS 256 // at least, before losses are judged
#define LOSS_SHIFT    5   // a thirty-second is much
#define LOSSES        5   // so many beyond it are no chance

static const uint16_t cycle[PHASES] = {320, 192, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT};

static struct bbr *bbr_of(const struct tcp_connection *c)
{
	return &c->congestion->bbr;
}

static uint32_t bandwidth(const struct tcp_connection *c)
{
	const struct bbr *b = bbr_of(c);

	return max_u32(b->bandwidth[0], b->bandwidth[1]);
}

// What the line holds, times the gain.
static uint32_t line(const struct tcp_connection *c, uint32_t gain)
{
	uint32_t rate = bandwidth(c);
	uint64_t bytes = (uint64_t)rate * c->min_rtt / 1000000 * gain / UNIT;

	if (!rate || c->min_rtt == UINT32_MAX)
		return congestion_initial(c) * gain / UNIT;
	return bytes < CWND_MOST ? (uint32_t)bytes : CWND_MOST;
}

// What is sent at a time: a millisecond's worth, more where the round trip is so short that timers
// would set the pace.
static uint32_t quantum(const struct tcp_connection *c)
{
	uint32_t near = c->min_rtt >> NEAR_SHIFT;
	uint32_t bytes = c->congestion->rate / 1000 + (near < 16 ? QUANTUM_MOST >> near : 0);

	return max_u32(min_u32(bytes, QUANTUM_MOST), 2 * c->mss);
}

// So much under way keeps the line at this gain: whole quanta are at either end, too.
static uint32_t needed(const struct tcp_connection *c, uint32_t gain)
{
	return line(c, gain) + 3 * quantum(c);
}

static void set_rate(struct tcp_connection *c)
{
	struct congestion *g = c->congestion;
	const struct bbr *b = bbr_of(c);
	uint32_t us = c->srtt ? c->srtt : 1000;
	uint64_t rate = bandwidth(c), least;

	// A hundredth less, so that queues drain; before anything is known, the first window.
	rate = rate ? rate * b->gain / UNIT * 99 / 100
		    : (uint64_t)c->cwnd * 1000000 / us * b->gain / UNIT;
	least = (uint64_t)LEAST * c->mss * 1000000 / us;
	rate = rate > least ? rate : least;
	rate = rate < UINT32_MAX ? rate : UINT32_MAX;
	if (b->full || rate > g->rate)
		g->rate = (uint32_t)rate;
	// Timers may be so late.
	g->burst = quantum(c) + min_u32(g->rate / 1000, max_u32(g->rate / 4000, QUANTUM_MOST));
}

static void start(struct tcp_connection *c)
{
	struct bbr *b = bbr_of(c);

	b->mode = MODE_STARTUP;
	b->gain = GAIN_STARTUP;
	b->bound = CWND_MOST;
	b->burst_us = now_us32(c->tcp);
	set_rate(c);
	c->congestion->credit = (int32_t)max_u32(c->cwnd, c->congestion->burst);
	c->congestion->credit_us = now_us32(c->tcp);
}

// True when a round trip is over: something arrived that was sent after the last one was.
static bool round_over(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);

	if (!d->sampled || seq_before(d->prior, b->round_end))
		return false;
	b->round_end = c->congestion->delivered;
	if (++b->rounds >= FILTER_ROUNDS && b->bandwidth[1]) {
		b->rounds = 0;
		b->bandwidth[0] = b->bandwidth[1];
		b->aggregated[0] = b->aggregated[1];
		b->bandwidth[1] = b->aggregated[1] = 0;
	}
	return true;
}

static void note_bandwidth(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);
	uint64_t rate = (uint64_t)d->volume * 1000000 / d->interval_us;

	rate = rate < UINT32_MAX ? rate : UINT32_MAX;
	if (d->app_limited && rate < bandwidth(c))
		return;
	b->bandwidth[1] = max_u32(b->bandwidth[1], (uint32_t)rate);
}

// What comes at once that should have come over time: receivers and radios gather ACKs.
static void note_aggregated(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);
	uint32_t now = now_us32(c->tcp);
	uint64_t expected = (uint64_t)bandwidth(c) * (now - b->burst_us) / 1000000;

	if (b->burst <= expected || b->burst > CWND_MOST / 2) {
		b->burst = 0;
		b->burst_us = now;
		expected = 0;
	}
	b->burst += d->bytes;
	if (b->burst > expected)
		b->aggregated[1] = max_u32(
			b->aggregated[1], min_u32((uint32_t)(b->burst - expected), c->cwnd));
}

static void begin_span(struct tcp_connection *c)
{
	const struct congestion *g = c->congestion;
	struct bbr *b = bbr_of(c);

	b->span_start = g->delivered;
	b->span_lost = g->lost;
	b->span_losses = g->losses;
}

// Whether more was lost, over round trips enough to tell, than chance explains.
static bool congested(struct tcp_connection *c)
{
	const struct congestion *g = c->congestion;
	struct bbr *b = bbr_of(c);
	uint32_t lost = g->lost - b->span_lost, all = g->delivered - b->span_start + lost;
	bool much =
		lost > (all >> LOSS_SHIFT) + LOSSES * c->mss && g->losses - b->span_losses > LOSSES;

	if (!b->skip && !much && all < SPAN_SEGMENTS * c->mss)
		return false;
	begin_span(c);
	// The round trip after a cut still tells of what was before it.
	if (b->skip) {
		b->skip = false;
		return false;
	}
	b->skip = much;
	return much;
}

static void heed_losses(struct tcp_connection *c)
{
	struct bbr *b = bbr_of(c);
	uint32_t before = min_u32(b->bound, c->cwnd);

	if (!congested(c) || b->mode == MODE_PROBE_RTT)
		return;
	// Not below what the line is thought to hold by more than that, either: a round trip may be
	// lost whole when another flow begins.
	before = max_u32(before, min_u32(line(c, UNIT), b->bound));
	b->bound = max_u32((uint32_t)((uint64_t)before * 7 / 10), LEAST * c->mss);
	b->probing = false;
	b->full = true;
}

static void note_full(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);

	if (b->full || d->app_limited)
		return;
	if (bandwidth(c) >= (uint64_t)b->full_bandwidth * 5 / 4) {
		b->full_bandwidth = bandwidth(c);
		b->level_rounds = 0;
		return;
	}
	b->full = ++b->level_rounds >= LEVEL_ROUNDS;
}

static void begin_phase(struct tcp_connection *c, uint8_t phase)
{
	struct bbr *b = bbr_of(c);

	// More than the bound is tried for when that much did not hurt.
	if (!b->phase && b->probing && b->bound < CWND_MOST && c->cwnd >= b->bound) {
		b->bound += b->bound / 8;
		if (b->bound > 2 * needed(c, GAIN_WINDOW))
			b->bound = CWND_MOST;
	}
	b->mode = MODE_CRUISE;
	b->phase = phase;
	b->cycle_us = now_us32(c->tcp);
	b->gain = cycle[phase];
	b->probing = !phase;
}

static void cruise(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);
	uint32_t pipe = pipe_bytes(c), before = pipe + d->bytes + c->mss;
	bool whole = now_us32(c->tcp) - b->cycle_us > c->min_rtt;

	// Faster until the line can be told from a longer one; slower until the queue is gone.
	if (b->gain > UNIT)
		whole &= before >= needed(c, b->gain) || c->lost_bytes || before >= b->bound;
	else if (b->gain < UNIT)
		whole |= pipe <= needed(c, UNIT);
	if (whole)
		begin_phase(c, (b->phase + 1) % PHASES);
}

// Flows that begin together do not go through the phases together; not with the slow one.
static void begin_cruise(struct tcp_connection *c)
{
	uint32_t any = (c->iss ^ now_us32(c->tcp)) * 2654435761U >> 16;

	bbr_of(c)->phase = 1;
	begin_phase(c, (uint8_t)((any % (PHASES - 1) + 2) % PHASES));
}

static void probe_rtt(struct tcp_connection *c, const struct delivered *d, bool round)
{
	struct bbr *b = bbr_of(c);
	uint32_t now = c->tcp->now_ms;

	if (b->mode != MODE_PROBE_RTT) {
		if (!b->full || now - c->min_rtt_ms < PROBE_AGE_MS)
			return;
		b->mode = MODE_PROBE_RTT;
		b->gain = UNIT;
		b->kept_cwnd = max_u32(b->kept_cwnd, c->cwnd);
		b->probe_rtt = UINT32_MAX;
		b->probe_ms = 0;
	}
	rate_app_limited(c); // what arrives meanwhile is no measure
	if (d->rtt)
		b->probe_rtt = min_u32(b->probe_rtt, d->rtt);
	if (!b->probe_ms && pipe_bytes(c) <= max_u32(line(c, UNIT / 2), LEAST * c->mss)) {
		b->probe_ms = now + PROBE_MS;
		b->probe_ms += !b->probe_ms;
		b->round_end = c->congestion->delivered;
		b->probe_rtt = UINT32_MAX;
	} else if (b->probe_ms && round && !seq_before(now, b->probe_ms)) {
		if (b->probe_rtt != UINT32_MAX)
			c->min_rtt = b->probe_rtt;
		c->min_rtt_ms = now;
		c->cwnd = max_u32(c->cwnd, b->kept_cwnd);
		b->kept_cwnd = 0;
		begin_cruise(c);
	}
}

static void set_cwnd(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);
	uint32_t extra = min_u32(max_u32(b->aggregated[0], b->aggregated[1]), bandwidth(c) / 10);
	uint32_t wanted = needed(c, b->mode == MODE_CRUISE ? GAIN_WINDOW : GAIN_STARTUP) +
			  (b->full ? extra : 0);

	if (b->full)
		c->cwnd = min_u32(c->cwnd + d->bytes, wanted);
	else if (c->cwnd < wanted || c->congestion->delivered < congestion_initial(c))
		c->cwnd = min_u32(c->cwnd + d->bytes, CWND_MOST);
	c->cwnd = min_u32(c->cwnd, b->bound);
	if (b->mode == MODE_PROBE_RTT)
		c->cwnd = min_u32(c->cwnd, line(c, UNIT / 2));
	// After a timeout by what arrives, however little.
	if (c->phase != PHASE_LOSS)
		c->cwnd = max_u32(c->cwnd, LEAST * c->mss);
}

static void acked(struct tcp_connection *c, const struct delivered *d)
{
	struct bbr *b = bbr_of(c);
	bool round = round_over(c, d);

	if (d->sampled)
		note_bandwidth(c, d);
	note_aggregated(c, d);
	if (round) {
		heed_losses(c);
		note_full(c, d);
	}
	if (b->mode == MODE_STARTUP && b->full) {
		b->mode = MODE_DRAIN;
		b->gain = GAIN_DRAIN;
	}
	if (b->mode == MODE_DRAIN && pipe_bytes(c) <= needed(c, UNIT))
		begin_cruise(c);
	if (b->mode == MODE_CRUISE)
		cruise(c, d);
	probe_rtt(c, d, round);
	set_rate(c);
	set_cwnd(c, d);
}

static void lost(struct tcp_connection *c)
{
}

static void recovered(struct tcp_connection *c)
{
	struct bbr *b = bbr_of(c);

	if (c->phase != PHASE_LOSS || b->mode == MODE_PROBE_RTT)
		return;
	c->cwnd = min_u32(max_u32(c->cwnd, b->kept_cwnd), b->bound);
	b->kept_cwnd = 0;
}

static void timeout(struct tcp_connection *c)
{
	bbr_of(c)->kept_cwnd = max_u32(bbr_of(c)->kept_cwnd, c->cwnd);
}

static void paused(struct tcp_connection *c)
{
}

const struct congestion_kind congestion_bbr = {start, acked, lost, recovered, timeout, paused};
