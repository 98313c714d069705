// SPDX-License-Identifier: BSD-3-Clause
// plan_make(): collects, calls the steps, sorts what came out.
#include "plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

struct owner { // a plan and its memory
	struct plan plan;
	struct part part;
	struct rows tables[ROW_KINDS];
};

static void add_problem(struct planner *p, const struct plan_problem *problem)
{
	struct plan_problem *row = part_add(p->part, ROW_PROBLEM);

	if (row)
		*row = *problem;
}

void problem_add(struct planner *p, enum problem_level level, const struct object *object,
	const char *format, ...)
{
	struct plan_problem problem = {.level = level};
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problem.object = arena_format(p->arena, "%s %s%s%s/%s", object_kind_name(object->kind),
		object->cluster, *object->namespace ? "/" : "", object->namespace, object->name);
	problem.where = (char *)object_where(object, p->arena);
	problem.text = arena_copy(p->arena, text);
	add_problem(p, &problem);
}

static void add_model_problem(const struct model_problem *from, void *arg)
{
	struct planner *p = arg;
	struct plan_problem problem = {
		.level = from->warning ? PROBLEM_WARNING : PROBLEM_ERROR,
		.object = arena_copy(p->arena, from->object),
		.where = arena_copy(p->arena, from->where),
		.text = arena_copy(p->arena, from->text),
	};

	add_problem(p, &problem);
}

static int compare_slices(const void *left, const void *right)
{
	const struct endpoint_slice *a = *(const struct endpoint_slice *const *)left;
	const struct endpoint_slice *b = *(const struct endpoint_slice *const *)right;
	int order = strcmp(a->object.cluster, b->object.cluster);

	if (!order)
		order = strcmp(a->object.namespace, b->object.namespace);
	if (!order)
		order = strcmp(a->service, b->service);
	return order ? order : strcmp(a->object.name, b->object.name);
}

static int compare_leases(const void *left, const void *right)
{
	const struct plan_lease *a = left, *b = right;
	int order = strcmp(a->service, b->service);

	return order ? order : addr_compare(&a->address, &b->address);
}

static void sort(void *rows, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(rows, count, size, compare);
}

// The tables of a plan of one part alone.
static bool tabulate(struct owner *owner)
{
	static const struct rows nothing;
	bool ok = true;

	for (unsigned kind = 0; ok && kind < ROW_KINDS; kind++) {
		struct rows none = {0};

		ok = rows_merge((enum row_kind)kind, &nothing, &none, &owner->part.rows[kind],
			&owner->tables[kind]);
	}
	rows_show(owner->tables, &owner->plan);
	sort(owner->plan.leases, owner->plan.lease_count, sizeof(struct plan_lease),
		compare_leases);
	return ok;
}

static const struct object **list(struct planner *p, enum object_kind kind, size_t *count)
{
	const struct object **objects;

	*count = model_count(p->model, kind);
	objects = arena_take_array(&p->scratch, *count, sizeof(struct object *));
	if (objects)
		model_list(p->model, kind, objects);
	else
		*count = 0;
	return objects;
}

static void make(struct planner *p, const struct plan_lease *leases, unsigned lease_count)
{
	size_t service_count, slice_count;
	const struct object **services = list(p, OBJECT_SERVICE, &service_count);
	const struct object **slices = list(p, OBJECT_ENDPOINT_SLICE, &slice_count);
	struct plan_lease *sorted =
		arena_take_array(&p->scratch, lease_count, sizeof(struct plan_lease));

	p->nodes = list(p, OBJECT_NODE, &p->node_count);
	if (p->scratch.failed)
		return;
	sort(slices, slice_count, sizeof(struct object *), compare_slices);
	if (lease_count)
		memcpy(sorted, leases, lease_count * sizeof(*sorted));
	sort(sorted, lease_count, sizeof(*sorted), compare_leases);
	p->leases = sorted;
	p->lease_count = lease_count;
	model_each_problem(p->model, add_model_problem, p);
	// Slices begin with their object, so an array of pointers to one is one to the other.
	wants_make(p, services, service_count, (const struct endpoint_slice **)slices, slice_count);
	if (p->scratch.failed)
		return;
	ipam_assign(p);
	listeners_make(p);
	routes_make(p);
}

struct plan *plan_make(const struct model *model, const struct settings *settings,
	const struct plan_lease *leases, unsigned lease_count)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	struct planner planner = {.model = model, .settings = settings};

	if (!owner)
		return NULL;
	planner.plan = &owner->plan;
	planner.part = &owner->part;
	planner.arena = &owner->part.arena;
	make(&planner, leases, lease_count);
	if (planner.scratch.failed || owner->part.arena.failed || !tabulate(owner)) {
		plan_free(&owner->plan);
		owner = NULL;
	}
	arena_clear(&planner.scratch);
	return owner ? &owner->plan : NULL;
}

void plan_free(struct plan *plan)
{
	struct owner *owner = (struct owner *)plan; // its first member

	if (!owner)
		return;
	for (unsigned kind = 0; kind < ROW_KINDS; kind++)
		free(owner->tables[kind].list);
	part_clear(&owner->part);
	free(owner);
}
