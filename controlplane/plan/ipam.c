// SPDX-License-Identifier: BSD-3-Clause
// Who gets which address.
//
// Four rounds over the Services in order of age; what a round gives no later one takes away:
//
//	1. what each has already, as long as it may have it and asks for nothing else: its lease,
//	   and what its status says it has
//	2. what each asks for by address
//	3. what each had, when it asks for an address it cannot have: a mistake does not cut it off
//	4. for the others the first free address of the first pool
//
// The lease of a Service that is gone is remembered for as long as nobody else needs its address:
// who comes back, be it in another order after a restart, finds what it had. A new Service gets
// such an address only by asking for it, or when no other is left.
//
// Where other boxes may answer for the same Services (a pair, BGP), their one truth is the status
// in the cluster: it goes before the leases, which are this box's alone. Of two Services with the
// same address there, the older keeps it. Otherwise the leases go first.
//
// In the end it is told who got nothing, by then against all that is held.
//
// An address is shared by Services with the same key (metallb.io/allow-shared-ip) of one cluster,
// or by those of one namespace that all ask for that very address, as long as no protocol and port
// is used twice.
#include <string.h>

#include "planning.h"
#include "vip_table.h"

#define REMEMBERED_MAX 4096

bool ipam_has_family(const struct planner *p, const struct want *want, unsigned family)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		for (unsigned j = 0; ipam_may_use_unasked(p, want, i) && j < pool->range_count; j++)
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

// Gives the address when it may be given.
static bool give(struct planner *p, struct want *want, const struct addr *address)
{
	struct vip_row *row = *vip_slot(p, address);

	if (ipam_refusal(p, want, address))
		return false;
	if (!row)
		row = vip_row_new(p, address, ipam_pool_of(p, want, address));
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

bool ipam_is_said(const struct want *want, unsigned family)
{
	const struct addr *said = &want->service->object.status.said[family];

	return (want_is_of_api(want) || want->front) && want->family[family].wanted &&
	       !want->refused && !addr_is_zero(said) &&
	       (!want->family[family].requested || ipam_asks_for(want, said));
}

bool ipam_is_elsewhere(const struct want *want)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		if (ipam_is_said(want, i) &&
			(!want->family[i].got ||
				addr_compare(&want->family[i].address,
					&want->service->object.status.said[i]) != 0))
			return true;
	return false;
}

static void give_said(struct planner *p, struct want *want, unsigned family)
{
	if (!want->family[family].got && ipam_is_said(want, family))
		give(p, want, &want->service->object.status.said[family]);
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
			ipam_may_use_unasked(p, want, (unsigned)(row->pool - p->settings->pools)) &&
			give(p, want, &row->address))
			return true;
	return false;
}

// From those who are gone, when nothing else is left.
static void give_remembered(struct planner *p, struct want *want, unsigned family)
{
	if (p->vips->before) {
		p->vips->unsure |= ipam_has_family(p, want, family);
		return;
	}
	for (unsigned i = 0; i < p->lease_count; i++) {
		const struct addr *address = &p->leases[i].address;
		const struct pool_settings *pool = NULL;

		if (p->vips->remembered[i] && family_of(address) == family &&
			!vip_is_held(p, address))
			pool = ipam_pool_of(p, want, address);
		if (pool && ipam_may_use_unasked(p, want, (unsigned)(pool - p->settings->pools)) &&
			give(p, want, address))
			return;
	}
}

static bool give_free(struct planner *p, struct want *want, unsigned family)
{
	const struct addr *address = ipam_next_free(p, want, family);

	return address && give(p, want, address);
}

static bool all_open(const struct planner *p, const struct want *want)
{
	bool all = true;

	for (unsigned i = 0; i < p->settings->pool_count; i++)
		all = all && ipam_may_use_unasked(p, want, i);
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
			ipam_refusal(p, want, &want->family[family].request), stays);
	else if (!want->family[family].got && !want->family[family].waits && !want->refused &&
		 want->family[family].required)
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

