// SPDX-License-Identifier: BSD-3-Clause
#include "index.h"

#include <stdlib.h>

struct slot {
	uint32_t hash, row; // and one; 0: nothing is here
};

struct index {
	size_t mask;
	struct slot slots[];
};

struct index *index_new(size_t most)
{
	size_t count = 8;
	struct index *index;

	while (count < 2 * most)
		count *= 2;
	index = calloc(1, sizeof(*index) + count * sizeof(index->slots[0]));
	if (index)
		index->mask = count - 1;
	return index;
}

void index_free(struct index *index)
{
	free(index);
}

uint64_t index_hash(uint64_t before, const char *text)
{
	uint64_t hash = before ^ 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash ^ hash >> 29;
}

void index_add(struct index *index, uint64_t hash, size_t row)
{
	size_t at = hash & index->mask;

	while (index->slots[at].row)
		at = (at + 1) & index->mask;
	index->slots[at] = (struct slot){(uint32_t)(hash >> 32), (uint32_t)row + 1};
}

bool index_next(const struct index *index, uint64_t hash, size_t *at, size_t *row)
{
	const struct slot *slot;

	while ((slot = &index->slots[(hash + *at) & index->mask])->row) {
		++*at;
		if (slot->hash == (uint32_t)(hash >> 32)) {
			*row = slot->row - 1;
			return true;
		}
	}
	return false;
}
