// SPDX-License-Identifier: BSD-3-Clause
// How much may be under way, and how fast it goes out. What a control needs to know of a connection
// is taken from a pool when data is sent and given back when none was for a while, so that those
// that are idle do without.
//
// A control sets the connection's cwnd, and a rate if it wants what it sends spread over the round
// trip. recovery.c tells it what became of what was sent; output.c asks whether more may go.
// rate.c: how fast data arrives (draft-cheng-iccrg-delivery-rate-estimation).
#pragma once

#include "tcp_internal.h"

struct delivered {             // what one ACK told
	uint32_t bytes, acked; // acked: cumulatively
	uint32_t rtt;          // us; 0 when none could be taken
	bool resent;           // something acknowledged had been sent more than once
	bool duplicate;        // it reported a duplicate (D-SACK)
	bool reno_duplicate;   // it was one, where there is no SACK
	bool sampled;          // what follows is known
	bool app_limited;      // there was nothing more to send
	uint32_t prior;        // congestion.delivered when what arrived latest was sent
	uint32_t prior_us, span_us;
	uint32_t interval_us, volume; // so many bytes arrived in so long
};

struct cubic {
	uint32_t max, origin, k, epoch, reno; // k, epoch: ms
	uint32_t prr_delivered, prr_flight;
	bool begun;
};

struct bbr {
	uint32_t bandwidth[2];    // most bytes a second: of some rounds before, of these
	uint32_t aggregated[2];   // most bytes beyond that which came at once, of the same
	uint32_t full_bandwidth;  // as it was when it last grew a lot
	uint32_t round_end;       // delivered, when the round trip is over
	uint32_t cycle_us;        // its phase began
	uint32_t burst_us, burst; // what is measured for aggregated
	uint32_t span_start;      // delivered and lost, when the span began losses of which
	uint32_t span_lost;       // are judged
	uint32_t span_losses;
	uint32_t bound;               // most under way that did not lose much
	uint32_t kept_cwnd;           // before a timeout, or a look at the round trip
	uint32_t probe_ms, probe_rtt; // until when cwnd is small; the least then
	uint16_t gain;                // of the rate, in 256ths
	uint8_t mode, phase, rounds, level_rounds;
	bool full : 1, skip : 1, probing : 1;
};

struct congestion_kind;

struct congestion {
	struct congestion *next; // that is free, too
	struct tcp_connection *next_paced;
	const struct congestion_kind *kind;
	uint32_t delivered, delivered_us, first_sent_us;
	uint32_t app_limited;      // delivered, when what was sent then has arrived; 0: it is not
	uint32_t lost;             // bytes, ever
	uint32_t losses, lost_end; // runs of them; where the latest ended
	uint32_t resumed;          // bytes sent since recovery began
	uint32_t rate, burst;      // bytes a second, 0: any; most at once
	int32_t credit;            // bytes that may go now
	uint32_t credit_us;
	bool paced; // in tcp.paced
	union {
		struct cubic cubic;
		struct bbr bbr;
	};
};

struct congestion_kind {
	void (*start)(struct tcp_connection *c); // all zero
	// Each ACK that told of something, or a timer that found a loss (then it is all zero).
	void (*acked)(struct tcp_connection *c, const struct delivered *delivered);
	void (*lost)(struct tcp_connection *c);      // recovery begins
	void (*recovered)(struct tcp_connection *c); // it is over, or a tail probe mended a loss
	void (*timeout)(struct tcp_connection *c);   // cwnd is one segment afterwards
	void (*paused)(struct tcp_connection *c);    // it sends again after a time-out's time
};

extern const struct congestion_kind congestion_cubic, congestion_bbr;

const struct congestion_kind *congestion_kind_of(enum tcp_congestion congestion);
void congestion_established(struct tcp_connection *c);
void congestion_open(struct tcp_connection *c);              // before data is sent
void congestion_close(struct tcp_connection *c);             // when it was not for a while
uint32_t congestion_initial(const struct tcp_connection *c); // window
// Whether a segment may go now; if not, TIMER_PACE says when.
bool congestion_paced(struct tcp_connection *c);
void congestion_unpace(struct tcp *tcp); // those that waited, once it is time
void congestion_emitted(struct tcp_connection *c, uint32_t bytes);

void rate_sent(struct tcp_connection *c, struct block *sent); // before it counts as under way
void rate_acked(struct tcp_connection *c, const struct block *sent, struct delivered *delivered);
void rate_sample(struct tcp_connection *c, struct delivered *delivered);
void rate_app_limited(struct tcp_connection *c);
