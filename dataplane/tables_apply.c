// SPDX-License-Identifier: BSD-3-Clause
// A change of the tables, from the first check to publishing.
#include "tables_internal.h"

#include "maglev.h"

#include <errno.h>
#include <stdlib.h>

bool build_may_tell(struct build *build)
{
	unsigned told = build->reason->count - build->mistakes_before;

	if (told == MISTAKES_MAX)
		reason_add(build->reason, "and more mistakes after these %u", MISTAKES_MAX);
	return told < MISTAKES_MAX;
}

uint32_t build_slot(struct build *build, struct slot_numbers *numbers, const char *what)
{
	uint32_t slot = slot_numbers_take(numbers, &build->edit.failed);

	if (slot == SLOT_NONE && !build->edit.failed)
		build_mistake(build,
			"%s: at most %u can be, with those just removed that flows still refer to",
			what, numbers->limit);
	return slot;
}

bool rows_seen(const struct build *build, const struct rows *rows, uint32_t slot)
{
	return rows->numbers->stamps[slot] == build->edit.number;
}

void rows_see(const struct build *build, const struct rows *rows, uint32_t slot)
{
	rows->numbers->stamps[slot] = build->edit.number;
}

// house: six parameters, as three kinds of rows are put in one way
void rows_put(struct build *build, struct rows *rows, uint64_t hash, uint32_t slot,
	const void *before, const void *after)
{
	map_set(&rows->map, hash, before, after);
	slots_set(&rows->slots, slot, after);
	edit_replace(&build->edit, before);
	rows_see(build, rows, slot);
	if (!after)
		slot_numbers_remove(rows->numbers, slot);
}

static bool vip_equal(const void *value, const void *key)
{
	return addr_compare(&((const struct vip *)value)->address, key) == 0;
}

const struct vip *vip_find(const struct tables *tables, const struct addr *address)
{
	return map_find(&tables->vip_map, map_hash(address->byte, 0), vip_equal, address);
}

static void vip_set(struct build *build, const struct plan_vip *plan)
{
	const struct vip *before = vip_find(build->tables, &plan->address);
	struct vip *after;
	char text[ADDR_TEXT];
	uint32_t slot;

	if (before && rows_seen(build, &build->vips, before->slot)) {
		build_mistake(build, "vip %s: named twice", addr_format(&plan->address, text));
		return;
	}
	if (before && before->owned == plan->owned && before->ifaces == plan->ifaces) {
		rows_see(build, &build->vips, before->slot);
		return;
	}
	slot = before ? before->slot : build_slot(build, &build->store->vips, "vips");
	if (slot == SLOT_NONE)
		return;
	after = edit_make(&build->edit, sizeof(*after));
	if (!after)
		return;
	*after = (struct vip){plan->address, plan->owned, plan->ifaces, slot};
	rows_put(build, &build->vips, map_hash(plan->address.byte, 0), slot, before, after);
}

static void vip_remove(struct build *build, const struct vip *vip)
{
	rows_put(build, &build->vips, map_hash(vip->address.byte, 0), vip->slot, vip, NULL);
	build->vips_removed = true;
}

static void vip_remove_named(struct build *build, const struct addr *address)
{
	const struct vip *vip = vip_find(build->tables, address);
	char text[ADDR_TEXT];

	if (!vip)
		build_mistake(build, "vip %s: to be removed, but not in the plan",
			addr_format(address, text));
	else if (rows_seen(build, &build->vips, vip->slot))
		build_mistake(build, "vip %s: both set and removed", addr_format(address, text));
	else
		vip_remove(build, vip);
}

static void vips_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->vip_count && !build->edit.failed; i++)
		vip_set(build, &change->vips[i]);
	for (uint32_t i = 0; i < change->vip_removed_count && !build->edit.failed; i++)
		vip_remove_named(build, &change->vips_removed[i]);
	for (uint32_t slot = 0; change->base == 0 && slot < before->vip_end; slot++) {
		const struct vip *vip = slots_get(&before->vips, slot);

		if (vip && !rows_seen(build, &build->vips, slot))
			vip_remove(build, vip);
	}
}

static void rows_begin(struct build *build, struct rows *rows, struct map *map, struct slots *slots,
	struct slot_numbers *numbers)
{
	map_edit_begin(&rows->map, &build->edit, map);
	slots_edit_begin(&rows->slots, &build->edit, slots);
	rows->numbers = numbers;
	slot_numbers_mark(numbers);
}

