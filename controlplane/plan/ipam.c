// SPDX-License-Identifier: BSD-3-Clause
// Who gets which address.
//
// Four rounds over the Services in order of age; what a round gives no later one takes away:
//
//	1. what each has already (its lease), as long as it may have it and asks for nothing else
//	2. what each asks for by address
//	3. what each had, when it asks for an address it cannot have: a mistake does not cut it off
//	4. for the others the first free address of the first pool
//
// The lease of a Service that is gone is remembered for as long as nobody else needs its address:
// who comes back, be it in another order after a restart, finds what it had. A new Service gets
// such an address only by asking for it, or when no other is left.
//
// In the end it is told who got nothing, by then against all that is held.
//
// An address is shared by Services with the same key (metallb.io/allow-shared-ip) of one cluster,
// or by those of one namespace that all ask for that very address, as long as no protocol and port
// is used twice.
#include <string.h>

#include "plan_internal.h"
#include "vip_table.h"

#define REMEMBERED_MAX 4096

static bool may_use(const struct planner *p, const struct want *want, unsigned i)
{
	return (!want->open || want->open[i]) &&
	       (!want->pool || want->pool == &p->settings->pools[i]);
}

// Without being asked for by name or address.
static bool may_use_unasked(const struct planner *p, const struct want *want, unsigned i)
{
	return may_use(p, want, i) && (p->settings->pools[i].auto_assign || want->pool);
}

static const struct pool_settings *pool_of(
	const struct planner *p, const struct want *want, const struct addr *address)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		if (!may_use(p, want, i))
			continue;
		for (unsigned j = 0; j < pool->range_count; j++)
			if (range_contains(&pool->ranges[j], address))
				return pool;
	}
	return NULL;
}

bool ipam_may_give(const struct planner *p, const struct addr *address)
{
	static const struct want anybody;

	return pool_of(p, &anybody, address);
}

bool ipam_has_family(const struct planner *p, const struct want *want, unsigned family)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		for (unsigned j = 0; may_use_unasked(p, want, i) && j < pool->range_count; j++)
			if (family_of(&pool->ranges[j].first) == family)
				return true;
	}
	return false;
}

