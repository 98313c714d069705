// SPDX-License-Identifier: BSD-3-Clause
// The names of clusters that are drained, a line each in state_dir/drained-clusters.
#pragma once

#include "reason.h"

#include <stdbool.h>

struct drained;

struct drained *drained_open(const char *state_dir); // NULL: out of memory
void drained_close(struct drained *drained);
bool drained_has(const struct drained *drained, const char *name);
// It is so from now on, whatever the disk says: -errno with the reason when that does not take it.
int drained_set(struct drained *drained, const char *name, bool on, struct reason *reason);
