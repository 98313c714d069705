// SPDX-License-Identifier: BSD-3-Clause
#include "slice_index.h"

#include <stdlib.h>
#include <string.h>

static uint64_t add_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static uint64_t hash_of(const char *cluster, const char *namespace, const char *service)
{
	uint64_t hash = add_text(UINT64_C(0xcbf29ce484222325), cluster);

	hash = add_text(add_text(hash, namespace), service);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t slice_hash(const struct object *slice)
{
	return hash_of(
		slice->cluster, slice->namespace, ((const struct endpoint_slice *)slice)->service);
}

bool slice_index_make(struct slice_index *index)
{
	index->mask = 255;
	index->buckets = calloc(index->mask + 1, sizeof(struct object *));
	return index->buckets;
}

static void grow(struct slice_index *index)
{
	size_t mask = index->mask * 2 + 1;
	struct object **bigger = calloc(mask + 1, sizeof(struct object *));

	if (!bigger)
		return; // slower, not wrong
	for (size_t i = 0; i <= index->mask; i++)
		while (index->buckets[i]) {
			struct object *slice = index->buckets[i];
			struct object **slot = &bigger[slice_hash(slice) & mask];

			index->buckets[i] = slice->next_of_service;
			slice->next_of_service = *slot;
			*slot = slice;
		}
	free(index->buckets);
	index->buckets = bigger;
	index->mask = mask;
}

void slice_index_add(struct slice_index *index, struct object *slice)
{
	struct object **slot;

	if (++index->count > index->mask)
		grow(index);
	slot = &index->buckets[slice_hash(slice) & index->mask];
	slice->next_of_service = *slot;
	*slot = slice;
}

void slice_index_remove(struct slice_index *index, struct object *slice)
{
	struct object **slot = &index->buckets[slice_hash(slice) & index->mask];

	while (*slot != slice)
		slot = &(*slot)->next_of_service;
	*slot = slice->next_of_service;
	index->count--;
}

static int compare_names(const void *left, const void *right)
{
	const struct endpoint_slice *a = *(const struct endpoint_slice *const *)left;
	const struct endpoint_slice *b = *(const struct endpoint_slice *const *)right;

	return strcmp(a->object.name, b->object.name);
}

size_t slice_index_find(const struct slice_index *index, const struct object *service,
	const struct endpoint_slice **slices, size_t most)
{
	uint64_t hash = hash_of(service->cluster, service->namespace, service->name);
	size_t count = 0;

	for (const struct object *o = index->buckets[hash & index->mask]; o;
		o = o->next_of_service) {
		const struct endpoint_slice *slice = (const struct endpoint_slice *)o;

		if (strcmp(slice->service, service->name) != 0 ||
			strcmp(o->namespace, service->namespace) != 0 ||
			strcmp(o->cluster, service->cluster) != 0)
			continue;
		if (count < most)
			slices[count] = slice;
		count++;
	}
	if (count > 1 && count <= most)
		qsort(slices, count, sizeof(const struct endpoint_slice *), compare_names);
	return count;
}

void slice_index_clear(struct slice_index *index)
{
	free(index->buckets);
	*index = (struct slice_index){0};
}
