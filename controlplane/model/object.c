// SPDX-License-Identifier: BSD-3-Clause
// Objects one by one: made by decoders, read by the plan.
#include <string.h>

#include "ingress.h"
#include "model.h"
#include "secret.h"

static const struct {
	const char *name;
	size_t size;
} kinds[OBJECT_KINDS] = {
	[OBJECT_SERVICE] = {"Service", sizeof(struct service)},
	[OBJECT_ENDPOINT_SLICE] = {"EndpointSlice", sizeof(struct endpoint_slice)},
	[OBJECT_NODE] = {"Node", sizeof(struct node)},
	[OBJECT_INGRESS] = {"Ingress", sizeof(struct ingress)},
	[OBJECT_INGRESS_CLASS] = {"IngressClass", sizeof(struct ingress_class)},
	[OBJECT_SECRET] = {"Secret", sizeof(struct secret)},
};

const char *object_kind_name(enum object_kind kind)
{
	return kinds[kind].name;
}

struct object *object_new(
	enum object_kind kind, const char *cluster, const char *namespace, const char *name)
{
	struct arena arena = {0};
	struct object *object = arena_take(&arena, kinds[kind].size);

	if (!object)
		return NULL;
	object->kind = kind;
	object->created = INT64_MAX;
	object->cluster = arena_copy(&arena, cluster);
	object->namespace = arena_copy(&arena, namespace);
	object->name = arena_copy(&arena, name);
	object->origin = "";
	if (arena.failed) {
		arena_clear(&arena);
		return NULL;
	}
	object->arena = arena;
	return object;
}

void object_free(struct object *object)
{
	struct arena arena;

	if (!object)
		return;
	arena = object->arena; // it holds the object itself
	arena_clear(&arena);
}

const char *object_annotation(const struct object *object, const char *key)
{
	for (unsigned i = 0; i < object->annotation_count; i++)
		if (strcmp(object->annotations[i].key, key) == 0)
			return object->annotations[i].value;
	return NULL;
}

const char *object_where(const struct object *object, struct arena *arena)
{
	if (object->line == 0)
		return arena_copy(arena, "");
	return arena_format(arena, "%s:%u", object->origin, object->line);
}
