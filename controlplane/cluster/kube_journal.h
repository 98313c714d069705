// SPDX-License-Identifier: BSD-3-Clause
// What one resource of a cluster said last, on disk: so that a start without its API server finds
// the objects, and the plan is made of them.
//
// A list is written beside the journal and takes its place when it is complete; what a watch says
// is added behind. Lines are JSON: an object, or an event with "type" and "object". Nothing is
// flushed to the disk itself: the API server has it all. Secrets' lines are sealed, each by itself,
// in base64. Loop thread; files are 0600.
#pragma once

#include "seal.h"

#include <stdbool.h>
#include <stddef.h>

struct journal;

// `folder` is made when it is missing. NULL = out of memory; a journal that cannot be written is
// none, which is logged once. `seal` outlives it; NULL: its lines are no secret.
struct journal *journal_open(const char *folder, const char *name, const struct seal *seal);
void journal_close(struct journal *journal);
void journal_remove(struct journal *journal); // and closes
// Visits every line. False: there is no journal.
bool journal_read(struct journal *journal,
	void (*visit)(void *arg, const char *line, size_t length), void *arg);
void journal_begin(struct journal *journal);
void journal_add(struct journal *journal, const char *bytes, size_t length);
void journal_commit(struct journal *journal); // of a list: what was added since journal_begin()
void journal_flush(struct journal *journal);
bool journal_is_long(const struct journal *journal); // it should be begun anew
