// SPDX-License-Identifier: BSD-3-Clause
// BGP: the routers that are told of VIPs, and what they are told of each pool.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define AT(path, ...) (snprintf(path, sizeof(path), __VA_ARGS__), path)

bool settings_has_pool(const struct settings *s, const char *name)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		if (s->pools[i].name && strcmp(s->pools[i].name, name) == 0)
			return true;
	return false;
}

// What becomes a name or a quoted text in another program's configuration holds nothing that could
// end it.
static bool is_plain(const char *text, const char *more)
{
	for (const char *p = text; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && !strchr(more, *p))
			return false;
	return true;
}

static void check_peer(struct reader *r, const struct bgp_settings *bgp, unsigned at)
{
	const struct bgp_peer *peer = &bgp->peers[at];
	char path[64];

	if (peer->name && (!is_plain(peer->name, "_") || strlen(peer->name) > 32 ||
				  (*peer->name >= '0' && *peer->name <= '9')))
		settings_mistake(r, AT(path, "bgp.peers[%u].name", at),
			"found \"%.40s\", expected up to 32 letters, digits and _, the first not a "
			"digit",
			peer->name);
	if (peer->password && (!is_plain(peer->password, " !#$%&()*+,-./:;<=>?@[]^_{|}~") ||
				      strlen(peer->password) > 80))
		settings_mistake(r, AT(path, "bgp.peers[%u].password", at),
			"expected up to 80 characters of ASCII, without quotes and backslashes");
	for (unsigned i = 0; i < at; i++) {
		if (peer->name && bgp->peers[i].name && strcmp(peer->name, bgp->peers[i].name) == 0)
			settings_mistake(r, AT(path, "bgp.peers[%u].name", at),
				"found \"%s\", which bgp.peers[%u] has already", peer->name, i);
		if (addr_compare(&peer->address, &bgp->peers[i].address) == 0)
			settings_mistake(r, AT(path, "bgp.peers[%u].address", at),
				"bgp.peers[%u] has it already", i);
	}
}

static void read_peers(struct reader *r, const setting_t *group, struct bgp_settings *bgp)
{
	static const char *const keys[] = {"name", "address", "asn", "port", "password", "hold_s",
		"multihop", "bfd", "graceful_restart", NULL};
	const setting_t *list = read_list(r, group, "peers", &bgp->peer_count);
	char name[24], path[64];

	bgp->peers = read_take(r, bgp->peer_count, sizeof(*bgp->peers));
	if (!bgp->peers)
		bgp->peer_count = 0;
	for (unsigned i = 0; i < bgp->peer_count; i++) {
		const setting_t *element = config_setting_get_elem(list, i);
		struct bgp_peer *peer = &bgp->peers[i];

		read_known(r, element, keys);
		snprintf(name, sizeof(name), "peer%u", i + 1);
		peer->name = read_text(r, element, "name", "a name such as \"tor1\"", name);
		if (!read_address(r, element, "address", &peer->address) &&
			!read_member(element, "address"))
			settings_mistake(r, AT(path, "bgp.peers[%u].address", i),
				"missing, expected the router's address");
		peer->asn = bgp->asn;
		read_number(r, element, "asn", 1, UINT32_MAX, &peer->asn);
		peer->port = 179;
		read_number(r, element, "port", 1, UINT16_MAX, &peer->port);
		peer->password = read_text(r, element, "password", "a text", "");
		peer->hold_s = 9;
		read_number(r, element, "hold_s", 3, UINT16_MAX, &peer->hold_s);
		read_number(r, element, "multihop", 0, 255, &peer->multihop);
		read_bool(r, element, "bfd", &peer->bfd);
		read_bool(r, element, "graceful_restart", &peer->graceful_restart);
		check_peer(r, bgp, i);
	}
}

// "65000:100", numbers of 16 bits, or three of 32.
static bool is_community(const char *text)
{
	unsigned long long parts[3] = {0};
	unsigned count = 0;
	const char *p = text;

	while (count < 3 && *p >= '0' && *p <= '9') {
		char *end;

		parts[count++] = strtoull(p, &end, 10);
		if (end - p > 10)
			return false;
		p = *end == ':' ? end + 1 : end;
		if (*end != ':')
			break;
	}
	if (*p || (p > text && p[-1] == ':'))
		return false;
	if (count == 2)
		return parts[0] <= UINT16_MAX && parts[1] <= UINT16_MAX;
	return count == 3 && parts[0] <= UINT32_MAX && parts[1] <= UINT32_MAX &&
	       parts[2] <= UINT32_MAX;
}

