// SPDX-License-Identifier: BSD-3-Clause
// The rows of a plan, and what they are made in.
//
// A part is what comes and goes together: the rows that one thing gave (a Service, the nodes, ...)
// and their memory. A table is all rows of a kind, of all parts, sorted by key. Both are immutable
// once a plan has them; the next plan takes over every part that did not change, so that two rows
// at one address are the same row.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "plan.h"

struct part {
	struct arena arena;
	struct plan_rows rows[ROW_KINDS];
	struct part *next; // whoever keeps it may use these three
	uint64_t born, number;
};

struct part *part_new(void); // NULL: out of memory
void part_free(struct part *part);
// A new row of the part, zeroed; NULL when out of memory, which the arena remembers.
void *part_add(struct part *part, enum row_kind kind);

void rows_sort(enum row_kind kind, struct plan_rows *rows);
// The row of the same key in a table, or NULL.
void *rows_find(enum row_kind kind, const struct plan_rows *table, const void *row);
// The table, which is sorted, without the rows of `gone`, which must be in it, and with those of
// `added`; both get sorted. The new table lies in the arena. False: out of memory.
bool rows_merge(enum row_kind kind, struct plan_rows *table, struct plan_rows *gone,
	struct plan_rows *added, struct arena *arena);
// The tables as the plan's own.
void rows_show(const struct plan_rows tables[static ROW_KINDS], struct plan *plan);
