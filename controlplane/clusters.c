// SPDX-License-Identifier: BSD-3-Clause
// registry/ among the steps of the object's way. See control.h.
#include "control.h"

#include "log.h"

// There is one more, or one less, or none goes on as it was.
static void on_changed(void *arg)
{
	struct control *c = arg;
	struct reason reason = {0};

	if (sources_follow(c, &reason))
		log_error("main", "%s", reason_text(&reason));
	reason_clear(&reason);
	planning_forget(c->planning);
	control_changed(c);
}

int clusters_start(struct control *c, struct reason *reason)
{
	const struct registry_options options = {.loop = &c->loop,
		.state_dir = c->settings->state_dir,
		.arg = c,
		.changed = on_changed,
		.cluster = sources_find};
	int error = registry_open(&c->registry, &options, reason);

	if (!error)
		planning_ask_cluster_drains(c->planning, registry_drained, c->registry);
	return error;
}

void clusters_stop(struct control *c)
{
	planning_ask_cluster_drains(c->planning, NULL, NULL);
	registry_close(c->registry);
	c->registry = NULL;
}