// Two boxes that did not hear each other, or somebody else: until the status is put right.
static void tell_conflict(struct planner *p, const struct want *want, unsigned family)
{
	const struct addr *said = &want->service->object.status.said[family];
	const struct vip_row *row = ipam_is_said(want, family) ? *vip_slot(p, said) : NULL;
	char text[ADDR_TEXT], now[ADDR_TEXT];
	const char *why;

	if (!row || !row->holders || !want->family[family].got ||
		addr_compare(said, &want->family[family].address) == 0)
		return;
	why = ipam_refusal(p, want, said);
	if (why)
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"its status says %s as well, which was given twice: %s; it has moved to %s",
			addr_format(said, text), why,
			addr_format(&want->family[family].address, now));
}

// Round 4.
static void give_any(struct planner *p, struct want *want, unsigned family)
{
	if (!want->family[family].wanted)
		return;
	if (want->family[family].got || want->family[family].requested || want->refused ||
		give_shared(p, want, family))
		return;
	want->family[family].waits =
		want_is_of_api(want) && p->kept->gives && !p->kept->gives(p->kept->gives_arg);
	if (!want->family[family].waits && !give_free(p, want, family))
		give_remembered(p, want, family);
}

void ipam_add_vip(struct planner *p, const struct vip_row *row)
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

static void add_gateways(struct planner *p)
{
	for (unsigned i = 0; i < p->settings->pair.group_count; i++) {
		const struct pair_group *group = &p->settings->pair.groups[i];

		for (unsigned j = 0; j < group->gateway_count; j++) {
			struct plan_vip *vip = part_add(p->part, ROW_VIP);

			if (!vip)
				return;
			vip->address = group->gateways[j].address;
			vip->pool = arena_copy(p->arena, "");
			vip->interfaces = arena_take_array(p->arena, 1, sizeof(char *));
			if (!vip->interfaces)
				return;
			vip->interfaces[0] = arena_copy(p->arena, group->gateways[j].interface);
			vip->interface_count = 1;
			p->vips->count++;
		}
	}
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
			remembered[i] ? ipam_pool_of(p, &anybody, address) : NULL;

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
	p->kept->remembered_count = 0;
	for (unsigned i = 0; i < p->lease_count; i++)
		if (p->vips->remembered[i] && !vip_is_held(p, &p->leases[i].address)) {
			add_lease(p, p->leases[i].service, &p->leases[i].address);
			p->kept->remembered_count++;
		}
}

enum round {
	LEASED,
	SAID,
	REQUESTED,
	HAD,
	ANY,
	TOLD
};

static void run_round(struct planner *p, enum round round)
{
	for (unsigned i = 0; i < p->want_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++) {
			struct want *want = p->wants[i];

			if (want->port_count == 0 || want->leader)
				continue; // nothing to listen on; or another one does
			if (round == LEASED || round == HAD)
				give_leased(p, want, family, round == HAD);
			else if (round == SAID)
				give_said(p, want, family);
			else if (round == REQUESTED)
				give_requested(p, want, family);
			else if (round == ANY)
				give_any(p, want, family);
			else {
				tell_failure(p, want, family);
				tell_conflict(p, want, family);
			}
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

void ipam_rounds(struct planner *p)
{
	static const enum round alone[] = {LEASED, SAID, REQUESTED, HAD, ANY, TOLD};
	static const enum round with_others[] = {SAID, LEASED, REQUESTED, HAD, ANY, TOLD};
	const enum round *rounds = settings_has_others(p->settings) ? with_others : alone;

	for (unsigned i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		if (rounds[i] == ANY && !p->vips->before)
			remember(p);
		run_round(p, rounds[i]);
	}
}

void ipam_assign(struct planner *p)
{
	p->vips = vip_table_make(p);
	if (!p->vips)
		return;
	add_gateways(p);
	ipam_rounds(p);
	if (p->scratch.failed)
		return;
	vip_cursors_keep(p);
	follow(p);
	for (size_t i = 0; i <= p->vips->mask; i++)
		for (const struct vip_row *row = p->vips->buckets[i]; row; row = row->next)
			if (row->holders)
				ipam_add_vip(p, row);
	for (unsigned i = 0; i < p->want_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++)
			if (p->wants[i]->family[family].got)
				add_lease(
					p, p->wants[i]->name, &p->wants[i]->family[family].address);
	add_remembered(p);
}
