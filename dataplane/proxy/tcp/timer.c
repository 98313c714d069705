// SPDX-License-Identifier: BSD-3-Clause
// A connection's four timers over its one place in the wheel. A deadline that moves away, as most
// do with every ACK, costs a store: the wheel fires at the old time, and finds nothing due.
#include "tcp_parts.h"

void timer_set(struct tcp_connection *c, unsigned timer, uint32_t after_ms)
{
	uint32_t deadline = c->tcp->now_ms + (after_ms ? after_ms : 1);

	c->deadline[timer] = deadline;
	c->armed |= (uint8_t)(1U << timer);
	if (c->wheel_link && !seq_before(deadline, c->wheel_ms))
		return;
	wheel_remove(&c->tcp->wheel, c);
	wheel_add(&c->tcp->wheel, c, deadline);
}

void timer_clear(struct tcp_connection *c, unsigned timer)
{
	c->armed &= (uint8_t) ~(1U << timer);
}

// Keepalive, or the end of a connection that nobody holds and the remote does not finish.
void timer_idle(struct tcp_connection *c)
{
	const struct tcp_config *config = &c->tcp->config;

	if (c->left && c->state == STATE_FIN_WAIT_2)
		timer_set(c, TIMER_IDLE, config->finish_ms);
	else if (config->keep_idle_ms && c->state >= STATE_ESTABLISHED)
		timer_set(c, TIMER_IDLE, config->keep_idle_ms);
}

static void idle(struct tcp_connection *c)
{
	const struct tcp_config *config = &c->tcp->config;
	uint32_t quiet = c->tcp->now_ms - c->heard_ms;

	if (c->left && c->state == STATE_FIN_WAIT_2) {
		connection_close(c, -ETIMEDOUT);
		return;
	}
	if (quiet < config->keep_idle_ms) {
		c->keep_sent = 0;
		timer_set(c, TIMER_IDLE, config->keep_idle_ms - quiet);
		return;
	}
	// With data under way the other timer decides.
	if (c->snd_nxt == c->snd_una) {
		if (c->keep_sent >= config->keep_probes) {
			output_reset(c);
			connection_close(c, -ETIMEDOUT);
			return;
		}
		c->keep_sent++;
		output_probe(c);
	}
	timer_set(c, TIMER_IDLE, config->keep_interval_ms);
}

static bool due(struct tcp_connection *c, unsigned timer)
{
	if (c->state == STATE_CLOSED || !(c->armed & 1U << timer) ||
		seq_before(c->tcp->now_ms, c->deadline[timer]))
		return false;
	timer_clear(c, timer);
	return true;
}

void timer_fire(struct tcp_connection *c)
{
	bool first = true;
	uint32_t next = 0;

	if (due(c, TIMER_ACK)) {
		c->ack_now = true;
		connection_pending(c);
	}
	if (due(c, TIMER_PACE))
		connection_pending(c);
	if (due(c, TIMER_SEND))
		recovery_timer(c);
	if (due(c, TIMER_IDLE))
		idle(c);
	if (c->state == STATE_CLOSED)
		return;
	for (unsigned i = 0; i < TIMERS; i++) {
		if (!(c->armed & 1U << i) || (!first && !seq_before(c->deadline[i], next)))
			continue;
		next = c->deadline[i];
		first = false;
	}
	// One of them may have put the connection back with its own deadline already.
	if (first || (c->wheel_link && !seq_before(next, c->wheel_ms)))
		return;
	wheel_remove(&c->tcp->wheel, c);
	wheel_add(&c->tcp->wheel, c, next);
}
