// SPDX-License-Identifier: BSD-3-Clause
// Who is told next. Each cluster has a lane of its own, so that one that cannot be told, however
// much there is to tell it, holds up none of the others.
//
// A lane has room for a few at a time. Where nobody answers, nothing more is asked for a while, and
// then one alone, until somebody does. Those who were refused wait at the lane's end, and come back
// a few at a time. What it costs does not grow with the number of those that wait.
//
// Pure: time is handed in, in milliseconds, and never goes back. Not thread-safe.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define LANE_AGAIN_MS 2000 // after no answer, or a refusal
#define LANE_SOON_MS  100  // after an answer that asks to look again
#define LANE_NEVER    UINT64_MAX

struct lane;
struct lanes;

// Part of whoever waits; all zero before its first.
struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct lane *lane; // where it waits; NULL = it does not
	unsigned char line;
	uint64_t due_ms;
};

// `at_a_time`: those asked and not answered, of one lane. NULL when out of memory.
struct lanes *lanes_new(unsigned at_a_time);
// Those who wait do so no more.
void lanes_free(struct lanes *lanes);

// The cluster's; NULL when out of memory. Kept while it is spoken of in this turn: the next
// lanes_next() may free a lane that is empty.
struct lane *lane_of(struct lanes *lanes, const char *cluster);

// When it is its turn: at once, though behind those who wait already; soon; after a while. Whoever
// waits already waits anew.
void lane_wait(struct lane *lane, struct waiter *waiter);
void lane_wait_soon(struct lane *lane, struct waiter *waiter, uint64_t now_ms);
void lane_wait_again(struct lane *lane, struct waiter *waiter, uint64_t now_ms);
// Also when it does not wait.
void lane_leave(struct waiter *waiter);

// Is there room for another? For those that have lines of their own.
bool lane_is_open(const struct lane *lane, uint64_t now_ms);
void lane_asked(struct lane *lane);
// It came to an end: heard, or nobody answered. True when that is not as it was before.
bool lane_answered(struct lane *lane, bool heard, uint64_t now_ms);

// Whose turn it is, with room in its lane; NULL = nobody's yet. It waits no more, and is to be
// asked, or to wait again.
struct waiter *lanes_next(struct lanes *lanes, uint64_t now_ms);
// When lanes_next() has somebody again; LANE_NEVER = not before something else happens.
uint64_t lanes_due_ms(const struct lanes *lanes, uint64_t now_ms);
