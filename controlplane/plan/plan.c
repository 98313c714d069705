// SPDX-License-Identifier: BSD-3-Clause
// plan_make(): collects, calls the steps, sorts what came out.
#include "plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

struct owner { // a plan and its memory
	struct plan plan;
	struct arena arena;
};

static void add_problem(struct planner *p, const struct plan_problem *problem)
{
	struct plan *plan = p->plan;

	plan->problems =
		arena_grow(p->arena, plan->problems, plan->problem_count, sizeof(*plan->problems));
	if (plan->problems)
		plan->problems[plan->problem_count++] = *problem;
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

static int compare_vips(const void *left, const void *right)
{
	const struct plan_vip *a = left, *b = right;

	return addr_compare(&a->address, &b->address);
}

static int compare_listeners(const void *left, const void *right)
{
	const struct plan_listener *a = left, *b = right;
	int order = addr_compare(&a->vip, &b->vip);

	if (!order)
		order = a->protocol - b->protocol;
	return order ? order : a->port - b->port;
}

static int compare_pools(const void *left, const void *right)
{
	const struct plan_pool *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static int compare_routes(const void *left, const void *right)
{
	const struct plan_route *a = left, *b = right;
	int order = addr_compare(&a->to.addr, &b->to.addr);

	return order ? order : a->to.length - b->to.length;
}

static int compare_problems(const void *left, const void *right)
{
	const struct plan_problem *a = left, *b = right;
	int order = strcmp(a->object, b->object);

	if (!order)
		order = strcmp(a->where, b->where);
	return order ? order : strcmp(a->text, b->text);
}

static void sort(void *rows, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(rows, count, size, compare);
}

static void sort_all(struct plan *plan)
{
	sort(plan->vips, plan->vip_count, sizeof(*plan->vips), compare_vips);
	sort(plan->listeners, plan->listener_count, sizeof(*plan->listeners), compare_listeners);
	sort(plan->pools, plan->pool_count, sizeof(*plan->pools), compare_pools);
	sort(plan->routes, plan->route_count, sizeof(*plan->routes), compare_routes);
	sort(plan->problems, plan->problem_count, sizeof(*plan->problems), compare_problems);
	sort(plan->leases, plan->lease_count, sizeof(*plan->leases), compare_leases);
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
	planner.arena = &owner->arena;
	make(&planner, leases, lease_count);
	if (planner.scratch.failed || owner->arena.failed) {
		plan_free(&owner->plan);
		owner = NULL;
	} else {
		sort_all(&owner->plan);
	}
	arena_clear(&planner.scratch);
	return owner ? &owner->plan : NULL;
}

void plan_free(struct plan *plan)
{
	struct owner *owner = (struct owner *)plan; // its first member

	if (!owner)
		return;
	arena_clear(&owner->arena);
	free(owner);
}
