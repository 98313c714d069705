// SPDX-License-Identifier: BSD-3-Clause
// A hash map that is never changed once published: a change makes a new one that shares all shards
// but those it touched.
//
// 256 shards of open addressing with linear probing, at most half full; four cells a cache line,
// and a cell has the whole hash, so that finding takes two lines before the value's own: one of the
// top array, which is small and stays warm, and one of the shard. Values bring their keys; whoever
// looks up compares them. Readers: any worker. Changing: main lcore. tables*.c only.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "maglev.h"
#include "tables_edit.h"

#define MAP_SHARDS 256

struct map_cell {
	uint64_t hash;
	const void *value; // NULL: free, and the end of a probe
};

struct map_shard {
	const struct map_cell *cells;
	uint32_t mask;
	uint32_t count;
};

struct map {
	const struct map_shard *shards; // MAP_SHARDS
};

// A map being changed: which parts are this change's own already.
struct map_edit {
	struct edit *edit;
	struct map *map;
	bool owns_top;
	bool owns[MAP_SHARDS];
};

typedef bool map_equal(const void *value, const void *key);

bool map_open(struct map *map, struct edit *edit); // an empty one
void map_edit_begin(struct map_edit *change, struct edit *edit, struct map *map);
// Puts a value in the place of another; `before` NULL inserts, `after` NULL removes. `before` must
// be in the map, the hash is that of both.
void map_set(struct map_edit *change, uint64_t hash, const void *before, const void *after);
// Frees the map's own memory, after `visit` (or NULL) has had every value.
void map_close(struct map *map, void (*visit)(const void *value));

static inline const void *map_find(
	const struct map *map, uint64_t hash, map_equal *equal, const void *key)
{
	const struct map_shard *shard = &map->shards[hash >> 56];
	const struct map_cell *cell;

	for (uint32_t i = (uint32_t)hash;; i++) {
		cell = &shard->cells[i & shard->mask];
		if (!cell->value)
			return NULL;
		if (cell->hash == hash && equal(cell->value, key))
			return cell->value;
	}
}

// For keys made of an address and a few bytes more.
static inline uint64_t map_hash(const uint8_t address[16], uint64_t more)
{
	uint64_t half[2];

	memcpy(half, address, sizeof(half));
	return maglev_mix(maglev_mix(half[0] + 0x9e3779b97f4a7c15 * more) + half[1]);
}
