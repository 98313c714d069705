// SPDX-License-Identifier: BSD-3-Clause
#include "vip_table.h"

#include <stdlib.h>
#include <string.h>

#include "planning.h"

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_end(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

struct vip_row **vip_slot(struct planner *p, const struct addr *address)
{
	const struct vip_table *table = p->vips;
	uint64_t hash = hash_end(hash_bytes(UINT64_C(0xcbf29ce484222325), address, 16));
	struct vip_row **slot = &table->buckets[hash & table->mask];

	while (*slot && addr_compare(&(*slot)->address, address) != 0)
		slot = &(*slot)->next;
	if (!*slot && table->before)
		*slot = ipam_row_before(p, address);
	return slot;
}

bool vip_is_held(struct planner *p, const struct addr *address)
{
	const struct vip_row *row = *vip_slot(p, address);

	return row && row->holders;
}

struct shared_key *vip_share_slot(const struct planner *p, const struct want *want)
{
	const struct vip_table *table = p->vips;
	const char *cluster = want->service->object.cluster;
	uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), cluster, strlen(cluster) + 1);
	size_t at = hash_end(hash_bytes(hash, want->share, strlen(want->share))) & table->mask;

	// The table has at least twice as many places as there are wants.
	while (table->keys[at].key && (strcmp(table->keys[at].key, want->share) != 0 ||
					      strcmp(table->keys[at].cluster, cluster) != 0))
		at = (at + 1) & table->mask;
	return &table->keys[at];
}

struct vip_row *vip_row_new(
	struct planner *p, const struct addr *address, const struct pool_settings *pool)
{
	struct vip_row *row = arena_take(&p->scratch, sizeof(*row));
	struct vip_row **slot = vip_slot(p, address);

	if (!row)
		return NULL;
	row->address = *address;
	row->pool = pool;
	*slot = row;
	return row;
}

void vip_row_share(struct planner *p, const struct want *want, struct vip_row *row)
{
	struct shared_key *key = vip_share_slot(p, want);

	if (!key->key) {
		key->key = want->share;
		key->cluster = want->service->object.cluster;
		key->tail = &key->rows;
	}
	*key->tail = row;
	key->tail = &row->next_shared;
}

static struct cursor **cursors_make(struct planner *p, bool from_last)
{
	unsigned count = p->settings->pool_count;
	struct cursor **cursors = arena_take_array(&p->scratch, count, sizeof(struct cursor *));

	for (unsigned i = 0; cursors && i < count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		cursors[i] =
			arena_take_array(&p->scratch, pool->range_count, sizeof(struct cursor));
		for (unsigned j = 0; cursors[i] && j < pool->range_count; j++)
			cursors[i][j].next =
				from_last ? pool->ranges[j].last : pool->ranges[j].first;
	}
	return cursors;
}

struct vip_table *vip_table_make(struct planner *p)
{
	struct vip_table *table = arena_take(&p->scratch, sizeof(*table));
	const bool few = p->want_count < p->kept->want_count;
	size_t places = 64;

	while (places < ((size_t)p->want_count + (few ? 0 : p->lease_count)) * 4)
		places *= 2;
	if (!table)
		return NULL;
	table->mask = places - 1;
	table->buckets = arena_take_array(&p->scratch, places, sizeof(struct vip_row *));
	table->keys = arena_take_array(&p->scratch, places, sizeof(*table->keys));
	table->remembered = arena_take_array(&p->scratch, p->lease_count, sizeof(bool));
	table->cursors = cursors_make(p, false);
	table->from_last = cursors_make(p, true);
	return p->scratch.failed ? NULL : table;
}

static unsigned range_count(const struct planner *p)
{
	unsigned count = 0;

	for (unsigned i = 0; i < p->settings->pool_count; i++)
		count += p->settings->pools[i].range_count;
	return count;
}

void vip_cursors_keep(const struct planner *p)
{
	struct cursor *to = realloc(p->kept->cursors, 2 * range_count(p) * sizeof(*to) + 1);

	if (!to)
		return; // the old ones tell of less that is taken
	p->kept->cursors = to;
	for (unsigned i = 0; i < p->settings->pool_count; i++)
		for (unsigned j = 0; j < p->settings->pools[i].range_count; j++) {
			*to++ = p->vips->cursors[i][j];
			*to++ = p->vips->from_last[i][j];
		}
}

void vip_cursors_restore(struct planner *p)
{
	const struct cursor *from = p->kept->cursors;

	for (unsigned i = 0; from && i < p->settings->pool_count; i++)
		for (unsigned j = 0; j < p->settings->pools[i].range_count; j++) {
			p->vips->cursors[i][j] = *from++;
			p->vips->from_last[i][j] = *from++;
		}
}
