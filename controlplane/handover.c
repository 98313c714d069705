// SPDX-License-Identifier: BSD-3-Clause
// Before the machine restarts the others take its VIPs: the box is drained, routers and the peer
// have a moment, and then it goes. See control.h.
//
//     RUNNING --reboot--> drained, "returning" on disk --GRACE_MS--> the machine restarts
//        ^                       |
//        +-- it does not restart +
//        +-- the dataplane serves, at the next start: not drained any more
//
// A box that somebody had drained before stays so: it is not ours to return. One that stands alone
// has nobody to hand over to, and goes at once.
#include "control.h"

#include "log.h"
#include "whole_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS  3000 // routers and a peer have long acted
#define ANSWER_MS 300  // who asked is told first
#define MARK      "returning"

static void mark_path(const struct control *c, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" MARK, c->settings->state_dir);
}

static bool set_drained(struct control *c, bool on)
{
	struct reason reason = {0};
	int error = vip_drain(c->vip, NULL, on, &reason);

	if (error)
		log_error("upgrade", "%s", reason_text(&reason));
	reason_clear(&reason);
	return !error;
}

// Drained by us, and not any more.
static void come_back(struct control *c)
{
	char path[PATH_MAX];

	mark_path(c, path);
	c->returning = false;
	if (access(path, F_OK) == 0) {
		// Last, so that no loss of power in between leaves the box drained.
		if (!set_drained(c, false))
			return;
		unlink(path);
		log_notice("upgrade", "back: VIPs are taken again");
	}
}

void handover_serving(struct control *c)
{
	if (!c->leaving)
		come_back(c);
}

static void on_left(void *arg, const char *output, const char *why)
{
	struct control *c = arg;

	if (output)
		return;
	log_error("upgrade", "the machine does not restart: %s", why);
	c->leaving = false;
	if (c->vip)
		come_back(c);
}

static void on_leave(uv_timer_t *timer)
{
	struct control *c = timer->data;

	if (firmware_leave(c->firmware, c->leave_how, on_left, c))
		on_left(c, NULL, "the program for it cannot be run");
}

// On disk first, so that a box which was drained for this is never left so.
static bool hand_over(struct control *c, struct reason *reason)
{
	char path[PATH_MAX];

	mark_path(c, path);
	if (whole_file_write(&(struct whole_file){path, 0640, false}, "", 0, reason))
		return false;
	log_notice("upgrade", "handing over before the machine restarts");
	set_drained(c, true);
	return true;
}

bool handover_leave(void *control, enum firmware_leave how, struct reason *reason)
{
	struct control *c = control;
	bool others = *c->settings->pair.interface || c->settings->bgp.asn;
	uint64_t wait_ms = ANSWER_MS;

	if (!firmware_there(reason))
		return false;
	if (c->leaving) {
		reason_add(reason, "the machine is about to restart");
		return false;
	}
	if (firmware_progress(c->firmware)->state == FIRMWARE_INSTALLING) {
		reason_add(reason, "an image is being installed: wait for its end");
		return false;
	}
	if (others && !vip_box_drained(c->vip)) {
		if (!hand_over(c, reason))
			return false;
		wait_ms = GRACE_MS;
	}
	c->leaving = true;
	c->leave_how = how;
	uv_timer_start(&c->leave, on_leave, wait_ms, 0);
	return true;
}

int handover_start(struct control *c, struct reason *reason)
{
	char path[PATH_MAX];

	(void)reason;
	c->firmware = firmware_new(&c->loop, c->settings->state_dir);
	if (!c->firmware)
		return -ENOMEM;
	uv_timer_init(&c->loop, &c->leave);
	c->leave.data = c;
	mark_path(c, path);
	c->returning = access(path, F_OK) == 0;
	return 0;
}

void handover_stop(struct control *c)
{
	uv_close((uv_handle_t *)&c->leave, NULL);
	firmware_close(c->firmware);
	c->firmware = NULL;
}
