// SPDX-License-Identifier: BSD-3-Clause
// How fast what is sent arrives: each segment notes how much had arrived when it was sent, and when
// the last of it did; its acknowledgement then tells a volume and the time it took. The time is the
// longer of what sending and what acknowledging took, so that neither a burst sent nor a burst of
// ACKs makes the network look faster than it is.
#include "congestion.h"
#include "tcp_parts.h"

#define SPAN_MOST ((1U << 24) - 1)

void rate_sent(struct tcp_connection *c, struct block *sent)
{
	struct congestion *g = c->congestion;
	uint32_t now = now_us32(c->tcp);

	if (!pipe_bytes(c))
		g->first_sent_us = g->delivered_us = now;
	sent->sent_us = now;
	sent->span_us = min_u32(now - g->first_sent_us, SPAN_MOST) & SPAN_MOST;
	sent->delivered = g->delivered;
	sent->delivered_us = g->delivered_us;
	sent->marks = (uint8_t)(sent->marks & ~MARK_APP_LIMITED);
	if (g->app_limited)
		sent->marks |= MARK_APP_LIMITED;
}

void rate_acked(struct tcp_connection *c, const struct block *sent, struct delivered *d)
{
	if (d->sampled && seq_before(sent->delivered, d->prior))
		return;
	d->sampled = true;
	d->prior = sent->delivered;
	d->prior_us = sent->delivered_us;
	d->span_us = sent->span_us;
	d->app_limited = sent->marks & MARK_APP_LIMITED;
	c->congestion->first_sent_us = sent->sent_us;
}

void rate_sample(struct tcp_connection *c, struct delivered *d)
{
	struct congestion *g = c->congestion;
	uint32_t now = now_us32(c->tcp);

	if (d->bytes) {
		g->delivered += d->bytes;
		g->delivered_us = now;
	}
	if (g->app_limited && seq_before(g->app_limited, g->delivered))
		g->app_limited = 0;
	if (!d->sampled)
		return;
	d->volume = g->delivered - d->prior;
	d->interval_us = max_u32(d->span_us, now - d->prior_us);
	// Faster than a round trip nothing can have come: it was counted wrongly.
	if (!d->interval_us || (c->min_rtt != UINT32_MAX && d->interval_us < c->min_rtt))
		d->sampled = false;
}

void rate_app_limited(struct tcp_connection *c)
{
	struct congestion *g = c->congestion;

	g->app_limited = g->delivered + pipe_bytes(c);
	g->app_limited += !g->app_limited;
}
