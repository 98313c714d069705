// SPDX-License-Identifier: BSD-3-Clause
// Of status.c, which says what is to be told, and status_tell.c, which tells it.
#pragma once

#include "lane.h"
#include "status.h"
#include "status_row.h"

#define STATUS_KEY 512

struct status {
	struct status_options options;
	const struct model *model;
	const struct plan *plan;
	uv_loop_t *loop;
	uv_timer_t timer, look;
	size_t looked; // the row where the next look begins
	unsigned handles;
	struct row_table table;
	struct lanes *lanes; // of rows that are to be told
	bool closing;
};

struct status_parts { // of a key "services/cluster/namespace/name"
	char key[STATUS_KEY];
	const char *kind, *cluster, *namespace, *name;
	bool service;
};

// False when it has not four.
bool status_split(const char *key, struct status_parts *parts);
// The object of the key, if it is there.
const struct object *status_object(const struct model *model, const char *key);
// A row changed: it is told when its turn comes, or is at its end. The row may be gone afterwards.
void status_settle(struct status *s, struct row *row);
// Tells, from the next turn of the loop on, or when somebody is due.
void status_pump(struct status *s);
