// SPDX-License-Identifier: BSD-3-Clause
// Step 1: what Services ask for, of those that may ask for something else than before.
#include <stdlib.h>
#include <string.h>

#include "planning.h"

static void carry_over(struct want *want, const struct want *old)
{
	want->told = old->told;
	want->served = old->served;
	want->share_group = old->share_group;
	want->in_want = old->in_want;
	want->endpoint_count = old->endpoint_count;
	want->listener_count = old->listener_count;
	for (unsigned i = 0; i < FAMILIES; i++) {
		want->family[i].got = old->family[i].got;
		want->family[i].failed = old->family[i].failed;
		want->family[i].address = old->family[i].address;
	}
}

static bool forget(struct planner *p, struct want *want)
{
	struct planning *g = p->kept;
	bool ok = planning_remove(g, want->told);

	ok &= planning_remove(g, want->served);
	g->endpoint_count -= want->endpoint_count;
	g->listener_count -= want->listener_count;
	p->reassign = true;
	p->want_ended |= want->in_want;
	p->dnat_changed |= want->mode == MODE_DNAT;
	for (unsigned i = 0; want->placing && i < p->placing_count; i++)
		if (p->placing[i] == want)
			p->placing[i--] = p->placing[--p->placing_count];
	for (unsigned i = 0; i < FAMILIES; i++)
		if (want->family[i].got) {
			p->left = arena_grow(&p->scratch, p->left, p->left_count, sizeof(*p->left));
			if (p->left)
				p->left[p->left_count++] = want->family[i].address;
		}
	planning_drop(g, want);
	return ok;
}

static bool ask(struct planner *p, const struct service *service, struct want *old)
{
	struct want *want;

	if (!part_begin(p))
		return false;
	want = want_make(p, service);
	if (!want) {
		part_free(p->part);
		return false;
	}
	check_read(p, want);
	want->slices = NULL;
	want->made_for = p->kept->number + 1;
	want->waits = true;
	p->dnat_changed |= want->mode == MODE_DNAT || (old && old->mode == MODE_DNAT);
	if (old)
		carry_over(want, old);
	want->placing = !old || !want_asks_same(want, old) || ipam_is_elsewhere(want);
	p->reassign |= want->placing;
	want->placing |= old && old->lease_changed;
	if (!planning_put(p->kept, want)) {
		part_free(p->part);
		return false;
	}
	if (want->placing) {
		p->placing = arena_grow(
			&p->scratch, p->placing, p->placing_count, sizeof(struct want *));
		if (p->placing)
			p->placing[p->placing_count++] = want;
	}
	return part_replace(p, &want->told);
}

static bool ask_again(
	struct planner *p, const char *cluster, const char *namespace, const char *name)
{
	const struct service *service = (const struct service *)model_find(
		p->model, OBJECT_SERVICE, cluster, namespace, name);
	char *full = arena_format(&p->scratch, "%s/%s/%s", cluster, namespace, name);
	struct want *old = full ? planning_find(p->kept, full) : NULL;

	if (!full)
		return false;
	if (old && old->made_for == p->kept->number + 1)
		return true; // already
	if (!service || !want_is_ours(p, service))
		return !old || forget(p, old);
	return ask(p, service, old);
}

static void on_change(const struct model_change *change, void *arg)
{
	struct planner *p = arg;
	bool ok = true;

	switch (change->kind) {
	case OBJECT_NODE:
		p->nodes_changed = true;
		break;
	case OBJECT_SERVICE:
	case OBJECT_ENDPOINT_SLICE:
		ok = front_service_changed(p, change) &&
		     ask_again(p, change->cluster, change->namespace, change->name);
		break;
	case OBJECT_INGRESS:
	case OBJECT_INGRESS_CLASS:
	case OBJECT_SECRET:
		ok = front_object_changed(p, change);
		break;
	}
	p->scratch.failed |= !ok;
}

bool step_ask_front(struct planner *p, const struct service *service)
{
	struct want *old =
		planning_find(p->kept, SETTINGS_OWN_SOURCE "/" SETTINGS_OWN_SOURCE "/ingress");

	if (!service)
		return !old || forget(p, old);
	return old ? true : ask(p, service, NULL);
}

bool step_ask_all(struct planner *p)
{
	size_t count = model_count(p->model, OBJECT_SERVICE);
	const struct object **services =
		arena_take_array(&p->scratch, count, sizeof(struct object *));

	if (!services)
		return false;
	model_list(p->model, OBJECT_SERVICE, services);
	p->nodes_changed = p->reassign = true;
	for (size_t i = 0; i < count; i++) {
		const struct service *service = (const struct service *)services[i];

		if (want_is_ours(p, service) && !ask(p, service, NULL))
			return false;
	}
	qsort(p->kept->by_age, p->kept->want_count, sizeof(struct want *), want_compare_ages);
	p->kept->ages_sorted = true;
	return true;
}

// Those of which the last plan moved the lease: they may ask for something else now.
static bool ask_moved(struct planner *p)
{
	struct planning *g = p->kept;

	for (unsigned i = 0; g->leases_moved && i < g->want_count; i++) {
		struct want *want = g->by_age[i];

		if (want->lease_changed && want->made_for != g->number + 1 &&
			!ask(p, want->service, want))
			return false;
	}
	return true;
}

bool step_ask_changed(struct planner *p)
{
	struct planning *g = p->kept;

	return model_each_change(p->model, g->changes_seen, on_change, p) && !p->scratch.failed &&
	       ask_moved(p);
}