// The first of the Service's leases, or where it would be.
static unsigned first_lease(const struct planner *p, const char *service)
{
	unsigned low = 0, high = p->lease_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (strcmp(p->leases[middle].service, service) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct plan_lease *ipam_lease(
	const struct planner *p, const struct want *want, unsigned family)
{
	for (unsigned at = first_lease(p, want->name);
		at < p->lease_count && strcmp(p->leases[at].service, want->name) == 0; at++)
		if (family_of(&p->leases[at].address) == family)
			return &p->leases[at];
	return NULL;
}

static bool asks_for(const struct want *want, const struct addr *address)
{
	unsigned family = family_of(address);

	return want->family[family].requested &&
	       addr_compare(&want->family[family].request, address) == 0;
}

static bool same_namespace(const struct want *a, const struct want *b)
{
	const struct object *x = &a->service->object, *y = &b->service->object;

	return strcmp(x->namespace, y->namespace) == 0 && strcmp(x->cluster, y->cluster) == 0;
}

// Why `want` cannot be on the address beside `other`, or NULL.
static const char *objection(struct planner *p, const struct want *want, const struct want *other,
	const struct addr *address)
{
	bool same_cluster =
		strcmp(want->service->object.cluster, other->service->object.cluster) == 0;
	bool by_key = *want->share && same_cluster && strcmp(want->share, other->share) == 0;
	bool by_request = !*want->share && !*other->share && same_namespace(want, other) &&
			  asks_for(want, address) && asks_for(other, address);
	char text[ADDR_TEXT];

	// The Ingresses' address is for every Service that asks for it, and where sluice.conf says
	// which it is, for those that have it already.
	by_request |= (want->front || other->front) &&
		      (asks_for(want, address) || asks_for(other, address));
	if (!by_key && !by_request && other->front)
		return arena_format(&p->scratch,
			"%s is that of the Ingresses; to share it ask for it by "
			"metallb.io/loadBalancerIPs",
			addr_format(address, text));
	if (!same_cluster && !by_request)
		return arena_format(&p->scratch,
			"%s is held by Service %s, of another cluster; what several clusters serve "
			"together is said by `shares` in sluice.conf",
			addr_format(address, text), other->name);
	if (!by_key && !by_request)
		return arena_format(&p->scratch,
			"%s is held by Service %s; to share it give both the same annotation "
			"metallb.io/allow-shared-ip",
			addr_format(address, text), other->name);
	for (unsigned i = 0; i < want->port_count; i++)
		for (unsigned j = 0; j < other->port_count; j++)
			if (want->ports[i].port == other->ports[j].port &&
				want->ports[i].protocol == other->ports[j].protocol)
				return arena_format(&p->scratch, "%s port %u of %s is used by %s%s",
					want->ports[i].protocol == IPPROTO_TCP ? "TCP" : "UDP",
					want->ports[i].port, addr_format(address, text),
					other->front ? "the Ingresses" : "Service ",
					other->front ? "" : other->name);
	return NULL;
}

static void hold(struct planner *p, struct want *want, struct vip_row *row)
{
	struct holder *holder = arena_take(&p->scratch, sizeof(*holder));
	unsigned family = family_of(&row->address);

	if (!holder)
		return;
	if (!row->holders) {
		p->vips->count++;
		if (*want->share)
			vip_row_share(p, want, row);
	}
	*holder = (struct holder){want, row->holders};
	row->holders = holder;
	want->family[family].got = true;
	want->family[family].address = row->address;
}

// Why the Service cannot have the address as things stand, or NULL.
static const char *refusal(struct planner *p, const struct want *want, const struct addr *address)
{
	const struct vip_row *row = *vip_slot(p, address);
	const char *why = NULL, *by = "";
	static const struct want anybody;
	char text[ADDR_TEXT];

	addr_format(address, text);
	if (!pool_of(p, want, address)) {
		const struct pool_settings *pool = pool_of(p, &anybody, address);

		if (!pool)
			return arena_format(&p->scratch, "%s is in no pool of sluice.conf", text);
		return want->pool && want->pool != pool
			       ? arena_format(&p->scratch, "%s is not in pool %s", text,
					 want->pool->name)
			       : arena_format(&p->scratch,
					 "%s is in pool %s, which is for other clusters, "
					 "namespaces or labels",
					 text, pool->name);
	}
	// Of several the first by name is told: in what order they came must not show.
	for (const struct holder *h = row ? row->holders : NULL; h; h = h->next) {
		const char *objects = objection(p, want, h->want, address);

		if (objects && (!why || strcmp(h->want->name, by) < 0)) {
			why = objects;
			by = h->want->name;
		}
	}
	if (!why && (!row || !row->holders) && p->vips->count >= SLUICE_VIPS_MAX)
		why = "there are as many VIPs as there can be";
	return why;
}

// Gives the address when it may be given.
static bool give(struct planner *p, struct want *want, const struct addr *address)
{
	struct vip_row *row = *vip_slot(p, address);

	if (refusal(p, want, address))
		return false;
	if (!row)
		row = vip_row_new(p, address, pool_of(p, want, address));
	if (row)
		hold(p, want, row);
	return row != NULL;
}

// Round 1 and 3.
static void give_leased(struct planner *p, struct want *want, unsigned family, bool whatever_asked)
{
	const struct plan_lease *lease;

	if (want->family[family].got || !want->family[family].wanted)
		return;
	lease = ipam_lease(p, want, family);
	if (!lease)
		return;
	if (!whatever_asked && want->family[family].requested &&
		addr_compare(&want->family[family].request, &lease->address) != 0)
		return;
	if (!whatever_asked && want->refused)
		return;
	give(p, want, &lease->address);
}

// Round 2.
static void give_requested(struct planner *p, struct want *want, unsigned family)
{
	if (want->family[family].requested && want->family[family].wanted && !want->refused &&
		!want->family[family].got)
		want->family[family].failed = !give(p, want, &want->family[family].request);
}

static bool give_shared(struct planner *p, struct want *want, unsigned family)
{
	struct shared_key *key = *want->share ? vip_share_slot(p, want) : NULL;

	for (struct vip_row *row = key ? key->rows : NULL; row; row = row->next_shared)
		if (family_of(&row->address) == family &&
			may_use_unasked(p, want, (unsigned)(row->pool - p->settings->pools)) &&
			give(p, want, &row->address))
			return true;
	return false;
}

// From those who are gone, when nothing else is left.
static void give_remembered(struct planner *p, struct want *want, unsigned family)
{
	for (unsigned i = 0; i < p->lease_count; i++) {
		const struct addr *address = &p->leases[i].address;
		const struct pool_settings *pool = NULL;

		if (p->vips->remembered[i] && family_of(address) == family &&
			!vip_is_held(p, address))
			pool = pool_of(p, want, address);
		if (pool && may_use_unasked(p, want, (unsigned)(pool - p->settings->pools)) &&
			give(p, want, address))
			return;
	}
}

static bool give_free(struct planner *p, struct want *want, unsigned family)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		if (!may_use_unasked(p, want, i))
			continue;
		for (unsigned j = 0; j < pool->range_count; j++) {
			const struct range_settings *range = &pool->ranges[j];
			struct cursor *cursor = &p->vips->cursors[i][j];

			if (family_of(&range->first) != family)
				continue;
			// Nothing is given back while a plan is made: what was passed stays taken.
			while (!cursor->end && *vip_slot(p, &cursor->next)) {
				cursor->end = addr_compare(&cursor->next, &range->last) == 0;
				cursor->next = addr_next(&cursor->next);
			}
			if (!cursor->end)
				return give(p, want, &cursor->next);
		}
	}
	return false;
}

