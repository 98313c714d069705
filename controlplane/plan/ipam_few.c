// SPDX-License-Identifier: BSD-3-Clause
// Who gets which address when a few Services came, went or ask for something else: the same rounds
// (ipam.c) over those few. What others hold is looked up in the last plan when it is asked for
// (vip_slot()), so this costs what the few cost.
//
// Others could be touched by a few things only: an address that somebody leaves for another one,
// one that is taken back from those who are gone for want of others, a sharing key, a pair's or a
// group's doings, a request that fails. Then, and now and then to put the parts together again, all
// are placed.
//
// Who is in want already stays so, in the same words, as long as nothing comes or goes at the
// address that it asked for, and as nothing at all becomes free when any would do for it.
#include <stdlib.h>
#include <string.h>

#include "planning.h"
#include "vip_table.h"

#define FEW_MAX        64
#define PARTS_MAX      512
#define REMEMBERED_MAX 2048 // half of ipam.c's

void ipam_few_begin(struct want *want)
{
	for (unsigned family = 0; family < FAMILIES; family++) {
		want->family[family].had = want->family[family].got;
		want->family[family].before = want->family[family].address;
		want->family[family].got = want->family[family].failed = false;
		want->family[family].waits = false;
		memset(&want->family[family].address, 0, sizeof(struct addr));
	}
	want->lease_changed = false;
}

static void undo(struct want *want)
{
	for (unsigned family = 0; family < FAMILIES; family++) {
		want->family[family].got = want->family[family].had;
		want->family[family].address = want->family[family].before;
	}
}

// Nothing that others get or leave can change what it has.
static bool is_settled(const struct planner *p, const struct want *want)
{
	if (want->port_count == 0)
		return true;
	if (want->refused || want->leader || want->share_group || ipam_is_elsewhere(want))
		return false;
	for (unsigned family = 0; family < FAMILIES; family++)
		if (want->family[family].failed || want->family[family].waits ||
			(want->family[family].wanted && !want->family[family].got &&
				ipam_has_family(p, want, family)))
			return false;
	return true;
}

// False: what others do can reach it in more ways than one.
static bool keep_missed(struct planner *p, const struct want *want)
{
	struct planning *g = p->kept;

	if (want->front || want->leader || want->share_group || *want->share ||
		ipam_is_elsewhere(want))
		return false;
	for (unsigned family = 0; family < FAMILIES; family++) {
		if (want->family[family].waits ||
			(want->family[family].failed && g->missed_count == MISSED_MAX))
			return false;
		if (want->family[family].failed)
			g->missed[g->missed_count++] = want->family[family].request;
		g->misses_any |= want->family[family].wanted && !want->family[family].got &&
				 !want->family[family].requested && !want->refused;
	}
	return true;
}

void ipam_few_keep(struct planner *p)
{
	struct planning *g = p->kept;

	g->settled = true;
	g->misses_any = false;
	g->missed_count = 0;
	for (unsigned i = 0; i < p->want_count; i++) {
		struct want *want = p->wants[i];

		want->in_want = !is_settled(p, want);
		for (unsigned family = 0; family < FAMILIES; family++)
			want->in_want |= want->port_count && want->family[family].required &&
					 !want->family[family].got;
		g->settled = (!want->in_want || keep_missed(p, want)) && g->settled;
	}
}

static bool is_missed_address(const struct planning *g, const struct addr *address)
{
	for (unsigned i = 0; i < g->missed_count; i++)
		if (addr_compare(&g->missed[i], address) == 0)
			return true;
	return false;
}

// Somebody else has asked in vain for what it has.
static bool is_missed(const struct planning *g, const struct want *want)
{
	for (unsigned family = 0; family < FAMILIES; family++)
		if (want->family[family].got && is_missed_address(g, &want->family[family].address))
			return true;
	return false;
}

static bool has(const struct want *want, const struct addr *address)
{
	unsigned family = family_of(address);

	return want->family[family].got &&
	       addr_compare(&want->family[family].address, address) == 0;
}

// It has what it had, if it had something, before this plan or before it went.
static bool stays(const struct planner *p, const struct want *want)
{
	for (unsigned family = 0; family < FAMILIES; family++) {
		const struct plan_lease *lease = ipam_lease(p, want, family);

		if ((want->family[family].had && !has(want, &want->family[family].before)) ||
			(lease && want->port_count && !has(want, &lease->address)))
			return false;
	}
	return true;
}

