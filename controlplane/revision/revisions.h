// SPDX-License-Identifier: BSD-3-Clause
// The configuration's revisions and the candidate for the next one.
//
//     running --set, delete, rollback--> candidate --commit--> the file, a new revision, in use
//        ^                                   |                       |
//        +------ not confirmed in time ------)-----------------------+
//                                            +--discard--> nothing
//
// There is one candidate, of the person who began it, from the revision that ran then. The same
// person may be at several consoles: each edit has a number, and who tells which one it has seen is
// refused when there was another since. A commit is checked whole first; the file is replaced
// whole; a file that somebody else has written becomes a revision, too. Loop thread; blocking I/O
// on the disk of the state.
#pragma once

#include "history.h"
#include "reason.h"
#include "settings_keys.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct revisions;

struct revisions_options {
	const char *file, *state_dir;
	void *arg;
	void (*apply)(void *arg); // the file was replaced: read it
};

// Asks for the file as it is to be a revision. An unconfirmed commit goes on being one.
int revisions_open(struct revisions **revisions, uv_loop_t *loop,
	const struct revisions_options *options, struct reason *reason);
void revisions_close(struct revisions *revisions);
// The file was read and is correct: if nobody here wrote it, it is a revision of its own.
void revisions_notice(struct revisions *revisions);

// The file says what the newest revision says.
bool revisions_current(const struct revisions *revisions);

struct candidate {
	const char *text; // NULL: there is none
	const char *who;
	uint64_t since_s;
	unsigned base; // the revision it began from
	bool behind;   // another runs since
	uint32_t edit; // changes with whatever is done to it, also when it goes
};

void revisions_candidate(const struct revisions *revisions, struct candidate *candidate);
const struct history *revisions_history(const struct revisions *revisions);
const struct pending *revisions_pending(const struct revisions *revisions);
const struct settings_keys *revisions_keys(const struct revisions *revisions);
// What runs is the newest; NULL: none is kept. To be freed.
char *revisions_running(const struct revisions *revisions, struct reason *reason);
// `ago` revisions before what runs; to be freed.
char *revisions_ago(const struct revisions *revisions, unsigned ago, struct reason *reason);
// What was in use at that time (CLOCK_REALTIME), or the oldest if all are younger; likewise.
char *revisions_at(const struct revisions *revisions, uint64_t at_us, struct reason *reason);
// What a commit would be refused for, as it stands.
void revisions_check(const struct revisions *revisions, struct reason *mistakes);

// Is this the edit that was seen last? False with the reason: who did what since.
bool revisions_unmoved(const struct revisions *revisions, uint32_t edit, struct reason *reason);
// Each by `who`; refused while the candidate is somebody else's.
int revisions_set(struct revisions *revisions, const char *who, const char *path, const char *value,
	struct reason *reason);
int revisions_delete(
	struct revisions *revisions, const char *who, const char *path, struct reason *reason);
int revisions_rollback(
	struct revisions *revisions, const char *who, unsigned ago, struct reason *reason);
int revisions_discard(struct revisions *revisions, const char *who, struct reason *reason);

struct commit {
	const char *who, *comment;
	const char *text, *name; // a whole file, and what it is called; NULL = the candidate
	uint64_t confirm_s;      // undone after so many seconds; 0 = not
};

enum committed {
	COMMIT_REFUSED,
	COMMIT_DONE,
	COMMIT_CONFIRMED, // there was nothing new: what ran unconfirmed stays
	COMMIT_NOTHING,   // nor that
};

enum committed revisions_commit(
	struct revisions *revisions, const struct commit *commit, struct reason *reason);
