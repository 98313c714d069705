// SPDX-License-Identifier: BSD-3-Clause
// The index of objects: by name for the plan, by origin for the sources.
//
// Two hash tables. `names` holds one chain element a name, the winner; further objects of that name
// hang behind it in next_of_name, sorted by origin and line. `origins` holds what each file said.
// An object's memory goes when its origin says something else, so nobody keeps pointers into the
// model over a turn of the loop.
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"
#include "told.h"

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3); // "a","b" is not "ab",""
}

static uint64_t hash_end(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t name_hash(
	enum object_kind kind, const char *cluster, const char *namespace, const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) + kind;

	return hash_end(hash_text(hash_text(hash_text(hash, cluster), namespace), name));
}

static uint64_t object_hash(const struct object *object)
{
	return name_hash(object->kind, object->cluster, object->namespace, object->name);
}

static uint64_t origin_hash(const char *cluster, const char *name)
{
	return hash_end(hash_text(hash_text(UINT64_C(0xcbf29ce484222325), cluster), name));
}

struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->name_mask = 255;
	model->origin_mask = 63;
	model->names = calloc(model->name_mask + 1, sizeof(struct object *));
	model->origins = calloc(model->origin_mask + 1, sizeof(struct origin *));
	if (!model->names || !model->origins || !slice_index_make(&model->slices)) {
		model_free(model);
		return NULL;
	}
	return model;
}

static void free_objects(struct object *object)
{
	while (object) {
		struct object *next = object->next_in_origin;

		object_free(object);
		object = next;
	}
}

static void free_origin(struct origin *origin)
{
	free_objects(origin->objects);
	arena_clear(&origin->arena);
	free(origin->cluster);
	free(origin->name);
	free(origin);
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; model->origins && i <= model->origin_mask; i++)
		while (model->origins[i]) {
			struct origin *origin = model->origins[i];

			model->origins[i] = origin->next;
			free_origin(origin);
		}
	free(model->origins);
	free(model->names);
	slice_index_clear(&model->slices);
	change_log_clear(&model->changes);
	free(model);
}

static struct origin **origin_slot(struct model *model, const char *cluster, const char *name)
{
	uint64_t hash = origin_hash(cluster, name);
	struct origin **slot = &model->origins[hash & model->origin_mask];

	while (*slot && ((*slot)->hash != hash || strcmp((*slot)->name, name) != 0 ||
				strcmp((*slot)->cluster, cluster) != 0))
		slot = &(*slot)->next;
	return slot;
}

static void grow_origins(struct model *model)
{
	size_t mask = model->origin_mask * 2 + 1;
	struct origin **bigger = calloc(mask + 1, sizeof(struct origin *));

	if (!bigger)
		return; // slower, not wrong
	for (size_t i = 0; i <= model->origin_mask; i++)
		while (model->origins[i]) {
			struct origin *origin = model->origins[i];

			model->origins[i] = origin->next;
			origin->next = bigger[origin->hash & mask];
			bigger[origin->hash & mask] = origin;
		}
	free(model->origins);
	model->origins = bigger;
	model->origin_mask = mask;
}

static struct origin *origin_make(struct model *model, const char *cluster, const char *name)
{
	struct origin *origin = calloc(1, sizeof(*origin));

	if (!origin)
		return NULL;
	origin->cluster = strdup(cluster);
	origin->name = strdup(name);
	if (!origin->cluster || !origin->name) {
		free_origin(origin);
		return NULL;
	}
	if (model->origin_count > model->origin_mask)
		grow_origins(model);
	origin->hash = origin_hash(cluster, name);
	*origin_slot(model, cluster, name) = origin;
	model->origin_count++;
	return origin;
}

static void origin_drop(struct model *model, struct origin *origin)
{
	*origin_slot(model, origin->cluster, origin->name) = origin->next;
	model->origin_count--;
	model->problem_changes += origin->problem_count != 0;
	free_origin(origin);
}

static bool same_name(const struct object *a, const struct object *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->namespace, b->namespace) == 0 && strcmp(a->cluster, b->cluster) == 0;
}

static bool before(const struct object *a, const struct object *b)
{
	int order = strcmp(a->origin, b->origin);

	return order ? order < 0 : a->line < b->line;
}

