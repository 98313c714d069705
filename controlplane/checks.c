// SPDX-License-Identifier: BSD-3-Clause
// health/ and drains/ among the steps of the object's way. See control.h.
#include "control.h"

#include <errno.h>

static void on_changed(void *arg)
{
	struct control *c = arg;

	planning_checks_changed(c->planning);
	control_changed(c);
}

int checks_start(struct control *c, struct reason *reason)
{
	const struct health_options options = {c, on_changed};
	int error = health_open(&c->health, &c->loop, &options);

	(void)reason;
	if (!error)
		planning_ask_checks(c->planning, health_failed, c->health);
	c->drains = drains_open(c->settings->state_dir);
	if (!error && !c->drains)
		error = -ENOMEM;
	if (!error)
		planning_ask_drains(c->planning, drains_has, c->drains);
	return error;
}

void checks_drained(void *arg)
{
	struct control *c = arg;

	planning_drains_changed(c->planning);
	control_now(c);
}

void checks_stop(struct control *c)
{
	planning_ask_checks(c->planning, NULL, NULL);
	planning_ask_drains(c->planning, NULL, NULL);
	drains_close(c->drains);
	c->drains = NULL;
	health_close(c->health);
	c->health = NULL;
}
