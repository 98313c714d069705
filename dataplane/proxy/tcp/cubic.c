// SPDX-License-Identifier: BSD-3-Clause
// CUBIC (RFC 9438) from ten segments up, proportional rate reduction while losses are mended (RFC
// 6937). Bytes; the cubic runs on milliseconds in integers. Takes any loss for a full line, and
// sends as ACKs come: no rate.
#include "congestion.h"
#include "tcp_parts.h"

#define CUBIC_SPAN_MS 30000 // beyond which the curve is flat enough to be cut off

static void start(struct tcp_connection *c)
{
}

static uint32_t cube_root(uint64_t value)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t next = root | 1ULL << bit;

		if (next * next * next <= value)
			root = next;
	}
	return (uint32_t)root;
}

static void reduce(struct tcp_connection *c)
{
	struct cubic *cubic = &c->congestion->cubic;
	uint32_t window = c->cwnd;

	// Fast convergence: a flow that lost below its last peak gives way (section 4.7).
	cubic->max = window < cubic->max ? (uint32_t)((uint64_t)window * 17 / 20) : window;
	c->ssthresh = max_u32((uint32_t)((uint64_t)window * 7 / 10), 2 * c->mss);
	cubic->begun = false;
}

static void lost(struct tcp_connection *c)
{
	struct cubic *cubic = &c->congestion->cubic;

	cubic->prr_delivered = c->congestion->resumed = 0;
	cubic->prr_flight = max_u32(c->snd_nxt - c->snd_una, 1);
	reduce(c);
}

static void recovered(struct tcp_connection *c)
{
	if (c->phase != PHASE_LOSS)
		c->cwnd = max_u32(c->ssthresh, c->mss);
}

static void begin_epoch(struct tcp_connection *c)
{
	struct cubic *cubic = &c->congestion->cubic;

	cubic->begun = true;
	cubic->epoch = c->tcp->now_ms;
	cubic->reno = c->cwnd;
	cubic->k = 0;
	cubic->origin = c->cwnd;
	if (c->cwnd < cubic->max) {
		// K = cbrt((Wmax - cwnd) / C), C = 0.4 segments/s^3: in ms, 2.5e9 a segment.
		cubic->k = cube_root((uint64_t)(cubic->max - c->cwnd) * 2500000000ULL / c->mss);
		cubic->origin = cubic->max;
	}
}

static uint32_t target(const struct tcp_connection *c)
{
	const struct cubic *cubic = &c->congestion->cubic;
	int64_t t = (int64_t)(c->tcp->now_ms - cubic->epoch) + c->srtt / 1000 - cubic->k;
	int64_t bytes;

	if (t > CUBIC_SPAN_MS)
		t = CUBIC_SPAN_MS;
	if (t < -CUBIC_SPAN_MS)
		t = -CUBIC_SPAN_MS;
	bytes = cubic->origin + t * t * t / 1000000 * c->mss * 4 / 10000;
	if (bytes < c->cwnd)
		return c->cwnd;
	return (uint32_t)(bytes < c->cwnd * 3LL / 2 ? bytes : c->cwnd * 3LL / 2);
}

static void avoid(struct tcp_connection *c, uint32_t bytes)
{
	struct cubic *cubic = &c->congestion->cubic;
	// alpha of the Reno-friendly region: 3 * (1 - 0.7) / (1 + 0.7), 1 beyond the old peak
	uint64_t alpha = cubic->reno < cubic->max ? 529 : 1000;

	if (!cubic->begun)
		begin_epoch(c);
	cubic->reno += (uint32_t)(alpha * bytes * c->mss / 1000 / c->cwnd);
	c->cwnd += (uint32_t)((uint64_t)(target(c) - c->cwnd) * bytes / c->cwnd);
	if (c->cwnd < cubic->reno)
		c->cwnd = cubic->reno;
}

// An application that does not use the window does not grow it (RFC 9438 section 5.8).
static void grow(struct tcp_connection *c, uint32_t bytes)
{
	if (!c->limited || c->cwnd >= CWND_MOST)
		return;
	if (c->cwnd < c->ssthresh) {
		uint32_t room = c->ssthresh - c->cwnd, step = min_u32(bytes, room);

		c->cwnd += step;
		bytes -= step;
	}
	if (bytes)
		avoid(c, bytes);
}

static void proportional(struct tcp_connection *c, uint32_t delivered)
{
	struct cubic *cubic = &c->congestion->cubic;
	uint32_t pipe = pipe_bytes(c), out = c->congestion->resumed;
	uint64_t allowed;

	cubic->prr_delivered += delivered;
	if (pipe > c->ssthresh) {
		uint64_t share = (uint64_t)cubic->prr_delivered * c->ssthresh;

		allowed = (share + cubic->prr_flight - 1) / cubic->prr_flight;
		allowed = allowed > out ? allowed - out : 0;
	} else {
		allowed = cubic->prr_delivered > out ? cubic->prr_delivered - out : 0;
		allowed = max_u32((uint32_t)allowed, delivered) + c->mss;
		allowed = min_u32((uint32_t)allowed, c->ssthresh - pipe);
	}
	// Something always moves.
	if (!out && allowed < c->mss)
		allowed = c->mss;
	c->cwnd = max_u32(pipe + (uint32_t)allowed, c->mss);
}

static void acked(struct tcp_connection *c, const struct delivered *d)
{
	if (c->phase == PHASE_RECOVERY)
		proportional(c, d->bytes);
	else if (d->acked)
		grow(c, d->acked);
}

static void paused(struct tcp_connection *c)
{
	c->cwnd = min_u32(c->cwnd, congestion_initial(c));
	c->congestion->cubic.begun = false;
}

const struct congestion_kind congestion_cubic = {start, acked, lost, recovered, reduce, paused};
