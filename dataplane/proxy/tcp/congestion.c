// SPDX-License-Identifier: BSD-3-Clause
// What all congestion controls share: their memory, the window to begin with, pacing. See
// congestion.h.
//
// Pacing is by credit: it grows with time at the control's rate, up to a burst, and a segment goes
// while there is any. So what was woken late catches up, and what goes out goes in runs: there are
// timers of a millisecond, and for those so fast that 64 kB are less, of whom there can be few, a
// list that is looked at each turn.
#include "congestion.h"
#include "tcp_parts.h"

#define FAST 65536000 // bytes a second

const struct congestion_kind *congestion_kind_of(enum tcp_congestion congestion)
{
	switch (congestion) {
	case TCP_CONGESTION_BBR:
		return &congestion_bbr;
	case TCP_CONGESTION_CUBIC:
		return &congestion_cubic;
	}
	return NULL;
}

uint32_t congestion_initial(const struct tcp_connection *c)
{
	return min_u32(10 * c->mss, max_u32(2 * c->mss, 14600)); // RFC 6928
}

void congestion_established(struct tcp_connection *c)
{
	// One segment when the SYN had to be sent again (RFC 5681 section 3.1).
	c->cwnd = c->syn_resent ? c->mss : congestion_initial(c);
	c->ssthresh = UINT32_MAX;
	c->phase = PHASE_OPEN;
	c->rack_high = c->recover = c->snd_una;
}

void congestion_open(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;
	struct congestion *g = tcp->free_congestions;

	// There is one for each connection, so one is left.
	if (g)
		tcp->free_congestions = g->next;
	else
		g = &tcp->congestions[tcp->made_congestions++];
	memset(g, 0, sizeof(*g));
	c->congestion = g;
	g->lost_end = c->snd_una - 1; // of nothing
	// What was learnt before is stale (RFC 5681 section 4.1).
	c->cwnd = min_u32(c->cwnd, congestion_initial(c));
	// BBR needs to know what arrived, hole or not.
	g->kind = c->options & TCP_OPTION_SACK ? tcp->control : &congestion_cubic;
	g->kind->start(c);
}

void congestion_close(struct tcp_connection *c)
{
	struct tcp *tcp = c->tcp;

	if (!c->congestion)
		return;
	for (struct tcp_connection **at = &tcp->paced; *at && c->congestion->paced;
		at = &(*at)->congestion->next_paced)
		if (*at == c) {
			*at = c->congestion->next_paced;
			break;
		}
	c->congestion->next = tcp->free_congestions;
	tcp->free_congestions = c->congestion;
	c->congestion = NULL;
	timer_clear(c, TIMER_PACE);
}

static void wait_little(struct tcp_connection *c, uint32_t us)
{
	struct tcp *tcp = c->tcp;

	if (!tcp->paced || tcp->now_us + us < tcp->paced_us)
		tcp->paced_us = tcp->now_us + us;
	if (c->congestion->paced)
		return;
	c->congestion->paced = true;
	c->congestion->next_paced = tcp->paced;
	tcp->paced = c;
}

bool congestion_paced(struct tcp_connection *c)
{
	struct congestion *g = c->congestion;
	int64_t credit;

	if (!g || !g->rate || g->credit > 0)
		return true;
	credit = (int64_t)((uint64_t)g->rate * (now_us32(c->tcp) - g->credit_us) / 1000000) +
		 g->credit;
	if (credit > 0) {
		g->credit = credit < g->burst ? (int32_t)credit : (int32_t)g->burst;
		g->credit_us = now_us32(c->tcp);
		return true;
	}
	if (g->rate < FAST)
		timer_set(c, TIMER_PACE, (uint32_t)((1 - credit) * 1000 / g->rate) + 1);
	else
		wait_little(c, (uint32_t)((g->burst / 2 - credit) * 1000000 / g->rate));
	return false;
}

void congestion_unpace(struct tcp *tcp)
{
	struct tcp_connection *c;

	if (!tcp->paced || tcp->now_us < tcp->paced_us)
		return;
	while ((c = tcp->paced)) {
		tcp->paced = c->congestion->next_paced;
		c->congestion->paced = false;
		connection_pending(c);
	}
}

void congestion_emitted(struct tcp_connection *c, uint32_t bytes)
{
	struct congestion *g = c->congestion;

	if (!g)
		return;
	if (c->phase == PHASE_RECOVERY)
		g->resumed += bytes;
	if (g->rate)
		g->credit -= (int32_t)bytes;
}
