// SPDX-License-Identifier: BSD-3-Clause
// vip/ among the steps of the object's way. See control.h.
#include "control.h"

static void on_changed(void *arg)
{
	struct control *c = arg;

	giving_changed(c);
	if (c->plan)
		control_now(c);
}

int announce_start(struct control *c, struct reason *reason)
{
	const struct vip_options options = {c, on_changed};

	(void)reason;
	return vip_open(&c->vip, &c->loop, c->settings, &options);
}

void announce_stop(struct control *c)
{
	vip_close(c->vip);
	c->vip = NULL;
	reason_clear(&c->vip_mistakes);
}

void announce_plan(struct control *c, struct plan *plan)
{
	plan->owned = vip_decide(c->vip, plan);
}

void announce_serving(void *arg)
{
	struct control *c = arg;
	struct publish_state state;

	if (!c->publish || !c->vip)
		return;
	state = publish_state(c->publish);
	vip_serve(c->vip, c->plan, state.connected, state.current);
	if (c->returning && c->plan && state.connected && state.current)
		handover_serving(c);
}
