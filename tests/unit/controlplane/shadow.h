// SPDX-License-Identifier: BSD-3-Clause
// What a dataplane would hold, the naive way: a sorted list of lines, one a row. A transaction is
// applied line by line as channel.proto says; two shadows are equal when their texts are.
// For the tests of publish/ only.
#pragma once

#include "channel.pb-c.h"

struct shadow {
	char **lines; // "key\tvalue"
	unsigned count;
	uint64_t generation;
};

void shadow_apply(struct shadow *shadow, const Sluice__Transaction *transaction);
// To be freed.
char *shadow_text(const struct shadow *shadow);
void shadow_clear(struct shadow *shadow);

// What a dataplane would find in the plan file: how many endpoints, and its generation. Zeros when
// there is no whole plan.
unsigned plan_file_look(const char *path, uint64_t *generation);