static bool is_leased(const struct planner *p, const struct addr *address)
{
	for (unsigned i = 0; i < p->lease_count; i++)
		if (addr_compare(&p->leases[i].address, address) == 0)
			return true;
	return false;
}

static struct plan_vip *vip_before(const struct planner *p, const struct addr *address)
{
	const struct plan_vip like = {.address = *address};

	return rows_find(ROW_VIP, p->vips->before, &like);
}

struct vip_row *ipam_row_before(struct planner *p, const struct addr *address)
{
	static const struct want anybody;
	const struct plan_vip *vip = vip_before(p, address);
	struct vip_row *row;

	// Everybody has what is leased to it, so what is leased and not held was somebody's who is
	// gone.
	if (!vip && !is_leased(p, address))
		return NULL;
	row = arena_take(&p->scratch, sizeof(*row));
	if (!row)
		return NULL;
	row->address = *address;
	row->pool = ipam_pool_of(p, &anybody, address);
	for (unsigned i = 0; vip && i < vip->service_count; i++) {
		const struct want *want = planning_find(p->kept, vip->services[i]);
		struct holder *holder;

		if (!want || want->placing || !has(want, address))
			continue;
		holder = arena_take(&p->scratch, sizeof(*holder));
		if (holder)
			*holder = (struct holder){want, row->holders};
		row->holders = holder ? holder : row->holders;
	}
	return row;
}

static bool is_among(const struct plan_vip *vip, const char *service)
{
	for (unsigned i = 0; i < vip->service_count; i++)
		if (strcmp(vip->services[i], service) == 0)
			return true;
	return false;
}

static bool same_holders(const struct plan_vip *vip, const struct vip_row *row)
{
	unsigned count = 0;

	for (const struct holder *h = row->holders; h; h = h->next, count++)
		if (!is_among(vip, h->want->name))
			return false;
	return count == vip->service_count;
}

// The row of the address in the new plan. False: out of memory.
static bool show(struct planner *p, const struct addr *address)
{
	struct plan_vip *old = vip_before(p, address);
	struct vip_row *row = *vip_slot(p, address);

	if (row && row->told)
		return true;
	if (row)
		row->told = true;
	if (row && row->holders && old && same_holders(old, row))
		return true;
	if (row && row->holders)
		ipam_add_vip(p, row);
	return !old || planning_remove_vip(p->kept, old);
}

static bool show_all(struct planner *p)
{
	bool ok = true;

	for (unsigned i = 0; i < p->left_count; i++)
		ok = ok && show(p, &p->left[i]);
	for (unsigned i = 0; i < p->placing_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++)
			if (p->placing[i]->family[family].got)
				ok = ok && show(p, &p->placing[i]->family[family].address);
	return ok;
}

// Whether the lease is no more: of a Service that is placed, or of one that is gone when somebody
// else has its address now.
static bool is_over(struct planner *p, const struct plan_lease *lease)
{
	const struct want *want;
	bool taken = false;

	for (unsigned i = 0; i < p->placing_count; i++) {
		if (p->placing[i]->port_count && strcmp(p->placing[i]->name, lease->service) == 0)
			return true;
		taken |= has(p->placing[i], &lease->address);
	}
	want = taken ? planning_find(p->kept, lease->service) : NULL;
	return taken && (!want || want->port_count == 0);
}

static bool differs(const struct planner *p, const struct want *want, unsigned family)
{
	const struct plan_lease *lease = ipam_lease(p, want, family);

	return want->port_count &&
	       (!lease != !want->family[family].got || (lease && !has(want, &lease->address)));
}

// Puts it where it belongs among those sorted.
static void insert_lease(struct planner *p, const struct want *want, unsigned family)
{
	struct plan_lease *list = p->next_leases;
	unsigned at = p->next_lease_count;
	unsigned low = 0;

	while (low < at) {
		unsigned middle = (low + at) / 2;
		int order = strcmp(list[middle].service, want->name);

		if (!order)
			order = addr_compare(&list[middle].address, &want->family[family].address);
		if (order < 0)
			low = middle + 1;
		else
			at = middle;
	}
	memmove(list + at + 1, list + at, (p->next_lease_count - at) * sizeof(*list));
	list[at] =
		(struct plan_lease){arena_copy(p->arena, want->name), want->family[family].address};
	p->next_lease_count++;
}

