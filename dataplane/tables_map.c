// SPDX-License-Identifier: BSD-3-Clause
#include "tables_map.h"

#include <stdlib.h>

#define CELLS_MIN 4

// What empty shards point at, so that finding need not ask.
static const struct map_cell nothing;

bool map_open(struct map *map, struct edit *edit)
{
	struct map_shard *shards = edit_make(edit, MAP_SHARDS * sizeof(*shards));

	if (!shards)
		return false;
	for (unsigned i = 0; i < MAP_SHARDS; i++)
		shards[i].cells = &nothing;
	map->shards = shards;
	return true;
}

void map_edit_begin(struct map_edit *change, struct edit *edit, struct map *map)
{
	*change = (struct map_edit){.edit = edit, .map = map};
}

static void insert(struct map_cell *cells, uint32_t mask, struct map_cell cell)
{
	uint32_t i = (uint32_t)cell.hash & mask;

	while (cells[i].value)
		i = (i + 1) & mask;
	cells[i] = cell;
}

static void replace_cells(struct map_edit *change, const struct map_cell *cells)
{
	if (cells != &nothing)
		edit_replace(change->edit, cells);
}

// A shard that may be written and has room for one more; NULL when out of memory.
static struct map_shard *own_shard(struct map_edit *change, uint64_t hash)
{
	unsigned index = (unsigned)(hash >> 56);
	struct map_shard *shards = (struct map_shard *)change->map->shards;
	struct map_shard *shard;
	struct map_cell *cells;
	uint32_t capacity;

	if (!change->owns_top) {
		shards = edit_make(change->edit, MAP_SHARDS * sizeof(*shards));
		if (!shards)
			return NULL;
		memcpy(shards, change->map->shards, MAP_SHARDS * sizeof(*shards));
		edit_replace(change->edit, change->map->shards);
		change->map->shards = shards;
		change->owns_top = true;
	}
	shard = &shards[index];
	capacity = shard->mask + 1;
	if (change->owns[index] && (shard->count + 1) * 2 <= capacity)
		return shard;
	for (capacity = CELLS_MIN; capacity < (shard->count + 1) * 2; capacity *= 2)
		;
	cells = edit_make(change->edit, capacity * sizeof(*cells));
	if (!cells)
		return NULL;
	for (uint32_t i = 0; i <= shard->mask; i++)
		if (shard->cells[i].value)
			insert(cells, capacity - 1, shard->cells[i]);
	replace_cells(change, shard->cells);
	shard->cells = cells;
	shard->mask = capacity - 1;
	change->owns[index] = true;
	return shard;
}

// Closes the gap: whatever further along the probe could have been here moves here.
static void close_gap(struct map_cell *cells, uint32_t mask, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & mask; cells[i].value; i = (i + 1) & mask) {
		uint32_t home = (uint32_t)cells[i].hash & mask;

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			cells[gap] = cells[i];
			gap = i;
		}
	}
	cells[gap] = nothing;
}

void map_set(struct map_edit *change, uint64_t hash, const void *before, const void *after)
{
	struct map_shard *shard;
	struct map_cell *cells;
	uint32_t i;

	// Once memory has run out, `before` may not be where it should.
	if (change->edit->failed)
		return;
	shard = own_shard(change, hash);
	if (!shard)
		return;
	cells = (struct map_cell *)shard->cells;
	if (!before) {
		insert(cells, shard->mask, (struct map_cell){hash, after});
		shard->count++;
		return;
	}
	for (i = (uint32_t)hash & shard->mask; cells[i].value != before; i = (i + 1) & shard->mask)
		;
	if (after) {
		cells[i].value = after;
		return;
	}
	close_gap(cells, shard->mask, i);
	shard->count--;
}

void map_close(struct map *map, void (*visit)(const void *value))
{
	if (!map->shards)
		return;
	for (unsigned s = 0; s < MAP_SHARDS; s++) {
		const struct map_shard *shard = &map->shards[s];

		for (uint32_t i = 0; visit && i <= shard->mask; i++)
			if (shard->cells[i].value)
				visit(shard->cells[i].value);
		if (shard->cells != &nothing)
			free((void *)shard->cells);
	}
	free((void *)map->shards);
	map->shards = NULL;
}
