// SPDX-License-Identifier: BSD-3-Clause
// Which box of a pair gives addresses: the master, the other one takes them from the cluster. When
// the master has given none for a while the other one does, from its own end of the pools; see
// plan/ipam_free.c. What a file asks for both give, as nothing tells one of the other.
#include "control.h"

#define PATIENCE_MS 1000

bool giving_has_others(void *arg)
{
	const struct control *c = arg;

	return settings_has_others(c->settings);
}

static bool gives(void *arg)
{
	struct control *c = arg;

	if (c->impatient || !vip_stands_by(c->vip))
		return true;
	c->gives_later = true;
	return false;
}

static void on_patience_ends(uv_timer_t *timer)
{
	struct control *c = timer->data;

	c->gives_later = false;
	c->impatient = true;
	giving_changed(c);
	control_now(c);
	c->impatient = false;
}

void giving_changed(struct control *c)
{
	planning_gives_changed(c->planning);
}

// Leases that move while this box waits are those that the other one gives: it is at work.
void giving_planned(struct control *c, bool moved)
{
	if (c->gives_later && (moved || !uv_is_active((uv_handle_t *)&c->patience)))
		uv_timer_start(&c->patience, on_patience_ends, PATIENCE_MS, 0);
}

int giving_start(struct control *c, struct reason *reason)
{
	(void)reason;
	uv_timer_init(&c->loop, &c->patience);
	c->patience.data = c;
	planning_ask_gives(c->planning, gives, c);
	return 0;
}

void giving_stop(struct control *c)
{
	uv_close((uv_handle_t *)&c->patience, NULL);
}
