// SPDX-License-Identifier: BSD-3-Clause
// What a box is, taken into an archive and put back: sluice.conf, the files that it names and that
// lie beside it (kubeconfigs with what they name, the API's certificate, manifests), and of the
// state folder leases, revisions, tokens, drains and the box's own certificates. What is sealed
// there is opened for the archive, and sealed with the key of the box that it comes back to.
//
// A box comes back whole or not at all, also when the power fails:
//
//     restore_stage   checks; writes each file beside its place ("<path>.restored"); a list of them
//        |            is "begun" before the first is written, and "whole" after the last
//     (start anew)
//        |
//     restore_finish  "whole": each is moved to its place, what is not in the archive is removed
//                     "begun": what was written beside is removed; nothing else has changed
//
// Blocking I/O; the process has the lock of the state folder.
#pragma once

#include "archive.h"
#include "reason.h"
#include "seal.h"
#include "settings.h"

#include <stdbool.h>
#include <sys/types.h>

struct backup_place { // borrowed
	const char *config_file, *state_dir;
	const struct seal *seal;
	const struct settings *settings; // those that run
};

// What is kept of the state folder, beside revisions.
struct backup_kept {
	const char *name; // in the folder; also what it is sealed for
	mode_t mode;
	bool sealed;
};

extern const struct backup_kept backup_kept[]; // the last has no name
bool backup_is_revision(const char *name);     // in the folder of revisions

// "<folder of sluice.conf>/<name>", to be freed; NULL: out of memory.
char *backup_beside(const struct backup_place *place, const char *name);

// Fills the archive. What the configuration names and is not beside it is told in "about" as
// left out. 0, or -errno with the reason and nothing to be cleared.
int backup_collect(
	const struct backup_place *place, struct archive *archive, struct reason *reason);

// 0, and the next start is of the archive's box; or -errno with the reason, and nothing has
// changed. `dataplane`: the next start is to restart the dataplane, too.
int restore_stage(const struct backup_place *place, const struct archive *archive, bool dataplane,
	struct reason *reason);
enum restored {
	RESTORED_NOTHING,
	RESTORED, // sluice.conf is another
	RESTORED_DATAPLANE,
};

// At the start, before anything of the state is read. What cannot be is told, and tried again at
// the next.
enum restored restore_finish(const char *state_dir, struct reason *reason);
