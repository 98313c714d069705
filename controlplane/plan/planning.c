// SPDX-License-Identifier: BSD-3-Clause
#include "planning.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static struct want **want_slot(const struct planning *g, const char *name)
{
	struct want **slot = &g->want_buckets[hash_name(name) & g->want_mask];

	while (*slot && strcmp((*slot)->name, name) != 0)
		slot = &(*slot)->next;
	return slot;
}

struct want *planning_find(const struct planning *g, const char *name)
{
	return *want_slot(g, name);
}

static bool grow_wants(struct planning *g)
{
	size_t mask = g->want_mask * 2 + 1;
	struct want **buckets = calloc(mask + 1, sizeof(struct want *));
	struct want **by_age = realloc(g->by_age, (mask + 1) * sizeof(struct want *));

	if (by_age)
		g->by_age = by_age;
	if (!buckets || !by_age) {
		free(buckets);
		return false;
	}
	for (size_t i = 0; i <= g->want_mask; i++)
		while (g->want_buckets[i]) {
			struct want *want = g->want_buckets[i];
			struct want **slot = &buckets[hash_name(want->name) & mask];

			g->want_buckets[i] = want->next;
			want->next = *slot;
			*slot = want;
		}
	free(g->want_buckets);
	g->want_buckets = buckets;
	g->want_mask = mask;
	return true;
}

static void count_dnat(struct planning *g, const struct want *want, int by)
{
	if (want->mode == MODE_DNAT)
		g->dnat_counts[want->by_client_ip] += (unsigned)by;
}