static void build_begin(struct build *build)
{
	struct tables_store *store = build->store;
	struct tables *tables;

	build->mistakes_before = build->reason->count;
	build->edit.number = ++store->change_number;
	tables = edit_make(&build->edit, sizeof(*tables));
	build->tables = tables;
	if (!tables)
		return;
	*tables = *store->current;
	tables->generation = build->change->generation;
	rows_begin(build, &build->vips, &tables->vip_map, &tables->vips, &store->vips);
	rows_begin(build, &build->pools, &tables->pool_map, &tables->pools, &store->pools);
	rows_begin(build, &build->listeners, &tables->listener_map, &tables->listeners,
		&store->listeners);
	rows_begin(build, &build->sites, &tables->site_map, &tables->sites, &store->sites);
	rows_begin(build, &build->hosts, &tables->host_map, &tables->hosts, &store->hosts);
	rows_begin(build, &build->server_names, &tables->server_name_map, &tables->server_names,
		&store->server_names);
	rows_begin(build, &build->certificates, &tables->certificate_map, &tables->certificates,
		&store->certificates);
	slots_edit_begin(&build->rules, &build->edit, &tables->rules);
	slot_numbers_mark(&store->rules);
	map_edit_begin(&build->dnat_map, &build->edit, &tables->dnat_map);
	slots_edit_begin(&build->endpoints, &build->edit, &tables->endpoints);
	slot_numbers_mark(&store->endpoints);
}

static void build_end(struct build *build)
{
	slots_edit_end(&build->vips.slots);
	slots_edit_end(&build->pools.slots);
	slots_edit_end(&build->listeners.slots);
	slots_edit_end(&build->sites.slots);
	slots_edit_end(&build->hosts.slots);
	slots_edit_end(&build->server_names.slots);
	slots_edit_end(&build->certificates.slots);
	slots_edit_end(&build->rules);
	slots_edit_end(&build->endpoints);
	free(build->pool_steps);
	free(build->listener_steps);
}

static void undo(struct build *build)
{
	struct tables_store *store = build->store;

	if (build->tables) {
		slot_numbers_undo(&store->vips);
		slot_numbers_undo(&store->pools);
		slot_numbers_undo(&store->listeners);
		slot_numbers_undo(&store->endpoints);
		slot_numbers_undo(&store->sites);
		slot_numbers_undo(&store->hosts);
		slot_numbers_undo(&store->rules);
		slot_numbers_undo(&store->server_names);
		slot_numbers_undo(&store->certificates);
	}
	edit_undo(&build->edit);
	build_end(build);
}

// Nothing here can fail.
static void publish(struct build *build)
{
	struct tables_store *store = build->store;
	struct tables *tables = build->tables;
	struct slot_numbers *unreferenced[] = {&store->vips, &store->pools, &store->sites,
		&store->hosts, &store->server_names, &store->certificates};

	tables->host_end = store->hosts.end;
	tables->rule_end = store->rules.end;
	tables->certificate_end = store->certificates.end;
	tables->vip_end = store->vips.end;
	tables->pool_end = store->pools.end;
	tables->listener_end = store->listeners.end;
	tables->endpoint_end = store->endpoints.end;
	links_change(&store->links, build);
	edit_done(&build->edit, &store->retired);
	build_end(build);
	// No flow refers to the slot of these: they may be used again at once.
	for (unsigned i = 0; i < sizeof(unreferenced) / sizeof(unreferenced[0]); i++) {
		slot_numbers_pass(unreferenced[i]);
		slot_numbers_release(unreferenced[i]);
	}
	__atomic_store_n(&store->current, tables, __ATOMIC_RELEASE);
}

int tables_apply(
	struct tables_store *store, const struct plan_change *change, struct reason *reason)
{
	struct build build = {.store = store, .change = change, .reason = reason};

	if (change->generation == 0) {
		reason_add(reason, "generation 0: expected the plan's own, from 1");
		return -EINVAL;
	}
	if (change->base != 0 && change->base != store->current->generation) {
		reason_add(reason,
			"a difference from generation %llu, but %llu is in force: send the whole "
			"plan",
			(unsigned long long)change->base,
			(unsigned long long)store->current->generation);
		return -ESTALE;
	}
	build_begin(&build);
	if (build.tables) {
		vips_build(&build);
		sites_build(&build);
		certificates_build(&build);
		pools_build(&build);
		hosts_build(&build);
		server_names_build(&build);
		listeners_build(&build);
		dnats_build(&build);
		routes_build(&build);
		edit_replace(&build.edit, store->current);
	}
	if (reason->count != build.mistakes_before) {
		undo(&build);
		return -EINVAL;
	}
	if (build.edit.failed || !edit_reserve(&build.edit, &store->retired) ||
		!links_reserve(&store->links, store->listeners.end, store->pools.end)) {
		undo(&build);
		reason_add(reason, "out of memory: the plan in force stays");
		return -ENOMEM;
	}
	publish(&build);
	return 0;
}
