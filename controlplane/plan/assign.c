// SPDX-License-Identifier: BSD-3-Clause
// Step 2: who gets which address, when anybody asks for something else or the leases are not those
// of the last time.
#include <stdlib.h>
#include <string.h>

#include "planning.h"

static int compare_leases(const void *left, const void *right)
{
	const struct plan_lease *a = left, *b = right;
	int order = strcmp(a->service, b->service);

	return order ? order : addr_compare(&a->address, &b->address);
}

void leases_sort(struct plan_lease *leases, unsigned count)
{
	if (count > 1)
		qsort(leases, count, sizeof(*leases), compare_leases);
}

static void mark_moved(struct planner *p, const char *service)
{
	struct want *want = planning_find(p->kept, service);

	if (want)
		want->lease_changed = true;
	p->kept->leases_moved = true;
}

// Which Services have other leases than before.
static void compare_lease_lists(struct planner *p)
{
	const struct plan_lease *old = p->leases, *new = p->next_leases;
	unsigned i = 0, j = 0;

	p->kept->leases_moved = false;
	while (i < p->lease_count || j < p->next_lease_count) {
		int order = i == p->lease_count        ? 1
			    : j == p->next_lease_count ? -1
						       : compare_leases(&old[i], &new[j]);

		if (order < 0)
			mark_moved(p, old[i].service);
		else if (order > 0)
			mark_moved(p, new[j].service);
		i += order <= 0;
		j += order >= 0;
	}
}

static bool same_addresses(const struct plan_rows *a, const struct plan_rows *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct plan_vip *x = a->list[i], *y = b->list[i];

		if (addr_compare(&x->address, &y->address) != 0)
			return false;
	}
	return true;
}

static bool assign_all(struct planner *p, bool *moved)
{
	struct planning *g = p->kept;

	if (!part_begin(p))
		return false;
	for (unsigned i = 0; i < g->want_count; i++)
		ipam_few_begin(g->by_age[i]);
	ipam_assign(p);
	leases_sort(p->next_leases, p->next_lease_count);
	rows_sort(ROW_VIP, &p->part->rows[ROW_VIP]);
	compare_lease_lists(p);
	g->leases = p->next_leases;
	g->lease_count = p->next_lease_count;
	*moved = !same_addresses(p->vip_rows, &p->part->rows[ROW_VIP]);
	p->vip_rows = &p->part->rows[ROW_VIP];
	for (unsigned i = 0; i < g->want_count; i++) {
		struct want *want = g->by_age[i];

		want->placing = false;
		want->waits |= want->share_group != NULL;
		for (unsigned family = 0; family < FAMILIES; family++)
			want->waits |= want->family[family].had != want->family[family].got ||
				       addr_compare(&want->family[family].before,
					       &want->family[family].address) != 0;
	}
	ipam_few_keep(p);
	return planning_remove_addresses(g) && part_replace(p, &g->addresses);
}

// The table that the plan will have, in scratch: what follows looks addresses up.
static bool show_few(struct planner *p, bool *moved)
{
	struct planning *g = p->kept;
	struct plan_rows *rows = arena_take(&p->scratch, sizeof(*rows));

	*moved = g->gone[ROW_VIP].rows.count || g->added[ROW_VIP].rows.count;
	if (!rows || p->scratch.failed)
		return false;
	if (!*moved)
		return true;
	*rows = g->tables[ROW_VIP];
	p->vip_rows = rows;
	return rows_merge(
		ROW_VIP, rows, &g->gone[ROW_VIP].rows, &g->added[ROW_VIP].rows, &p->scratch);
}

bool step_assign(struct planner *p)
{
	struct planning *g = p->kept;
	bool moved, few;

	shares_link(p);
	p->vip_rows = &g->tables[ROW_VIP];
	if (p->reassign || g->leases_moved || g->gives_changed) {
		few = ipam_few(p);
		p->wants = g->by_age;
		p->want_count = g->want_count;
		if (few ? !show_few(p, &moved) : !assign_all(p, &moved))
			return false;
		g->gives_changed = false;
		if (moved)
			front_pools_wait(p, true);
		for (unsigned i = 0; moved && i < g->want_count; i++)
			g->by_age[i]->waits |= g->by_age[i]->near_vips;
	}
	p->wants = g->by_age;
	p->want_count = g->want_count;
	return true;
}