// Where it is among those of its age, or would be.
static unsigned place_of(const struct planning *g, const struct want *want)
{
	unsigned low = 0, high = g->want_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (want_compare_ages(&g->by_age[middle], &want) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void move_up(struct planning *g, unsigned at, int by, unsigned count)
{
	memmove(g->by_age + at + by, g->by_age + at, count * sizeof(struct want *));
}

bool planning_put(struct planning *g, struct want *want)
{
	struct want **slot = want_slot(g, want->name), *old = *slot;
	unsigned at;

	if (old && old->created == want->created) {
		g->by_age[place_of(g, old)] = want;
		want->next = old->next;
		*slot = want;
		count_dnat(g, old, -1);
		count_dnat(g, want, 1);
		want_free(old);
		return true;
	}
	if (old)
		planning_drop(g, old);
	if (g->want_count + 1 > g->want_mask && !grow_wants(g))
		return false;
	slot = want_slot(g, want->name);
	want->next = *slot;
	*slot = want;
	at = g->ages_sorted ? place_of(g, want) : g->want_count; // many at first: sorted later
	move_up(g, at, 1, g->want_count - at);
	g->by_age[at] = want;
	g->want_count++;
	count_dnat(g, want, 1);
	return true;
}

void planning_drop(struct planning *g, struct want *want)
{
	unsigned at = place_of(g, want);

	*want_slot(g, want->name) = want->next;
	g->want_count--;
	move_up(g, at + 1, -1, g->want_count - at);
	count_dnat(g, want, -1);
	want_free(want);
}

static bool append(struct row_heap *heap, const struct plan_rows *more)
{
	struct plan_rows *rows = &heap->rows;
	size_t count = (size_t)rows->count + more->count;

	if (count > heap->room) {
		void **list = realloc(rows->list, count * 2 * sizeof(void *));

		if (!list)
			return false;
		rows->list = list;
		heap->room = count * 2;
	}
	if (more->count)
		memcpy(rows->list + rows->count, more->list, more->count * sizeof(void *));
	rows->count += more->count;
	return true;
}

static void retire(struct planning *g, struct part *part)
{
	if (!part)
		return;
	part->number = g->number;
	part->next = NULL;
	*g->retired_tail = part;
	g->retired_tail = &part->next;
}

bool planning_add(struct planning *g, struct part *part)
{
	bool ok = part && !part->arena.failed;

	if (part)
		part->born = g->number + 1;
	for (unsigned kind = 0; ok && kind < ROW_KINDS; kind++)
		ok = append(&g->added[kind], &part->rows[kind]);
	return ok;
}

bool planning_remove(struct planning *g, struct part *part)
{
	bool ok = true;

	for (unsigned kind = 0; part && ok && kind < ROW_KINDS; kind++)
		ok = append(&g->gone[kind], &part->rows[kind]);
	retire(g, part);
	return ok;
}

static bool take_out(struct part *part, const void *row)
{
	struct plan_rows *rows = &part->rows[ROW_VIP];

	for (unsigned i = 0; i < rows->count; i++)
		if (rows->list[i] == row) {
			memmove(rows->list + i, rows->list + i + 1,
				(--rows->count - i) * sizeof(void *));
			return true;
		}
	return false;
}

bool planning_remove_vip(struct planning *g, struct plan_vip *vip)
{
	void *row = vip;
	const struct plan_rows one = {1, &row};

	if (!take_out(g->addresses, vip))
		for (struct part *part = g->few; part && !take_out(part, vip);)
			part = part->next;
	return append(&g->gone[ROW_VIP], &one);
}

void planning_keep_leases(struct planning *g, struct part *memory)
{
	retire(g, g->lease_memory);
	g->lease_memory = memory;
	if (memory)
		memory->born = g->number + 1;
}

bool planning_remove_addresses(struct planning *g)
{
	bool ok = planning_remove(g, g->addresses);

	planning_keep_leases(g, NULL);
	g->addresses = NULL;
	while (g->few) {
		struct part *part = g->few;

		g->few = part->next;
		ok &= planning_remove(g, part);
	}
	g->few_count = 0;
	return ok;
}

bool planning_tabulate(struct planning *g)
{
	for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
		struct part *memory;

		if (!g->gone[kind].rows.count && !g->added[kind].rows.count)
			continue;
		memory = part_new();
		if (!memory || !rows_merge((enum row_kind)kind, &g->tables[kind],
				       &g->gone[kind].rows, &g->added[kind].rows, &memory->arena)) {
			part_free(memory);
			return false;
		}
		memory->born = g->number + 1;
		retire(g, g->table_memory[kind]);
		g->table_memory[kind] = memory;
	}
	return true;
}

// Who follows the plans has been told of it, or is told nothing.
static bool is_told(const struct planning *g, const struct part *part)
{
	return !g->oldest || g->delta.all || part->number + 1 < g->number;
}

// The oldest plan that has it keeps it: that is the one that is held for longest.
static void let_go(struct planning *g, struct part *part)
{
	struct kept_plan *kept = g->oldest;

	while (kept && kept->number < part->born)
		kept = kept->newer;
	if (!kept || kept->number > part->number) {
		part_free(part);
		return;
	}
	part->next = kept->held;
	kept->held = part;
}

static void reap(struct planning *g)
{
	g->delta.all |= !g->oldest;
	while (g->retired && is_told(g, g->retired)) {
		struct part *part = g->retired;

		g->retired = part->next;
		if (!g->retired)
			g->retired_tail = &g->retired;
		let_go(g, part);
	}
}

struct plan *planning_give(struct planning *g)
{
	struct kept_plan *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	rows_show(g->tables, &kept->plan);
	kept->plan.leases = g->leases;
	kept->plan.lease_count = g->lease_count;
	kept->planning = g;
	kept->number = ++g->number;
	kept->older = g->newest;
	if (g->newest)
		g->newest->newer = kept;
	else
		g->oldest = kept;
	g->newest = kept;
	g->delta.all = g->cleared;
	g->cleared = false;
	for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
		g->delta.gone[kind] = g->gone[kind].rows;
		g->delta.added[kind] = g->added[kind].rows;
	}
	reap(g);
	return &kept->plan;
}

const struct plan_delta *planning_delta(const struct planning *g)
{
	return &g->delta;
}

void planning_begin(struct planning *g)
{
	for (unsigned kind = 0; kind < ROW_KINDS; kind++)
		g->gone[kind].rows.count = g->added[kind].rows.count = 0;
}

