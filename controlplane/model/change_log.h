// SPDX-License-Identifier: BSD-3-Clause
// The names of what changed in a model, in order: the newest some thousands. For model.c.
#pragma once

#include "model.h"

struct change_half {
	struct arena arena;
	struct model_change *list;
	unsigned count;
	uint64_t first; // how many changes were before it
};

struct change_log {
	uint64_t count;
	struct change_half halves[2]; // the older, and the one that is being filled
};

void change_log_add(struct change_log *log, const struct object *object);
bool change_log_each(const struct change_log *log, uint64_t since,
	void (*visit)(const struct model_change *change, void *arg), void *arg);
void change_log_clear(struct change_log *log);
