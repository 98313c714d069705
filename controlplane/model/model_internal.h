// SPDX-License-Identifier: BSD-3-Clause
// The model's insides, for model.c, which fills it, and model_read.c.
#pragma once

#include "change_log.h"
#include "model.h"
#include "model_memory.h"
#include "slice_index.h"

struct origin {
	struct origin *next; // in its bucket
	uint64_t hash;
	char *cluster, *name;
	struct object *objects;
	struct arena arena; // of the problems
	struct model_problem *problems;
	size_t problem_count;
};

struct model {
	struct object **names;
	size_t name_mask, name_count; // buckets - 1; winners
	struct origin **origins;
	size_t origin_mask, origin_count;
	size_t count[OBJECT_KINDS]; // winners
	struct slice_index slices;  // winners
	struct change_log changes;
	uint64_t problem_changes;
	struct model_memory memory; // without recall: none
};