struct planning *planning_new(void)
{
	struct planning *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->retired_tail = &g->retired;
	g->cleared = g->delta.all = true;
	g->want_mask = 255;
	g->want_buckets = calloc(g->want_mask + 1, sizeof(struct want *));
	g->by_age = calloc(g->want_mask + 1, sizeof(struct want *));
	if (!g->want_buckets || !g->by_age) {
		free(g->want_buckets);
		free(g->by_age);
		free(g);
		return NULL;
	}
	return g;
}

void planning_ask_checks(struct planning *g, plan_failed_fn failed, const void *arg)
{
	g->failed = failed;
	g->failed_arg = arg;
}

void planning_checks_changed(struct planning *g)
{
	g->checks_changed = true;
}

void planning_ask_drains(struct planning *g, plan_drained_fn drained, const void *arg)
{
	g->drained = drained;
	g->drained_arg = arg;
}

void planning_drains_changed(struct planning *g)
{
	g->drains_changed = true;
}

void planning_ask_cluster_drains(
	struct planning *g, plan_cluster_drained_fn drained, const void *arg)
{
	g->cluster_drained = drained;
	g->cluster_drained_arg = arg;
}

void planning_ask_gives(struct planning *g, plan_gives_fn gives, void *arg)
{
	g->gives = gives;
	g->gives_arg = arg;
}

void planning_gives_changed(struct planning *g)
{
	g->gives_changed = true;
}

void planning_clear(struct planning *g)
{
	front_clear(g);
	for (size_t i = 0; i <= g->want_mask; i++)
		while (g->want_buckets[i]) {
			struct want *want = g->want_buckets[i];

			g->want_buckets[i] = want->next;
			retire(g, want->told);
			retire(g, want->served);
			retire(g, want->next_served);
			want_free(want);
		}
	planning_remove_addresses(g);
	free(g->cursors);
	g->cursors = NULL;
	g->settled = false;
	retire(g, g->routes);
	retire(g, g->objects);
	g->routes = g->objects = NULL;
	for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
		retire(g, g->table_memory[kind]);
		g->table_memory[kind] = NULL;
		g->tables[kind] = (struct plan_rows){0};
	}
	planning_begin(g);
	g->cleared = g->delta.all = true;
	for (unsigned i = 0; i < g->digest_count; i++)
		free(g->digests[i].cluster);
	free(g->digests);
	free(g->nodes);
	g->digests = NULL;
	g->nodes = NULL;
	g->leases = NULL;
	g->model = NULL;
	g->settings = NULL;
	g->want_count = g->node_count = g->digest_count = g->lease_count = 0;
	g->endpoint_count = g->listener_count = 0;
	g->dnat_counts[0] = g->dnat_counts[1] = 0;
	g->dnat_mixed = g->squeezed = g->leases_moved = g->ages_sorted = false;
	reap(g);
}

static void finish(struct planning *g)
{
	for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
		free(g->gone[kind].rows.list);
		free(g->added[kind].rows.list);
	}
	free(g->want_buckets);
	free(g->by_age);
	free(g);
}

void planning_forget(struct planning *g)
{
	planning_clear(g);
}

void planning_free(struct planning *g)
{
	if (!g)
		return;
	planning_clear(g);
	g->orphan = true;
	if (!g->oldest)
		finish(g);
}

void plan_free(struct plan *plan)
{
	struct kept_plan *kept = (struct kept_plan *)plan; // its first member
	struct planning *g;

	if (!kept)
		return;
	free(plan->owned);
	g = kept->planning;
	if (kept->older)
		kept->older->newer = kept->newer;
	else
		g->oldest = kept->newer;
	if (kept->newer)
		kept->newer->older = kept->older;
	else
		g->newest = kept->older;
	while (kept->held) {
		struct part *part = kept->held;

		kept->held = part->next;
		let_go(g, part);
	}
	free(kept);
	reap(g);
	if (g->orphan && !g->oldest)
		finish(g);
}
