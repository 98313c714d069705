// SPDX-License-Identifier: BSD-3-Clause
// Reading what the proxy needs of the tables.
#include "tables_internal.h"

#include <string.h>

uint64_t http_name_hash(uint32_t site, const char *name, size_t length)
{
	uint64_t hash = 0x9e3779b97f4a7c15 * (site + 1), part;

	for (; length >= 8; name += 8, length -= 8) {
		memcpy(&part, name, 8);
		hash = maglev_mix(hash ^ part);
	}
	part = length;
	for (size_t i = 0; i < length; i++)
		part = part << 8 | (uint8_t)name[i];
	return maglev_mix(hash ^ part);
}

bool http_host_equal(const void *value, const void *key)
{
	const struct http_host *host = value;
	const struct http_name *wanted = key;

	// If it is the one: memory is asked for its paths and for its name at the same time.
	route_paths_prefetch((const char *)host + http_host_front(wanted->length));
	return host->site == wanted->site && host->name_length == wanted->length &&
	       memcmp(host->name, wanted->text, wanted->length) == 0;
}

bool http_server_name_equal(const void *value, const void *key)
{
	const struct server_name *name = value;
	const struct http_name *wanted = key;

	return name->site == wanted->site && name->name_length == wanted->length &&
	       memcmp(name->name, wanted->text, wanted->length) == 0;
}

const void *http_find(const struct map *map, map_equal *equal, const struct http_name *name)
{
	return map_find(map, http_name_hash(name->site, name->text, name->length), equal, name);
}

// By its own name, by the wildcard one label above, or by "".
static const void *choose(
	const struct map *map, map_equal *equal, uint32_t site, struct route_text host)
{
	char text[SLUICE_HOST_LENGTH];
	struct http_name name = {.site = site, .text = text};
	const void *found = NULL;
	char *dot;

	name.length = route_fold_host(text, host.text, host.length);
	if (name.length && name.text[0] != '.') {
		found = http_find(map, equal, &name);
		dot = found ? NULL : memchr(text, '.', name.length);
		if (dot) {
			name.length -= (size_t)(dot - 1 - text);
			name.text = dot - 1;
			dot[-1] = '*';
			found = http_find(map, equal, &name);
		}
	}
	name.length = 0;
	return found ? found : http_find(map, equal, &name);
}

const struct http_site *tables_site(const struct tables *tables, uint32_t slot)
{
	return slots_get(&tables->sites, slot);
}

static struct http_found look(const struct http_host *host, struct route_text path)
{
	struct http_found found = {.host = host, .how = ROUTE_NOT_FOUND};
	struct route_found by_path;

	if (!host)
		return found;
	by_path = route_paths_lookup(host->paths, path);
	found.how = by_path.how;
	found.rule = by_path.rule == UINT32_MAX ? NULL : &host->rules[by_path.rule];
	if (found.how == ROUTE_BY_PATTERN)
		memcpy(found.groups, by_path.groups, sizeof(found.groups));
	return found;
}

struct http_found tables_rule(const struct tables *tables, uint32_t site, const char *host,
	size_t host_length, struct route_text path)
{
	const struct http_name nobody = {.site = site, .text = ""};
	const struct http_host *chosen = choose(
		&tables->host_map, http_host_equal, site, (struct route_text){host, host_length});
	struct http_found found = look(chosen, path), other;

	if (found.rule || !chosen || chosen->name_length == 0 || found.how == ROUTE_TOO_COSTLY)
		return found;
	// The catch-all takes what no host's rule does; other rules without host do not.
	other = look(
		http_find(&tables->host_map, http_host_equal, &nobody), (struct route_text){"", 0});
	return other.how == ROUTE_BY_CATCH_ALL ? other : found;
}

const struct server_name *tables_server_name(
	const struct tables *tables, uint32_t site, const char *name, size_t name_length)
{
	return choose(&tables->server_name_map, http_server_name_equal, site,
		(struct route_text){name, name_length});
}

bool tables_has_certificate(
	const struct tables *tables, uint32_t site, const char *host, size_t host_length)
{
	const struct server_name *name = tables_server_name(tables, site, host, host_length);

	return name && name->name_length && name->certificate_count;
}

bool tables_has_passthrough(const struct tables *tables, uint32_t site)
{
	const struct http_site *it = tables_site(tables, site);

	return it && tables->passthrough_names;
}

const struct certificate *tables_certificate(
	const struct tables *tables, const struct certificate_reference *reference)
{
	const struct certificate *certificate = slots_get(&tables->certificates, reference->slot);

	return certificate && certificate->hash == reference->hash ? certificate : NULL;
}

const struct pool *tables_backend_pool(
	const struct tables *tables, const struct rule_backend *backend)
{
	const struct pool *pool = slots_get(&tables->pools, backend->pool);

	return pool && pool->name_hash == backend->hash ? pool : NULL;
}

const struct http_rule *tables_rule_slot(
	const struct tables *tables, uint32_t slot, const struct http_host **host)
{
	const struct http_rule *rule = slots_get(&tables->rules, slot);

	*host = rule ? rule->host : NULL;
	return rule;
}

uint32_t tables_rule_slots(const struct tables *tables)
{
	return tables->rule_end;
}

void tables_each_host(
	const struct tables *tables, void (*visit)(const struct http_host *, void *), void *arg)
{
	for (uint32_t slot = 0; slot < tables->host_end; slot++) {
		const struct http_host *host = slots_get(&tables->hosts, slot);

		if (host)
			visit(host, arg);
	}
}

void tables_each_certificate(
	const struct tables *tables, void (*visit)(const struct certificate *, void *), void *arg)
{
	for (uint32_t slot = 0; slot < tables->certificate_end; slot++) {
		const struct certificate *certificate = slots_get(&tables->certificates, slot);

		if (certificate)
			visit(certificate, arg);
	}
}