static bool all_open(const struct planner *p, const struct want *want)
{
	bool all = true;

	for (unsigned i = 0; i < p->settings->pool_count; i++)
		all = all && may_use_unasked(p, want, i);
	return all;
}

static void tell_failure(struct planner *p, const struct want *want, unsigned family)
{
	const struct object *object = &want->service->object;
	char text[ADDR_TEXT];
	char stays[ADDR_TEXT + 40] = "no address is given";

	if (want->family[family].got)
		snprintf(stays, sizeof(stays), "until then it stays at %s",
			addr_format(&want->family[family].address, text));
	if (want->family[family].failed)
		problem_add(p, PROBLEM_ERROR, object,
			"the address asked for cannot be given: %s; %s",
			refusal(p, want, &want->family[family].request), stays);
	else if (!want->family[family].got && !want->refused && want->family[family].required)
		problem_add(p, PROBLEM_ERROR, object,
			"no %s address is given: %s%s has %s %s address", family_name(family),
			want->pool          ? "pool "
			: all_open(p, want) ? "no pool of sluice.conf"
					    : "no pool of sluice.conf that is for it",
			want->pool ? want->pool->name : "",
			!want->pool                        ? "a free"
			: ipam_has_family(p, want, family) ? "no free"
							   : "no",
			family_name(family));
}

// Round 4.
static void give_any(struct planner *p, struct want *want, unsigned family)
{
	if (!want->family[family].wanted)
		return;
	if (!want->family[family].got && !want->family[family].requested && !want->refused &&
		!give_shared(p, want, family) && !give_free(p, want, family))
		give_remembered(p, want, family);
}