static void grow_names(struct model *model)
{
	size_t mask = model->name_mask * 2 + 1;
	struct object **bigger = calloc(mask + 1, sizeof(struct object *));

	if (!bigger)
		return;
	for (size_t i = 0; i <= model->name_mask; i++)
		while (model->names[i]) {
			struct object *object = model->names[i];
			struct object **slot = &bigger[object_hash(object) & mask];

			model->names[i] = object->next_in_bucket;
			object->next_in_bucket = *slot;
			*slot = object;
		}
	free(model->names);
	model->names = bigger;
	model->name_mask = mask;
}

static struct object **name_slot(const struct model *model, const struct object *object)
{
	struct object **slot = &model->names[object_hash(object) & model->name_mask];

	while (*slot && !same_name(*slot, object))
		slot = &(*slot)->next_in_bucket;
	return slot;
}

// The object is the one of its name from now on, or was it until now.
static void winner_changed(struct model *model, struct object *object, bool now)
{
	model->count[object->kind] += now ? 1 : -1;
	change_log_add(&model->changes, object);
	if (object->kind == OBJECT_ENDPOINT_SLICE && now)
		slice_index_add(&model->slices, object);
	else if (object->kind == OBJECT_ENDPOINT_SLICE)
		slice_index_remove(&model->slices, object);
}

static void index_add(struct model *model, struct object *object)
{
	struct object **slot = name_slot(model, object);
	struct object **at = slot;

	object->next_of_name = object->next_in_bucket = NULL;
	if (!*slot) {
		*slot = object;
		winner_changed(model, object, true);
		if (++model->name_count > model->name_mask)
			grow_names(model);
		return;
	}
	model->problem_changes++;
	while (*at && !before(object, *at))
		at = &(*at)->next_of_name;
	if (at == slot) { // the new winner takes its place in the bucket
		winner_changed(model, *slot, false);
		winner_changed(model, object, true);
		object->next_in_bucket = (*slot)->next_in_bucket;
		(*slot)->next_in_bucket = NULL;
	}
	object->next_of_name = *at;
	*at = object;
}

static void index_remove(struct model *model, struct object *object)
{
	struct object **slot = name_slot(model, object);
	struct object **at = slot;

	model->problem_changes += *slot != object || object->next_of_name;
	if (*slot != object) {
		while (*at != object)
			at = &(*at)->next_of_name;
		*at = object->next_of_name;
	} else if (object->next_of_name) {
		winner_changed(model, object, false);
		winner_changed(model, object->next_of_name, true);
		object->next_of_name->next_in_bucket = object->next_in_bucket;
		*slot = object->next_of_name;
	} else {
		*slot = object->next_in_bucket;
		winner_changed(model, object, false);
		model->name_count--;
	}
}

static int copy_problems(struct arena *arena, struct model_problem **copies,
	const struct model_problem *problems, size_t count)
{
	*copies = arena_take_array(arena, count, sizeof(**copies));
	for (size_t i = 0; *copies && i < count; i++)
		(*copies)[i] = (struct model_problem){
			.object = arena_copy(arena, problems[i].object),
			.where = arena_copy(arena, problems[i].where),
			.text = arena_copy(arena, problems[i].text),
			.warning = problems[i].warning,
		};
	if (arena->failed) {
		arena_clear(arena);
		return -ENOMEM;
	}
	return 0;
}

static int set_problems(struct model *model, struct origin *origin,
	const struct model_problem *problems, size_t problem_count)
{
	struct arena arena = {0};
	struct model_problem *copies;

	if (copy_problems(&arena, &copies, problems, problem_count) < 0)
		return -ENOMEM;
	model->problem_changes += origin->problem_count || problem_count;
	arena_clear(&origin->arena);
	origin->arena = arena;
	origin->problems = copies;
	origin->problem_count = problem_count;
	return 0;
}

static void take_out(struct model *model, struct origin *origin)
{
	for (struct object *object = origin->objects; object; object = object->next_in_origin)
		index_remove(model, object);
	free_objects(origin->objects);
	origin->objects = NULL;
}

