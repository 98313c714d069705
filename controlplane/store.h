// SPDX-License-Identifier: BSD-3-Clause
// What the control plane keeps over restarts, beside the plan file: which address each Service has.
// And the lock that keeps a second instance from touching any of it.
//
// The leases are a text, one "cluster/namespace/name address" a line, replaced whole or not at all
// (written beside, flushed, renamed). They are read once, at the start. Loop thread; blocking I/O.
#pragma once

#include "plan.h"
#include "reason.h"
#include "sealed_file.h"

struct store;

// Makes both directories when they are missing (0750, run_dir with the group), locks them, and
// finds or makes the state key. -EBUSY when another control plane runs on either.
int store_open(struct store **store, const struct settings *settings, struct reason *reason);
void store_close(struct store *store);

const struct seal *store_seal(const struct store *store);
const char *store_leases_path(const struct store *store);
struct sealed_file store_plan_file(const struct store *store); // for publish

// The leases on disk; none when there is no file. A line that cannot be read is told in `reason`
// and left out; the others count.
int store_leases_read(const struct store *store, struct plan_lease **leases, unsigned *count,
	struct reason *reason);
void store_leases_free(struct plan_lease *leases, unsigned count);
int store_leases_write(const struct store *store, const struct plan_lease *leases, unsigned count,
	struct reason *reason);