static void add_vip(struct planner *p, const struct vip_row *row)
{
	struct plan_vip *vip = part_add(p->part, ROW_VIP);

	if (!vip)
		return;
	vip->address = row->address;
	vip->pool = arena_copy(p->arena, row->pool->name);
	vip->interface_count = row->pool->interface_count;
	vip->interfaces = arena_take_array(p->arena, vip->interface_count, sizeof(char *));
	for (unsigned i = 0; vip->interfaces && i < vip->interface_count; i++)
		vip->interfaces[i] = arena_copy(p->arena, row->pool->interfaces[i]);
	vip->service_count = 0;
	vip->services = NULL;
	for (const struct holder *h = row->holders; h; h = h->next) {
		unsigned at = vip->service_count;
		char *name = arena_copy(p->arena, h->want->name);

		vip->services = arena_grow(p->arena, vip->services, at, sizeof(char *));
		if (!vip->services || !name)
			return;
		for (; at > 0 && strcmp(vip->services[at - 1], name) > 0; at--)
			vip->services[at] = vip->services[at - 1];
		vip->services[at] = name;
		vip->service_count++;
	}
	vip->shared = vip->service_count > 1;
}

static void add_lease(struct planner *p, const char *service, const struct addr *address)
{
	p->next_leases =
		arena_grow(p->arena, p->next_leases, p->next_lease_count, sizeof(*p->next_leases));
	if (p->next_leases)
		p->next_leases[p->next_lease_count++] =
			(struct plan_lease){arena_copy(p->arena, service), *address};
}

// Before round 4, so that it passes them over: the leases of those who are gone.
static void remember(struct planner *p)
{
	static const struct want anybody;
	bool *remembered = p->vips->remembered;
	unsigned count = 0;

	for (unsigned i = 0; i < p->lease_count; i++)
		remembered[i] = true;
	for (unsigned i = 0; i < p->want_count; i++) {
		const struct want *want = p->wants[i];

		for (unsigned at = first_lease(p, want->name);
			want->port_count && at < p->lease_count &&
			strcmp(p->leases[at].service, want->name) == 0;
			at++)
			remembered[at] = false;
	}
	for (unsigned i = 0; i < p->lease_count; i++) {
		const struct addr *address = &p->leases[i].address;
		const struct pool_settings *pool =
			remembered[i] ? pool_of(p, &anybody, address) : NULL;

		remembered[i] = pool && !vip_is_held(p, address) && count < REMEMBERED_MAX;
		if (!remembered[i])
			continue;
		count++;
		if (!*vip_slot(p, address))
			vip_row_new(p, address, pool);
	}
}

static void add_remembered(struct planner *p)
{
	for (unsigned i = 0; i < p->lease_count; i++)
		if (p->vips->remembered[i] && !vip_is_held(p, &p->leases[i].address))
			add_lease(p, p->leases[i].service, &p->leases[i].address);
}

static void run_round(struct planner *p, int round)
{
	for (unsigned i = 0; i < p->want_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++) {
			struct want *want = p->wants[i];

			if (want->port_count == 0 || want->leader)
				continue; // nothing to listen on; or another one does
			if (round == 1 || round == 3)
				give_leased(p, want, family, round == 3);
			else if (round == 2)
				give_requested(p, want, family);
			else if (round == 4)
				give_any(p, want, family);
			else
				tell_failure(p, want, family);
		}
}

// Those that another one of their name leads have its addresses, and keep them when they must lead.
static void follow(struct planner *p)
{
	for (unsigned i = 0; i < p->want_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++) {
			struct want *want = p->wants[i];

			if (want->leader && want->leader->family[family].got)
				hold(p, want, *vip_slot(p, &want->leader->family[family].address));
		}
}

void ipam_assign(struct planner *p)
{
	p->vips = vip_table_make(p);
	for (int round = 1; p->vips && round <= 5; round++) {
		if (round == 4)
			remember(p);
		run_round(p, round);
	}
	if (!p->vips || p->scratch.failed)
		return;
	follow(p);
	for (size_t i = 0; i <= p->vips->mask; i++)
		for (const struct vip_row *row = p->vips->buckets[i]; row; row = row->next)
			if (row->holders)
				add_vip(p, row);
	for (unsigned i = 0; i < p->want_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++)
			if (p->wants[i]->family[family].got)
				add_lease(
					p, p->wants[i]->name, &p->wants[i]->family[family].address);
	add_remembered(p);
}