static void check_policy(struct reader *r, const struct settings *s, unsigned at)
{
	const struct bgp_settings *bgp = &s->bgp;
	const struct bgp_policy *policy = &bgp->policies[at];
	char path[64];

	if (policy->pool && *policy->pool && !settings_has_pool(s, policy->pool))
		settings_mistake(r, AT(path, "bgp.pools[%u].name", at),
			"found \"%.40s\", expected the name of a pool", policy->pool);
	for (unsigned i = 0; i < policy->community_count; i++)
		if (policy->communities[i] && !is_community(policy->communities[i]))
			settings_mistake(r, AT(path, "bgp.pools[%u].communities[%u]", at, i),
				"found \"%.40s\", expected \"65000:100\" or a large community "
				"\"65000:1:2\"",
				policy->communities[i]);
	for (unsigned i = 0; i < policy->peer_count; i++) {
		bool found = false;

		for (unsigned j = 0; policy->peers[i] && j < bgp->peer_count; j++)
			found |= bgp->peers[j].name &&
				 strcmp(bgp->peers[j].name, policy->peers[i]) == 0;
		if (policy->peers[i] && !found)
			settings_mistake(r, AT(path, "bgp.pools[%u].peers[%u]", at, i),
				"found \"%.40s\", expected the name of one of bgp.peers",
				policy->peers[i]);
	}
	for (unsigned i = 0; i < at; i++)
		if (policy->pool && bgp->policies[i].pool &&
			strcmp(policy->pool, bgp->policies[i].pool) == 0)
			settings_mistake(r, AT(path, "bgp.pools[%u].name", at),
				"found \"%.40s\", which bgp.pools[%u] has already", policy->pool,
				i);
}

static void read_policies(struct reader *r, const setting_t *group, struct settings *s)
{
	static const char *const keys[] = {"name", "peers", "communities", "med", "local_pref",
		"aggregate", "l2", "withdraw_unready", NULL};
	struct bgp_settings *bgp = &s->bgp;
	const setting_t *list = read_list(r, group, "pools", &bgp->policy_count);

	bgp->policies = read_take(r, bgp->policy_count, sizeof(*bgp->policies));
	if (!bgp->policies)
		bgp->policy_count = 0;
	for (unsigned i = 0; i < bgp->policy_count; i++) {
		const setting_t *element = config_setting_get_elem(list, i);
		struct bgp_policy *policy = &bgp->policies[i];

		read_known(r, element, keys);
		policy->pool = read_text(r, element, "name", "the name of a pool", NULL);
		policy->peers = read_texts(r, element, "peers", &policy->peer_count);
		policy->communities =
			read_texts(r, element, "communities", &policy->community_count);
		policy->has_med = read_member(element, "med");
		read_number(r, element, "med", 0, UINT32_MAX, &policy->med);
		policy->has_local_pref = read_member(element, "local_pref");
		read_number(r, element, "local_pref", 0, UINT32_MAX, &policy->local_pref);
		read_bool(r, element, "aggregate", &policy->aggregate);
		read_bool(r, element, "l2", &policy->l2);
		read_bool(r, element, "withdraw_unready", &policy->withdraw_unready);
		check_policy(r, s, i);
	}
}

void settings_read_bgp(struct reader *r, const setting_t *root, struct settings *s)
{
	static const char *const keys[] = {
		"asn", "router_id", "bfd_interval_ms", "bfd_multiplier", "peers", "pools", NULL};
	const setting_t *group = read_group(r, root, "bgp");
	struct bgp_settings *bgp = &s->bgp;

	bgp->bfd_interval_ms = 100;
	bgp->bfd_multiplier = 3;
	if (!group)
		return;
	read_known(r, group, keys);
	if (!read_member(group, "asn"))
		settings_mistake(r, "bgp.asn", "missing, expected our autonomous system's number");
	read_number(r, group, "asn", 1, UINT32_MAX, &bgp->asn);
	if (!read_member(group, "router_id"))
		settings_mistake(r, "bgp.router_id",
			"missing, expected an IPv4 address of this box alone, by which routers "
			"know it");
	else if (read_address(r, group, "router_id", &bgp->router_id) &&
		 !addr_is_v4(&bgp->router_id))
		settings_mistake(r, "bgp.router_id",
			"expected an IPv4 address of this box alone, by which routers know it");
	read_number(r, group, "bfd_interval_ms", 10, 10000, &bgp->bfd_interval_ms);
	read_number(r, group, "bfd_multiplier", 2, 50, &bgp->bfd_multiplier);
	read_peers(r, group, bgp);
	read_policies(r, group, s);
}

static void free_texts(char **list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void settings_free_announcing(struct settings *s)
{
	for (unsigned i = 0; i < s->bgp.peer_count; i++) {
		free(s->bgp.peers[i].name);
		free(s->bgp.peers[i].password);
	}
	for (unsigned i = 0; i < s->bgp.policy_count; i++) {
		struct bgp_policy *policy = &s->bgp.policies[i];

		free_texts(policy->peers, policy->peer_count);
		free_texts(policy->communities, policy->community_count);
		free(policy->pool);
	}
	for (unsigned i = 0; i < s->pair.group_count; i++) {
		free_texts(s->pair.groups[i].pools, s->pair.groups[i].pool_count);
		free(s->pair.groups[i].gateways);
	}
	free(s->bgp.peers);
	free(s->bgp.policies);
	free(s->pair.groups);
	free(s->pair.interface);
	free(s->health.path);
	free(s->health.host);
}
