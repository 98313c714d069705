// SPDX-License-Identifier: BSD-3-Clause
// EndpointSlices by the Service they belong to. For model.c.
#pragma once

#include "model.h"

struct slice_index {
	size_t mask, count; // buckets - 1
	struct object **buckets;
};

bool slice_index_make(struct slice_index *index);
void slice_index_add(struct slice_index *index, struct object *slice);
void slice_index_remove(struct slice_index *index, struct object *slice);
size_t slice_index_find(const struct slice_index *index, const struct object *service,
	const struct endpoint_slice **slices, size_t most);
void slice_index_clear(struct slice_index *index);