// Of a Service only: which address it has may have been decided elsewhere.
static void take_status(struct model *model, struct object *object, const struct object *newer)
{
	bool moved =
		memcmp(object->status.said, newer->status.said, sizeof(object->status.said)) != 0;

	object->told = newer->told;
	memcpy(object->status.version, newer->status.version, sizeof(object->status.version));
	memcpy(object->status.said, newer->status.said, sizeof(object->status.said));
	if (moved && object->kind == OBJECT_SERVICE)
		change_log_add(&model->changes, object);
}

int model_replace(struct model *model, const char *cluster, const char *name,
	struct object *const *objects, size_t count, const struct model_problem *problems,
	size_t problem_count) // house: two arrays with their counts; a struct would be used once
{
	struct origin *origin = *origin_slot(model, cluster, name);
	bool made = false;

	if (origin && count == 1 && !problem_count && !origin->problem_count && origin->objects &&
		!origin->objects->next_in_origin && objects[0] != origin->objects &&
		told_only(origin->objects, objects[0])) {
		take_status(model, origin->objects, objects[0]);
		object_free(objects[0]);
		return 0;
	}
	if (!origin && (count || problem_count)) {
		origin = origin_make(model, cluster, name);
		made = true;
	}
	if (!origin && !count && !problem_count)
		return 0;
	if (!origin || set_problems(model, origin, problems, problem_count) < 0) {
		if (origin && made)
			origin_drop(model, origin);
		for (size_t i = 0; i < count; i++)
			if (!origin || objects[i]->origin != origin->name)
				object_free(objects[i]);
		return -ENOMEM;
	}
	// Those that stay are taken out of the old list first, so that they are not freed with it.
	for (struct object *object = origin->objects; object; object = object->next_in_origin)
		object->stays = false;
	for (size_t i = 0; i < count; i++)
		objects[i]->stays = objects[i]->origin == origin->name;
	for (struct object **at = &origin->objects; *at;) {
		struct object *object = *at;

		index_remove(model, object);
		if (object->stays)
			*at = object->next_in_origin;
		else
			at = &object->next_in_origin;
	}
	free_objects(origin->objects);
	origin->objects = NULL;
	for (size_t i = 0; i < count; i++) {
		objects[i]->origin = origin->name;
		objects[i]->next_in_origin = origin->objects;
		origin->objects = objects[i];
		index_add(model, objects[i]);
	}
	if (!count && !problem_count)
		origin_drop(model, origin);
	return 0;
}

int model_set_problems(struct model *model, const char *cluster, const char *name,
	const struct model_problem *problems, size_t problem_count)
{
	struct origin *origin = *origin_slot(model, cluster, name);

	if (!origin && problem_count == 0)
		return 0;
	if (!origin)
		return model_replace(model, cluster, name, NULL, 0, problems, problem_count);
	if (problem_count == 0 && !origin->objects) {
		origin_drop(model, origin);
		return 0;
	}
	return set_problems(model, origin, problems, problem_count);
}

void model_forget(struct model *model, const char *cluster)
{
	for (size_t i = 0; i <= model->origin_mask; i++) {
		struct origin **slot = &model->origins[i];

		while (*slot) {
			struct origin *origin = *slot;

			if (strcmp(origin->cluster, cluster) != 0) {
				slot = &origin->next;
				continue;
			}
			take_out(model, origin);
			*slot = origin->next;
			model->origin_count--;
			model->problem_changes += origin->problem_count != 0;
			free_origin(origin);
		}
	}
}

static struct object *find(const struct model *model, enum object_kind kind, const char *cluster,
	const char *namespace, const char *name)
{
	const struct object key = {
		.kind = kind, .cluster = cluster, .namespace = namespace, .name = name};

	return *name_slot(model, &key);
}

const struct object *model_find(const struct model *model, enum object_kind kind,
	const char *cluster, const char *namespace, const char *name)
{
	return find(model, kind, cluster, namespace, name);
}

// house: a name has four parts
const struct object *model_find_in(const struct model *model, const char *origin,
	enum object_kind kind, const char *cluster, const char *namespace, const char *name)
{
	const struct object *object = find(model, kind, cluster, namespace, name);

	while (object && strcmp(object->origin, origin) != 0)
		object = object->next_of_name;
	return object;
}
