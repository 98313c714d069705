// SPDX-License-Identifier: BSD-3-Clause
// The pair of boxes, and the health checks of Services that do not say.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interfaces.h"
#include "reader.h"

#define AT(path, ...) (snprintf(path, sizeof(path), __VA_ARGS__), path)

static const char *const health_kinds[] = {"off", "tcp", "http", "https", NULL};

const char *health_kind_name(enum health_kind kind)
{
	return health_kinds[kind];
}

bool health_kind_parse(const char *text, enum health_kind *kind)
{
	for (unsigned i = 0; health_kinds[i]; i++)
		if (strcmp(health_kinds[i], text) == 0) {
			*kind = (enum health_kind)i;
			return true;
		}
	return false;
}

static bool has_interface(const struct settings *s, const char *name)
{
	struct interface_walk at = {.settings = s};

	while (interface_next(&at))
		if (strcmp(at.name, name) == 0)
			return true;
	return false;
}

bool settings_has_others(const struct settings *s)
{
	return *s->pair.interface || s->bgp.asn;
}

static bool is_higher(const struct prefix *addresses, unsigned count, const struct addr *peer)
{
	for (unsigned i = 0; i < count; i++)
		if (addr_is_v4(&addresses[i].addr) == addr_is_v4(peer) &&
			addr_compare(&addresses[i].addr, peer) > 0)
			return true;
	return false;
}

// Which end of the pools is ours; see plan/ipam.c.
static bool is_second(const struct settings *s)
{
	struct interface_walk at = {.settings = s};

	while (interface_next(&at))
		if (strcmp(at.name, s->pair.interface) == 0)
			return is_higher(at.addresses, at.address_count, &s->pair.peer);
	return false;
}

static void check_groups(struct reader *r, const struct settings *s)
{
	const struct pair_settings *pair = &s->pair;
	char path[64];

	for (unsigned i = 0; i < pair->group_count; i++) {
		const struct pair_group *group = &pair->groups[i];

		for (unsigned j = 0; j < i; j++)
			if (pair->groups[j].id == group->id)
				settings_mistake(r, AT(path, "pair.groups[%u].id", i),
					"found %u, which pair.groups[%u] has already", group->id,
					j);
		if (pair->group_count > 1 && !group->pool_count)
			settings_mistake(r, AT(path, "pair.groups[%u].pools", i),
				"missing, expected the names of its pools");
		for (unsigned j = 0; j < group->pool_count; j++)
			if (group->pools[j] && !settings_has_pool(s, group->pools[j]))
				settings_mistake(r, AT(path, "pair.groups[%u].pools[%u]", i, j),
					"found \"%.40s\", expected the name of a pool",
					group->pools[j]);
	}
}

static void read_groups(struct reader *r, const setting_t *group, struct settings *s)
{
	static const char *const keys[] = {"id", "priority", "pools", "gateways", NULL};
	struct pair_settings *pair = &s->pair;
	const setting_t *list = read_list(r, group, "groups", &pair->group_count);
	uint32_t id = 51, priority = 100;
	bool absent = !list;

	read_number(r, group, "id", 1, 255, &id);
	read_number(r, group, "priority", 1, 254, &priority);
	if (absent)
		pair->group_count = 1;
	pair->groups = read_take(r, pair->group_count, sizeof(*pair->groups));
	if (!pair->groups)
		pair->group_count = 0;
	for (unsigned i = 0; i < pair->group_count; i++) {
		const setting_t *element = absent ? NULL : config_setting_get_elem(list, i);
		struct pair_group *out = &pair->groups[i];

		out->id = id + i;
		out->priority = priority;
		if (!element) {
			settings_read_gateways(r, group, s, out);
			continue;
		}
		read_known(r, element, keys);
		read_number(r, element, "id", 1, 255, &out->id);
		read_number(r, element, "priority", 1, 254, &out->priority);
		out->pools = read_texts(r, element, "pools", &out->pool_count);
		settings_read_gateways(r, element, s, out);
	}
	if (!absent && read_member(group, "gateways"))
		settings_mistake(r, "pair.gateways",
			"expected among the keys of one of pair.groups, with whose VIPs they go");
}

void settings_read_pair(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {"interface", "peer", "id", "priority", "preempt",
		"interval_ms", "gateways", "groups", NULL};
	const setting_t *group = read_group(r, root, "pair");
	struct pair_settings *pair = &s->pair;

	if (!group) {
		pair->interface = read_copy(r, "");
		return;
	}
	pair->interval_ms = 100;
	read_known(r, group, keys);
	pair->interface = read_text(r, group, "interface", "the name of a port or VLAN", NULL);
	if (pair->interface && *pair->interface && !has_interface(s, pair->interface))
		settings_mistake(r, "pair.interface",
			"found \"%.20s\", expected the name of a port or VLAN", pair->interface);
	pair->has_peer = read_address(r, group, "peer", &pair->peer);
	pair->second = pair->interface && pair->has_peer && is_second(s);
	read_bool(r, group, "preempt", &pair->preempt);
	// VRRPv3 counts in hundredths of a second.
	read_number(r, group, "interval_ms", 10, 40000, &pair->interval_ms);
	if (pair->interval_ms % 10)
		settings_mistake(r, "pair.interval_ms", "found %u, expected a multiple of 10",
			pair->interval_ms);
	read_groups(r, group, s);
	check_groups(r, s);
}

void settings_read_health(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {
		"check", "interval_ms", "timeout_ms", "rise", "fall", "path", "host", NULL};
	const setting_t *group = read_group(r, root, "health");
	struct health_settings *health = &s->health;

	*health = (struct health_settings){
		.interval_ms = 1000, .timeout_ms = 1000, .rise = 2, .fall = 3};
	if (group) {
		read_known(r, group, keys);
		health->kind = (enum health_kind)read_choice(r, group, "check", health_kinds, 0);
		read_number(r, group, "interval_ms", 100, 3600000, &health->interval_ms);
		read_number(r, group, "timeout_ms", 10, 60000, &health->timeout_ms);
		read_number(r, group, "rise", 1, 100, &health->rise);
		read_number(r, group, "fall", 1, 100, &health->fall);
		health->path = read_text(r, group, "path", "a path such as \"/healthz\"", "/");
		health->host = read_text(r, group, "host", "a host", "");
		if (health->path && *health->path && *health->path != '/')
			settings_mistake(r, "health.path",
				"found \"%.40s\", expected it to begin with /", health->path);
	} else {
		health->path = read_copy(r, "/");
		health->host = read_copy(r, "");
	}
}
