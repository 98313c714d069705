// SPDX-License-Identifier: BSD-3-Clause
// Revisions of the configuration on disk: a file each, with its head in comments, so that a person
// without Sluice can read them. Kept up to HISTORY_MAX; the oldest go. Blocking I/O.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HISTORY_MAX 100

struct revision {
	unsigned id;    // counts for ever
	uint64_t at_us; // CLOCK_REALTIME
	char *who, *comment;
};

struct history {
	char *dir;
	unsigned count; // the newest is the last
	struct revision list[HISTORY_MAX];
};

// A commit that is to be undone unless somebody confirms it.
struct pending {
	unsigned id;     // 0 = there is none
	unsigned before; // what comes back
	uint64_t until_s;
};

int history_open(struct history *history, const char *state_dir, struct reason *reason);
void history_close(struct history *history);
// Adds one, as the newest.
int history_add(struct history *history, const char *who, const char *comment, const char *text,
	struct reason *reason);
// Takes the newest away again.
void history_drop(struct history *history);
// What it said; to be freed. NULL with the reason.
char *history_text(const struct history *history, unsigned id, struct reason *reason);
const struct revision *history_find(const struct history *history, unsigned id);

void history_pending_read(const struct history *history, struct pending *pending);
int history_pending_write(
	const struct history *history, const struct pending *pending, struct reason *reason);

// The whole file; to be freed. NULL with errno.
char *file_text(const char *path);
