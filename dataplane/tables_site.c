// SPDX-License-Identifier: BSD-3-Clause
// Sites in a change of the tables.
#include "tables_internal.h"

#include <string.h>

static bool site_equal(const void *value, const void *key)
{
	return strcmp(((const struct http_site *)value)->name, key) == 0;
}

const struct http_site *site_find(const struct tables *tables, const char *name)
{
	return map_find(&tables->site_map, name_hash(name), site_equal, name);
}

static bool site_same(const struct http_site *a, const struct http_site *b)
{
	return a->hsts_s == b->hsts_s && a->hsts_subdomains == b->hsts_subdomains &&
	       a->hsts_preload == b->hsts_preload && a->head_timeout_ms == b->head_timeout_ms &&
	       a->idle_timeout_ms == b->idle_timeout_ms &&
	       a->body_timeout_ms == b->body_timeout_ms && a->head_bytes == b->head_bytes &&
	       a->requests == b->requests && a->log_sample == b->log_sample;
}

static void site_set(struct build *build, const struct http_site *plan)
{
	const struct http_site *before = site_find(build->tables, plan->name);
	struct http_site *after;
	uint32_t slot;

	if (before && rows_seen(build, &build->sites, before->slot)) {
		build_mistake(build, "site \"%s\": named twice", plan->name);
		return;
	}
	if (before)
		rows_see(build, &build->sites, before->slot);
	if (before && site_same(before, plan))
		return;
	slot = before ? before->slot : build_slot(build, &build->store->sites, "sites");
	after = slot == SLOT_NONE ? NULL : edit_make(&build->edit, sizeof(*after));
	if (!after)
		return;
	*after = *plan;
	after->slot = slot;
	rows_put(build, &build->sites, name_hash(after->name), slot, before, after);
}

static void site_remove(struct build *build, const struct http_site *site)
{
	rows_put(build, &build->sites, name_hash(site->name), site->slot, site, NULL);
}

void sites_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->site_count && !build->edit.failed; i++)
		site_set(build, &change->sites[i]);
	for (uint32_t i = 0; i < change->site_removed_count && !build->edit.failed; i++) {
		const struct http_site *site = site_find(build->tables, change->sites_removed[i]);

		if (!site || rows_seen(build, &build->sites, site->slot))
			build_mistake(build, "site \"%s\": to be removed, but %s",
				change->sites_removed[i], site ? "also set" : "not in the plan");
		else
			site_remove(build, site);
	}
	for (uint32_t slot = 0; change->base == 0 && slot < build->store->sites.end; slot++) {
		const struct http_site *site = slots_get(&before->sites, slot);

		if (site && !rows_seen(build, &build->sites, slot))
			site_remove(build, site);
	}
}

static bool prefixes_same(const struct prefix *a, const struct prefix *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (a[i].length != b[i].length || addr_compare(&a[i].addr, &b[i].addr) != 0)
			return false;
	return true;
}

bool http_listener_same(const struct http_listener *a, const struct http_listener *b)
{
	if (!a || !b)
		return a == b;
	return a->site == b->site && a->tls == b->tls &&
	       a->proxy_protocol_count == b->proxy_protocol_count &&
	       a->trusted_count == b->trusted_count &&
	       prefixes_same(a->proxy_protocol, b->proxy_protocol, a->proxy_protocol_count) &&
	       prefixes_same(a->trusted, b->trusted, a->trusted_count);
}

struct http_listener http_listener_of(const struct plan_listener *plan, uint32_t site)
{
	return (struct http_listener){
		.site = site,
		.tls = plan->tls,
		.proxy_protocol_count = plan->proxy_protocol_count,
		.trusted_count = plan->trusted_count,
		.proxy_protocol = plan->proxy_protocol,
		.trusted = plan->trusted,
	};
}

size_t http_listener_bytes(const struct http_listener *from)
{
	return sizeof(*from) +
	       (from->proxy_protocol_count + from->trusted_count) * sizeof(struct prefix);
}

const struct http_listener *http_listener_copy(void *to, const struct http_listener *from)
{
	struct http_listener *http = to;
	struct prefix *prefixes = (struct prefix *)(http + 1);

	*http = *from;
	if (from->proxy_protocol_count)
		memcpy(prefixes, from->proxy_protocol,
			from->proxy_protocol_count * sizeof(*prefixes));
	http->proxy_protocol = prefixes;
	prefixes += from->proxy_protocol_count;
	if (from->trusted_count)
		memcpy(prefixes, from->trusted, from->trusted_count * sizeof(*prefixes));
	http->trusted = prefixes;
	return http;
}
