// SPDX-License-Identifier: BSD-3-Clause
// plan_make() and plan_next(): finds out what of the steps must be made again, and calls them.
//
//	a Service or its EndpointSlices changed     what it asks for, then its listeners and pools
//	what any Service asks for, or the leases    who gets which address, and what got another
//	a node, as far as the plan reads it         routes, and the Services of its cluster
//	the rules that Services have in common      those in mode dnat, when they differ in affinity
//	an Ingress, a Secret, a Service that is named   what the proxy serves of it (front.h)
//	there is no room for everything             everything, in order of age
//
// A step is left out only when all that it reads is what it was, so that the plan is the one that
// would be made of nothing.
#include "plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "planning.h"

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
	if (strcmp(object->cluster, SETTINGS_OWN_SOURCE) == 0)
		problem.object = arena_copy(p->arena, "the address of the Ingresses");
	else
		problem.object = arena_format(p->arena, "%s %s%s%s/%s",
			object_kind_name(object->kind), object->cluster,
			*object->namespace ? "/" : "", object->namespace, object->name);
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

bool part_begin(struct planner *p)
{
	p->part = part_new();
	p->arena = p->part ? &p->part->arena : NULL;
	return p->part;
}

bool part_replace(struct planner *p, struct part **place)
{
	struct part *old = *place;
	bool ok;

	*place = p->part;
	ok = planning_remove(p->kept, old);
	return planning_add(p->kept, *place) && ok;
}

// What is wrong with objects by themselves.
static bool step_objects(struct planner *p)
{
	struct planning *g = p->kept;

	if (g->objects && g->problems_seen == model_problem_changes(p->model))
		return true;
	if (!part_begin(p))
		return false;
	model_each_problem(p->model, add_model_problem, p);
	g->problems_seen = model_problem_changes(p->model);
	return part_replace(p, &g->objects);
}

static bool read_leases(struct planner *p, const struct plan_lease *leases, unsigned lease_count)
{
	struct plan_lease *sorted =
		arena_take_array(&p->scratch, lease_count, sizeof(struct plan_lease));

	if (!sorted)
		return false;
	if (lease_count)
		memcpy(sorted, leases, lease_count * sizeof(*sorted));
	leases_sort(sorted, lease_count);
	p->leases = sorted;
	p->lease_count = lease_count;
	return true;
}

static bool knows(const struct planner *p, const struct plan_lease *leases, unsigned lease_count)
{
	const struct planning *g = p->kept;

	return g->model == p->model && g->settings == p->settings && g->leases == leases &&
	       g->lease_count == lease_count;
}

static bool make(struct planner *p, const struct plan_lease *leases, unsigned lease_count)
{
	struct planning *g = p->kept;
	bool known = knows(p, leases, lease_count);

	planning_begin(g);
	if (known) {
		p->leases = leases;
		p->lease_count = lease_count;
		p->endpoint_count = g->endpoint_count;
		p->listener_count = g->listener_count;
		known = step_ask_changed(p);
	}
	if (!known) { // or it is too long ago
		planning_clear(g);
		g->model = p->model;
		g->settings = p->settings;
		p->endpoint_count = p->listener_count = p->loose_count = 0;
		p->loose = NULL;
		p->front_changed = false;
		if (!read_leases(p, leases, lease_count) || !step_ask_all(p))
			return false;
	}
	g->changes_seen = model_changes(p->model);
	return step_front_ask(p) && step_assign(p) && step_nodes(p) && step_serve(p) &&
	       step_front(p) && step_objects(p) && !p->scratch.failed && planning_tabulate(g);
}

struct plan *plan_next(struct planning *planning, const struct model *model,
	const struct settings *settings, const struct plan_lease *leases, unsigned lease_count)
{
	struct planner planner = {.kept = planning, .model = model, .settings = settings};
	struct plan *plan = NULL;

	if (make(&planner, leases, lease_count))
		plan = planning_give(planning);
	if (!plan)
		planning_clear(planning);
	arena_clear(&planner.scratch);
	return plan;
}

struct plan *plan_make(const struct model *model, const struct settings *settings,
	const struct plan_lease *leases, unsigned lease_count)
{
	struct planning *planning = planning_new();
	struct plan *plan = NULL;

	if (planning)
		plan = plan_next(planning, model, settings, leases, lease_count);
	planning_free(planning);
	return plan;
}
