// SPDX-License-Identifier: BSD-3-Clause
// The file of leases: which address each Service has, one "cluster/namespace/name address" a line.
// It is read once, at the start, and then replaced whole or not at all (written beside, flushed,
// renamed); changes of few are put at its end and flushed, "+..." for one that is new and "-..."
// for one that is no more, until they are many. A change that was cut off, without its newline,
// never was.
#pragma once

#include "plan.h"
#include "reason.h"

struct leases_file {
	char *path;
	unsigned appended; // lines, since it was whole
	bool known;        // it says what was written last
};

// None when there is no file. A line that cannot be read is told in `reason` and left out; the
// others count.
int leases_file_read(const struct leases_file *file, struct plan_lease **leases, unsigned *count,
	struct reason *reason);
bool leases_same(const struct plan *a, const struct plan *b);
void leases_free(struct plan_lease *leases, unsigned count);
// From what was written last, both sorted by Service and address. On an error: whole, the next
// time.
int leases_file_write(struct leases_file *file, const struct plan *before, const struct plan *plan,
	struct reason *reason);
// Whole, where something was put at its end.
int leases_file_close(struct leases_file *file, const struct plan *plan, struct reason *reason);
