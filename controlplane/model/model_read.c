// SPDX-License-Identifier: BSD-3-Clause
// What is read out of a model but for single objects.
#include <stdlib.h>
#include <string.h>

#include "model_internal.h"

size_t model_slices(const struct model *model, const struct object *service,
	const struct endpoint_slice **slices, size_t most)
{
	return slice_index_find(&model->slices, service, slices, most);
}

uint64_t model_changes(const struct model *model)
{
	return model->changes.count;
}

uint64_t model_problem_changes(const struct model *model)
{
	return model->problem_changes;
}

bool model_each_change(const struct model *model, uint64_t since,
	void (*visit)(const struct model_change *change, void *arg), void *arg)
{
	return change_log_each(&model->changes, since, visit, arg);
}

size_t model_count(const struct model *model, enum object_kind kind)
{
	return model->count[kind];
}

static int compare_names(const void *left, const void *right)
{
	const struct object *a = *(const struct object *const *)left;
	const struct object *b = *(const struct object *const *)right;
	int order = strcmp(a->cluster, b->cluster);

	if (!order)
		order = strcmp(a->namespace, b->namespace);
	return order ? order : strcmp(a->name, b->name);
}

void model_list(const struct model *model, enum object_kind kind, const struct object **objects)
{
	size_t count = 0;

	for (size_t i = 0; i <= model->name_mask; i++)
		for (const struct object *o = model->names[i]; o; o = o->next_in_bucket)
			if (o->kind == kind)
				objects[count++] = o;
	if (count > 1)
		qsort(objects, count, sizeof(const struct object *), compare_names);
}

// The losers of a name: each says who won.
static void each_duplicate(const struct object *winner,
	void (*visit)(const struct model_problem *problem, void *arg), void *arg)
{
	for (const struct object *o = winner->next_of_name; o; o = o->next_of_name) {
		struct arena arena = {0};
		const char *won = object_where(winner, &arena);
		struct model_problem problem = {
			.object = arena_format(&arena, "%s %s%s%s/%s", object_kind_name(o->kind),
				o->cluster, *o->namespace ? "/" : "", o->namespace, o->name),
			.where = object_where(o, &arena),
			.text = arena_format(&arena,
				"the same object is in %s, which is used; this one is not: give it "
				"another name or remove it",
				won && *won ? won : winner->origin),
		};

		if (!arena.failed)
			visit(&problem, arg);
		arena_clear(&arena);
	}
}

void model_each_problem(const struct model *model,
	void (*visit)(const struct model_problem *problem, void *arg), void *arg)
{
	for (size_t i = 0; i <= model->origin_mask; i++)
		for (const struct origin *o = model->origins[i]; o; o = o->next)
			for (size_t j = 0; j < o->problem_count; j++)
				visit(&o->problems[j], arg);
	for (size_t i = 0; i <= model->name_mask; i++)
		for (const struct object *o = model->names[i]; o; o = o->next_in_bucket)
			each_duplicate(o, visit, arg);
}

void model_set_memory(struct model *model, const struct model_memory *memory)
{
	model->memory = memory ? *memory : (struct model_memory){0};
}

struct object *model_recall(const struct model *model, enum object_kind kind, const char *cluster,
	const char *namespace, const char *name)
{
	const struct model_memory *memory = &model->memory;

	return memory->recall ? memory->recall(memory->arg, kind, cluster, namespace, name) : NULL;
}