// The leases afterwards; where none has changed they are left as they are.
static bool lease(struct planner *p)
{
	struct planning *g = p->kept;
	unsigned room = p->lease_count + FAMILIES * p->placing_count;
	struct part *memory;

	g->leases_moved = false;
	for (unsigned i = 0; i < p->placing_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++)
			p->placing[i]->lease_changed |= differs(p, p->placing[i], family);
	for (unsigned i = 0; i < p->placing_count; i++)
		g->leases_moved |= p->placing[i]->lease_changed;
	g->remembered_count += p->left_count; // at most
	if (!g->leases_moved)
		return true;
	memory = part_new();
	p->next_leases =
		memory ? arena_take_array(&memory->arena, room, sizeof(*p->next_leases)) : NULL;
	if (!p->next_leases) {
		part_free(memory);
		return false;
	}
	for (unsigned i = 0; i < p->lease_count; i++)
		if (!is_over(p, &p->leases[i]))
			p->next_leases[p->next_lease_count++] = p->leases[i];
	for (unsigned i = 0; i < p->placing_count; i++)
		for (unsigned family = 0; family < FAMILIES; family++)
			if (p->placing[i]->family[family].got)
				insert_lease(p, p->placing[i], family);
	g->leases = p->next_leases;
	g->lease_count = p->next_lease_count;
	planning_keep_leases(g, memory);
	return true;
}

static bool may_try(const struct planner *p)
{
	const struct planning *g = p->kept;

	for (unsigned i = 0; i < p->placing_count; i++)
		if (*p->placing[i]->share || p->placing[i]->in_want || is_missed(g, p->placing[i]))
			return false;
	for (unsigned i = 0; i < p->left_count; i++)
		if (g->misses_any || is_missed_address(g, &p->left[i]))
			return false;
	return g->settled && !p->want_ended && !g->gives_changed && p->settings->share_count == 0 &&
	       p->placing_count + p->left_count <= FEW_MAX && g->few_count < PARTS_MAX &&
	       g->remembered_count + p->left_count <= REMEMBERED_MAX &&
	       g->tables[ROW_VIP].count + FAMILIES * FEW_MAX < SLUICE_VIPS_MAX;
}

static bool place(struct planner *p)
{
	bool settled = true;

	p->wants = p->placing;
	p->want_count = p->placing_count;
	p->vips = vip_table_make(p);
	if (!p->vips)
		return false;
	p->vips->before = &p->kept->tables[ROW_VIP];
	p->vips->count = p->vips->before->count;
	vip_cursors_restore(p);
	for (unsigned i = 0; i < p->placing_count; i++)
		ipam_few_begin(p->placing[i]);
	for (unsigned i = 0; i < p->left_count; i++) // shared: nothing is kept for who is gone
		settled = settled && !vip_is_held(p, &p->left[i]);
	if (!settled)
		return false;
	ipam_rounds(p);
	for (unsigned i = 0; i < p->placing_count; i++)
		settled = settled && stays(p, p->placing[i]) && is_settled(p, p->placing[i]) &&
			  !is_missed(p->kept, p->placing[i]);
	return settled && !p->vips->unsure && !p->scratch.failed &&
	       !p->part->rows[ROW_PROBLEM].count;
}

bool ipam_few(struct planner *p)
{
	struct planning *g = p->kept;
	struct part *part;

	if (!may_try(p) || !part_begin(p))
		return false;
	part = p->part;
	if (p->placing_count)
		qsort(p->placing, p->placing_count, sizeof(struct want *), want_compare_ages);
	if (!place(p)) {
		for (unsigned i = 0; i < p->placing_count; i++)
			undo(p->placing[i]);
		part_free(part);
		p->vips = NULL;
		return false;
	}
	vip_cursors_keep(p);
	part->next = g->few;
	g->few = part;
	g->few_count++;
	// What goes wrong from here on ends the plan, and with it all that is kept.
	p->scratch.failed |= !show_all(p) || !lease(p) || !planning_add(g, part);
	for (unsigned i = 0; i < p->placing_count; i++)
		p->placing[i]->placing = false;
	return true;
}
