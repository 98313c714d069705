// SPDX-License-Identifier: BSD-3-Clause
// How much may be under way: CUBIC (RFC 9438) from ten segments up (RFC 6928), proportional rate
// reduction while losses are mended (RFC 6937). Bytes; the cubic runs on milliseconds in integers.
#include "tcp_parts.h"

#define CUBIC_SPAN_MS 30000 // beyond which the curve is flat enough to be cut off
#define CWND_MOST     (1U << 30)

void congestion_start(struct tcp_connection *c)
{
	// RFC 6928; one segment when the SYN had to be sent again (RFC 5681 section 3.1).
	uint32_t start = min_u32(10 * c->mss, max_u32(2 * c->mss, 14600));

	c->cwnd = c->syn_resent ? c->mss : start;
	c->ssthresh = UINT32_MAX;
	c->phase = PHASE_OPEN;
	c->rack_high = c->recover = c->snd_una;
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

void congestion_reduce(struct tcp_connection *c)
{
	uint32_t window = c->cwnd;

	// Fast convergence: a flow that lost below its last peak gives way (section 4.7).
	c->cubic_max = window < c->cubic_max ? (uint32_t)((uint64_t)window * 17 / 20) : window;
	c->ssthresh = max_u32((uint32_t)((uint64_t)window * 7 / 10), 2 * c->mss);
	c->epoch = false;
}

void congestion_timeout(struct tcp_connection *c)
{
	congestion_reduce(c);
	c->cwnd = c->mss;
}

static void begin_epoch(struct tcp_connection *c)
{
	c->epoch = true;
	c->cubic_epoch = c->tcp->now_ms;
	c->reno_cwnd = c->cwnd;
	c->cubic_k = 0;
	c->cubic_origin = c->cwnd;
	if (c->cwnd < c->cubic_max) {
		// K = cbrt((Wmax - cwnd) / C), C = 0.4 segments/s^3: in ms, 2.5e9 a segment.
		c->cubic_k = cube_root((uint64_t)(c->cubic_max - c->cwnd) * 2500000000ULL / c->mss);
		c->cubic_origin = c->cubic_max;
	}
}

static uint32_t cubic_target(const struct tcp_connection *c)
{
	int64_t t = (int64_t)(c->tcp->now_ms - c->cubic_epoch) + c->srtt / 1000 - c->cubic_k;
	int64_t target;

	if (t > CUBIC_SPAN_MS)
		t = CUBIC_SPAN_MS;
	if (t < -CUBIC_SPAN_MS)
		t = -CUBIC_SPAN_MS;
	target = c->cubic_origin + t * t * t / 1000000 * c->mss * 4 / 10000;
	if (target < c->cwnd)
		return c->cwnd;
	return (uint32_t)(target < c->cwnd * 3LL / 2 ? target : c->cwnd * 3LL / 2);
}

static void avoid(struct tcp_connection *c, uint32_t bytes)
{
	uint32_t target;
	// alpha of the Reno-friendly region: 3 * (1 - 0.7) / (1 + 0.7), 1 beyond the old peak
	uint64_t alpha = c->reno_cwnd < c->cubic_max ? 529 : 1000;

	if (!c->epoch)
		begin_epoch(c);
	c->reno_cwnd += (uint32_t)(alpha * bytes * c->mss / 1000 / c->cwnd);
	target = cubic_target(c);
	c->cwnd += (uint32_t)((uint64_t)(target - c->cwnd) * bytes / c->cwnd);
	if (c->cwnd < c->reno_cwnd)
		c->cwnd = c->reno_cwnd;
}

// An application that does not use the window does not grow it (RFC 9438 section 5.8).
void congestion_acked(struct tcp_connection *c, uint32_t bytes)
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

void congestion_recovering(struct tcp_connection *c, uint32_t delivered)
{
	uint32_t pipe = pipe_bytes(c);
	uint64_t allowed;

	c->prr_delivered += delivered;
	if (pipe > c->ssthresh) {
		uint64_t share = (uint64_t)c->prr_delivered * c->ssthresh;

		allowed = (share + c->prr_flight - 1) / c->prr_flight;
		allowed = allowed > c->prr_out ? allowed - c->prr_out : 0;
	} else {
		allowed = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
		allowed = max_u32((uint32_t)allowed, delivered) + c->mss;
		allowed = min_u32((uint32_t)allowed, c->ssthresh - pipe);
	}
	// Something always moves.
	if (!c->prr_out && allowed < c->mss)
		allowed = c->mss;
	c->cwnd = max_u32(pipe + (uint32_t)allowed, c->mss);
}

// RFC 5681 section 4.1: what was learnt before a pause is stale.
void congestion_idle(struct tcp_connection *c)
{
	uint32_t start = min_u32(10 * c->mss, max_u32(2 * c->mss, 14600));

	c->cwnd = min_u32(c->cwnd, start);
	c->epoch = false;
}
