// SPDX-License-Identifier: BSD-3-Clause
// Reading the tables, and their life: making, handing over and freeing them. tables_apply.c changes
// them.
#include "tables.h"

#include "tables_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

const char *listener_format(
	const struct addr *vip, uint8_t protocol, in_port_t port, char buf[static LISTENER_TEXT])
{
	char text[ADDR_TEXT];

	snprintf(buf, LISTENER_TEXT, "%s %s/%u", addr_format(vip, text),
		protocol == IPPROTO_TCP ? "tcp" : "udp", ntohs(port));
	return buf;
}

const struct listener *tables_listener(
	const struct tables *tables, const struct addr *vip, uint8_t protocol, in_port_t port)
{
	struct address_key key = {vip, port, protocol};

	return map_find(&tables->listener_map, address_key_hash(&key), listener_equal, &key);
}

const struct vip *tables_vip(const struct tables *tables, const struct addr *address)
{
	return vip_find(tables, address);
}

const struct endpoint *tables_endpoint(const struct tables *tables, uint32_t slot)
{
	return slots_get(&tables->endpoints, slot);
}

const struct listener *tables_listener_slot(const struct tables *tables, uint32_t slot)
{
	return slots_get(&tables->listeners, slot);
}

static const struct dnat *find_dnat(const struct tables *tables, const struct address_key *key)
{
	return map_find(&tables->dnat_map, address_key_hash(key), dnat_equal, key);
}

bool tables_dnat_endpoint(const struct tables *tables, const struct addr *address, uint8_t protocol,
	in_port_t port, uint8_t *flags)
{
	const struct dnat *dnat = find_dnat(tables, &(struct address_key){address, port, protocol});

	if (dnat)
		*flags = dnat->flags;
	return dnat != NULL;
}

uint32_t tables_dnat_listeners(const struct tables *tables, const struct addr *address,
	uint8_t protocol, in_port_t port, const uint32_t **slots)
{
	const struct dnat *dnat = find_dnat(tables, &(struct address_key){address, port, protocol});

	if (!dnat || dnat->many)
		return 0;
	*slots = dnat->listeners;
	return dnat->references;
}

uint64_t tables_generation(const struct tables *tables)
{
	return tables->generation;
}

uint32_t tables_listener_slots(const struct tables *tables)
{
	return tables->listener_end;
}

uint32_t tables_endpoint_slots(const struct tables *tables)
{
	return tables->endpoint_end;
}

uint32_t tables_pool_slots(const struct tables *tables)
{
	return tables->pool_end;
}

const struct fib_route *tables_routes(const struct tables *tables, uint32_t *count)
{
	*count = tables->route_count;
	return tables->routes;
}

void tables_each_vip(
	const struct tables *tables, void (*visit)(const struct vip *, void *), void *arg)
{
	for (uint32_t slot = 0; slot < tables->vip_end; slot++) {
		const struct vip *vip = slots_get(&tables->vips, slot);

		if (vip)
			visit(vip, arg);
	}
}

void tables_each_listener(
	const struct tables *tables, void (*visit)(const struct listener *, void *), void *arg)
{
	for (uint32_t slot = 0; slot < tables->listener_end; slot++) {
		const struct listener *listener = slots_get(&tables->listeners, slot);

		if (listener)
			visit(listener, arg);
	}
}

void tables_each_pool(
	const struct tables *tables, void (*visit)(const struct pool *, void *), void *arg)
{
	for (uint32_t slot = 0; slot < tables->pool_end; slot++) {
		const struct pool *pool = slots_get(&tables->pools, slot);

		if (pool)
			visit(pool, arg);
	}
}

struct tables_store *tables_store_new(void)
{
	struct tables_store *store = calloc(1, sizeof(*store));
	struct edit edit = {0};
	struct tables *tables;

