// SPDX-License-Identifier: BSD-3-Clause
// The lines of a lane are sorted by when they are due without being sorted: each has one delay.
#include "lane.h"

#include <stdlib.h>
#include <string.h>

enum line {
	LINE_NOW,
	LINE_SOON,
	LINE_AGAIN,
	LINES
};

TAILQ_HEAD(waiters, waiter);

struct lane {
	TAILQ_ENTRY(lane) link;
	struct lanes *lanes;
	struct waiters lines[LINES];
	char *cluster;
	unsigned asked;
	bool silent;
	uint64_t held_until_ms; // when silent
	uint64_t again_ms;      // when the last of LINE_AGAIN is due
};

struct lanes {
	TAILQ_HEAD(, lane) all; // whose turn it is comes first
	unsigned at_a_time;
};

struct lanes *lanes_new(unsigned at_a_time)
{
	struct lanes *lanes = calloc(1, sizeof(*lanes));

	if (!lanes)
		return NULL;
	lanes->at_a_time = at_a_time;
	TAILQ_INIT(&lanes->all);
	return lanes;
}

static void lane_free(struct lane *lane)
{
	TAILQ_REMOVE(&lane->lanes->all, lane, link);
	free(lane->cluster);
	free(lane);
}

void lanes_free(struct lanes *lanes)
{
	struct lane *lane;

	if (!lanes)
		return;
	while ((lane = TAILQ_FIRST(&lanes->all))) {
		for (unsigned i = 0; i < LINES; i++) {
			struct waiter *waiter;

			while ((waiter = TAILQ_FIRST(&lane->lines[i])))
				lane_leave(waiter);
		}
		lane_free(lane);
	}
	free(lanes);
}

struct lane *lane_of(struct lanes *lanes, const char *cluster)
{
	struct lane *lane;

	TAILQ_FOREACH(lane, &lanes->all, link)
	if (strcmp(lane->cluster, cluster) == 0)
		return lane;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return NULL;
	lane->cluster = strdup(cluster);
	if (!lane->cluster) {
		free(lane);
		return NULL;
	}
	lane->lanes = lanes;
	for (unsigned i = 0; i < LINES; i++)
		TAILQ_INIT(&lane->lines[i]);
	TAILQ_INSERT_TAIL(&lanes->all, lane, link);
	return lane;
}

void lane_leave(struct waiter *waiter)
{
	if (!waiter->lane)
		return;
	TAILQ_REMOVE(&waiter->lane->lines[waiter->line], waiter, link);
	waiter->lane = NULL;
}

static void stand_in(struct lane *lane, struct waiter *waiter, enum line line, uint64_t due_ms)
{
	lane_leave(waiter);
	waiter->lane = lane;
	waiter->line = line;
	waiter->due_ms = due_ms;
	TAILQ_INSERT_TAIL(&lane->lines[line], waiter, link);
}

void lane_wait(struct lane *lane, struct waiter *waiter)
{
	stand_in(lane, waiter, LINE_NOW, 0);
}

void lane_wait_soon(struct lane *lane, struct waiter *waiter, uint64_t now_ms)
{
	stand_in(lane, waiter, LINE_SOON, now_ms + LANE_SOON_MS);
}

// One after the other: as many in LANE_AGAIN_MS as there is room for.
void lane_wait_again(struct lane *lane, struct waiter *waiter, uint64_t now_ms)
{
	uint64_t due_ms = now_ms + LANE_AGAIN_MS;
	uint64_t next_ms = lane->again_ms + LANE_AGAIN_MS / lane->lanes->at_a_time;

	lane_leave(waiter);
	if (!TAILQ_EMPTY(&lane->lines[LINE_AGAIN]) && next_ms > due_ms)
		due_ms = next_ms;
	lane->again_ms = due_ms;
	stand_in(lane, waiter, LINE_AGAIN, due_ms);
}

static bool has_room(const struct lane *lane)
{
	return lane->asked < (lane->silent ? 1 : lane->lanes->at_a_time);
}

bool lane_is_open(const struct lane *lane, uint64_t now_ms)
{
	return has_room(lane) && (!lane->silent || now_ms >= lane->held_until_ms);
}

void lane_asked(struct lane *lane)
{
	lane->asked++;
}

bool lane_answered(struct lane *lane, bool heard, uint64_t now_ms)
{
	bool other = lane->silent == heard;

	lane->asked--;
	lane->silent = !heard;
	lane->held_until_ms = now_ms + LANE_AGAIN_MS;
	return other;
}

static struct waiter *first_due(const struct lane *lane, uint64_t now_ms)
{
	for (unsigned i = LINES; i-- > 0;) { // those of now would hide the others
		struct waiter *waiter = TAILQ_FIRST(&lane->lines[i]);

		if (waiter && waiter->due_ms <= now_ms)
			return waiter;
	}
	return NULL;
}

static bool is_idle(const struct lane *lane)
{
	for (unsigned i = 0; i < LINES; i++)
		if (!TAILQ_EMPTY(&lane->lines[i]))
			return false;
	return !lane->asked && !lane->silent;
}

struct waiter *lanes_next(struct lanes *lanes, uint64_t now_ms)
{
	struct lane *lane, *next;

	for (lane = TAILQ_FIRST(&lanes->all); lane; lane = next) {
		struct waiter *waiter = lane_is_open(lane, now_ms) ? first_due(lane, now_ms) : NULL;

		next = TAILQ_NEXT(lane, link);
		if (waiter) {
			TAILQ_REMOVE(&lanes->all, lane, link);
			TAILQ_INSERT_TAIL(&lanes->all, lane, link);
			lane_leave(waiter);
			return waiter;
		}
		if (is_idle(lane))
			lane_free(lane);
	}
	return NULL;
}

uint64_t lanes_due_ms(const struct lanes *lanes, uint64_t now_ms)
{
	uint64_t due_ms = LANE_NEVER;
	const struct lane *lane;

	TAILQ_FOREACH(lane, &lanes->all, link)
	{
		uint64_t first_ms = LANE_NEVER;

		if (!has_room(lane))
			continue; // an answer comes first
		for (unsigned i = 0; i < LINES; i++) {
			const struct waiter *waiter = TAILQ_FIRST(&lane->lines[i]);

			if (waiter && waiter->due_ms < first_ms)
				first_ms = waiter->due_ms;
		}
		if (first_ms != LANE_NEVER && lane->silent && lane->held_until_ms > first_ms)
			first_ms = lane->held_until_ms;
		if (first_ms < due_ms)
			due_ms = first_ms;
	}
	return due_ms == LANE_NEVER ? due_ms : due_ms > now_ms ? due_ms : now_ms;
}
