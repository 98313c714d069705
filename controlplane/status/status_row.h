// SPDX-License-Identifier: BSD-3-Clause
// Rows of status.c: objects, and what their status shall say.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "lane.h"

struct row {
	struct waiter waiter; // to be told
	char *key;            // "services/cluster/namespace/name"
	char *body;           // the patch
	uint64_t says;        // the digest of what it shall say; see told.h
	bool told, asking, cleared;
	bool wanted;    // by the plan that is looked at
	bool with_mode; // it says an ipMode
	unsigned doubts;
};

struct row_table { // sorted by key
	struct row **rows;
	size_t count, capacity;
	bool first; // rows are put in for the first time, each once, and not sorted yet
};

// What a row shall say.
struct saying {
	const struct addr *addresses;
	unsigned count;
	const char *ip_mode; // "" = nothing of it
};

// The row of the key, or NULL.
struct row *row_find(const struct row_table *table, const char *key);
// A new one; NULL when out of memory.
struct row *row_add(struct row_table *table, const char *key, const struct saying *saying);
// What it shall say from now on; true when it said something else.
bool row_say(struct row *row, const struct saying *saying);
// The patch, of an object of that version alone. To be freed; NULL when out of memory.
char *row_body_of(const struct row *row, const char *version);
void row_remove(struct row_table *table, struct row *row);
// `first` is over.
void rows_put_in_order(struct row_table *table);
void rows_free(struct row_table *table);