	if (!store)
		return NULL;
	store->vips.limit = SLUICE_VIPS_MAX;
	store->listeners.limit = SLUICE_LISTENERS_MAX;
	store->pools.limit = SLUICE_POOLS_MAX;
	store->endpoints.limit = SLUICE_ENDPOINTS_MAX;
	store->sites.limit = SLUICE_SITES_MAX;
	store->hosts.limit = SLUICE_HOSTS_MAX;
	store->rules.limit = SLUICE_RULES_MAX;
	store->server_names.limit = SLUICE_SERVER_NAMES_MAX;
	store->certificates.limit = SLUICE_CERTIFICATES_MAX;
	tables = edit_make(&edit, sizeof(*tables));
	if (!tables || !map_open(&tables->listener_map, &edit) ||
		!map_open(&tables->dnat_map, &edit) || !map_open(&tables->vip_map, &edit) ||
		!map_open(&tables->pool_map, &edit) || !map_open(&tables->site_map, &edit) ||
		!map_open(&tables->host_map, &edit) || !map_open(&tables->server_name_map, &edit) ||
		!map_open(&tables->certificate_map, &edit)) {
		edit_undo(&edit);
		free(store);
		return NULL;
	}
	edit_done(&edit, &store->retired);
	store->current = tables;
	return store;
}

static void free_value(const void *value)
{
	free((void *)value);
}

static void free_pool(const void *value)
{
	const struct pool *pool = value;

	for (uint32_t i = 0; i < pool->member_count; i++)
		free((void *)pool->members[i]);
	free((void *)pool->maglev);
	upstream_free(pool->upstream);
	free((void *)pool);
}

void tables_store_free(struct tables_store *store)
{
	struct tables *tables;

	if (!store)
		return;
	tables = (struct tables *)store->current;
	map_close(&tables->listener_map, free_value);
	map_close(&tables->dnat_map, free_value);
	map_close(&tables->vip_map, free_value);
	map_close(&tables->pool_map, free_pool);
	map_close(&tables->site_map, free_value);
	map_close(&tables->host_map, host_free);
	map_close(&tables->server_name_map, free_value);
	map_close(&tables->certificate_map, certificate_free);
	slots_close(&tables->endpoints);
	slots_close(&tables->listeners);
	slots_close(&tables->vips);
	slots_close(&tables->pools);
	slots_close(&tables->sites);
	slots_close(&tables->hosts);
	slots_close(&tables->rules);
	slots_close(&tables->server_names);
	slots_close(&tables->certificates);
	free((void *)tables->routes);
	free(tables);
	slot_numbers_close(&store->vips);
	slot_numbers_close(&store->listeners);
	slot_numbers_close(&store->pools);
	slot_numbers_close(&store->endpoints);
	slot_numbers_close(&store->sites);
	slot_numbers_close(&store->hosts);
	slot_numbers_close(&store->rules);
	slot_numbers_close(&store->server_names);
	slot_numbers_close(&store->certificates);
	links_close(&store->links);
	block_list_free(&store->retired);
	free(store);
}

const struct tables *tables_current(const struct tables_store *store)
{
	return store->current;
}

const struct tables *const *tables_pointer(const struct tables_store *store)
{
	return &store->current;
}

void tables_reclaim(struct tables_store *store)
{
	block_list_free(&store->retired);
}

bool tables_has_removed(struct tables_store *store)
{
	bool endpoints, listeners, rules;

	if (store->passing)
		return false;
	endpoints = slot_numbers_pass(&store->endpoints);
	listeners = slot_numbers_pass(&store->listeners);
	rules = slot_numbers_pass(&store->rules);
	store->passing = endpoints || listeners || rules;
	return store->passing;
}

void tables_each_removed(const struct tables_store *store, void (*endpoint)(uint32_t slot, void *),
	void (*listener)(uint32_t slot, void *), void *arg)
{
	for (uint32_t i = 0; endpoint && i < store->endpoints.passing; i++)
		endpoint(store->endpoints.removed[i], arg);
	for (uint32_t i = 0; listener && i < store->listeners.passing; i++)
		listener(store->listeners.removed[i], arg);
}

void tables_each_removed_rule(
	const struct tables_store *store, void (*rule)(uint32_t slot, void *), void *arg)
{
	for (uint32_t i = 0; i < store->rules.passing; i++)
		rule(store->rules.removed[i], arg);
}

void tables_release_slots(struct tables_store *store)
{
	slot_numbers_release(&store->rules);
	slot_numbers_release(&store->endpoints);
	slot_numbers_release(&store->listeners);
	store->passing = false;
}
