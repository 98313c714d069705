// SPDX-License-Identifier: BSD-3-Clause
// What the control plane keeps over restarts, beside the plan file: which address each Service has.
// And the lock that keeps a second instance from touching any of it.
//
// Loop thread; blocking I/O.
#pragma once

#include "leases_file.h"
#include "reason.h"
#include "sealed_file.h"

struct store;

// Makes both directories when they are missing (0750, run_dir with the group), locks them, and
// finds or makes the state key. -EBUSY when another control plane runs on either.
int store_open(struct store **store, const struct settings *settings, struct reason *reason);
void store_close(struct store *store);

const struct seal *store_seal(const struct store *store);
struct leases_file *store_leases(struct store *store);
struct sealed_file store_plan_file(const struct store *store); // for publish
