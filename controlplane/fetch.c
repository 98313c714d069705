// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's log, fetched each second: for syslog servers, and so that what it had said is
// still there when it is gone. `show log` fetches on its own, too. See control.h.
#include "control.h"

#define FETCH_MS 1000

static void on_lines(void *arg, const Sluice__LogLines *lines, const char *why)
{
	struct control *c = arg;

	(void)why; // it is asked again
	c->fetching = false;
	if (lines)
		logs_take(c->logs, lines);
}

static void on_fetch(uv_timer_t *timer)
{
	struct control *c = timer->data;
	Sluice__LogRequest question = SLUICE__LOG_REQUEST__INIT;

	if (c->fetching)
		return;
	logs_question(c->logs, &question);
	c->fetching = publish_log(c->publish, &question, on_lines, c) == 0;
}

int fetch_start(struct control *c, struct reason *reason)
{
	(void)reason;
	uv_timer_init(&c->loop, &c->fetch);
	c->fetch.data = c;
	return uv_timer_start(&c->fetch, on_fetch, FETCH_MS, FETCH_MS);
}

void fetch_stop(struct control *c)
{
	uv_close((uv_handle_t *)&c->fetch, NULL);
}
