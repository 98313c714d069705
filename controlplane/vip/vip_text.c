// SPDX-License-Identifier: BSD-3-Clause
// The configurations of BIRD and keepalived, and what the two say. See vip_text.h.
#include "vip_text.h"

#include "interfaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct bgp_policy *bgp_policy_of(const struct settings *s, const char *pool)
{
	static const struct bgp_policy plain;

	if (!s->bgp.asn || !*pool)
		return NULL;
	for (unsigned i = 0; i < s->bgp.policy_count; i++)
		if (strcmp(s->bgp.policies[i].pool, pool) == 0)
			return &s->bgp.policies[i];
	return s->bgp.policy_count ? NULL : &plain;
}

static int group_of_gateway(const struct settings *s, const struct addr *address)
{
	for (unsigned i = 0; i < s->pair.group_count; i++)
		for (unsigned j = 0; j < s->pair.groups[i].gateway_count; j++)
			if (addr_compare(&s->pair.groups[i].gateways[j].address, address) == 0)
				return (int)i;
	return -1;
}

int pair_group_of(const struct settings *s, const char *pool, const struct addr *address)
{
	const struct bgp_policy *policy = bgp_policy_of(s, pool);

	if (!*s->pair.interface)
		return -1;
	if (!*pool)
		return group_of_gateway(s, address);
	for (unsigned i = 0; i < s->pair.group_count; i++) {
		const struct pair_group *group = &s->pair.groups[i];

		if (!group->pool_count && (!policy || policy->l2))
			return (int)i;
		for (unsigned j = 0; j < group->pool_count; j++)
			if (strcmp(group->pools[j], pool) == 0)
				return (int)i;
	}
	return -1;
}

static unsigned policy_count(const struct settings *s)
{
	return s->bgp.policy_count ? s->bgp.policy_count : 1;
}

bool bgp_peer_gets(const struct bgp_policy *policy, const struct bgp_peer *peer, bool v4)
{
	if (addr_is_v4(&peer->address) != v4)
		return false;
	for (unsigned i = 0; i < policy->peer_count; i++)
		if (strcmp(policy->peers[i], peer->name) == 0)
			return true;
	return policy->peer_count == 0;
}

// In the export filter: BIRD sends a MED to a neighbouring system only when it is set there.
static void print_attributes(FILE *f, const struct bgp_policy *policy)
{
	for (unsigned i = 0; policy && i < policy->community_count; i++) {
		unsigned part[3] = {0};
		int n = sscanf(policy->communities[i], "%u:%u:%u", &part[0], &part[1],
			&part[2]); // NOLINT(cert-err34-c): settings have checked it

		if (n == 3)
			fprintf(f, " bgp_large_community.add((%u, %u, %u));", part[0], part[1],
				part[2]);
		else
			fprintf(f, " bgp_community.add((%u, %u));", part[0], part[1]);
	}
	if (policy && policy->has_med)
		fprintf(f, " bgp_med = %u;", policy->med);
	if (policy && policy->has_local_pref)
		fprintf(f, " bgp_local_pref = %u;", policy->local_pref);
}

// A route lives as long as its interface has a carrier, which is as long as the dataplane lives:
// nobody but BIRD is needed to withdraw it then.
static void print_routes(
	FILE *f, const struct settings *s, unsigned at, bool v4, const struct route_list *routes)
{
	const struct bgp_policy *policy = s->bgp.policy_count ? &s->bgp.policies[at] : NULL;
	char text[PREFIX_TEXT];

	fprintf(f, "\nprotocol static vips%u_%s {\n\tipv%d;\n\tcheck link;\n", at, v4 ? "v4" : "v6",
		v4 ? 4 : 6);
	for (unsigned i = 0; i < routes->count; i++) {
		const struct route_row *row = &routes->rows[i];

		if (addr_is_v4(&row->to.addr) != v4 ||
			(policy && strcmp(policy->pool, row->pool->name) != 0))
			continue;
		fprintf(f, "\troute %s via \"%s\";\n", prefix_format(&row->to, text),
			row->pool->interface_count ? row->pool->interfaces[0] : s->ports[0].name);
	}
	fprintf(f, "}\n");
}

static void print_peer(FILE *f, const struct settings *s, const struct bgp_peer *peer)
{
	bool v4 = addr_is_v4(&peer->address);
	char text[ADDR_TEXT];

	fprintf(f,
		"\nprotocol bgp " BIRD_PEER "%s {\n\tlocal as %u;\n\tneighbor %s port %u as %u;\n",
		peer->name, s->bgp.asn, addr_format(&peer->address, text), peer->port, peer->asn);
	if (*peer->password)
		fprintf(f, "\tpassword \"%s\";\n", peer->password);
	fprintf(f,
		"\thold time %u;\n\tconnect retry time 2;\n\tconnect delay time 1;\n"
		"\terror wait time 1, 30;\n",
		peer->hold_s);
	if (peer->multihop)
		fprintf(f, "\tmultihop %u;\n", peer->multihop);
	else
		fprintf(f, "\tdirect;\n");
	if (peer->bfd)
		fprintf(f, "\tbfd yes;\n");
	fprintf(f, "\tgraceful restart %s;\n", peer->graceful_restart ? "yes" : "aware");
	fprintf(f, "\tipv%d {\n\t\timport none;\n\t\tnext hop self;\n\t\texport filter {\n",
		v4 ? 4 : 6);
	for (unsigned i = 0; i < policy_count(s); i++) {
		const struct bgp_policy *policy = s->bgp.policy_count ? &s->bgp.policies[i] : NULL;

		if (policy && !bgp_peer_gets(policy, peer, v4))
			continue;
		fprintf(f, "\t\t\tif proto = \"vips%u_%s\" then {", i, v4 ? "v4" : "v6");
		print_attributes(f, policy);
		fprintf(f, " accept; }\n");
	}
	fprintf(f, "\t\t\treject;\n\t\t};\n\t};\n}\n");
}

char *bird_text(const struct settings *s, const struct route_list *routes)
{
	bool bfd = false;
	char *text = NULL, id[ADDR_TEXT];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (unsigned i = 0; i < s->bgp.peer_count; i++)
		bfd |= s->bgp.peers[i].bfd;
	fprintf(f,
		"# Written by sluice-controlplane from sluice.conf; changes are lost.\n"
		"log stderr all;\nrouter id %s;\n\nprotocol device {\n}\n",
		addr_format(&s->bgp.router_id, id));
	if (bfd)
		fprintf(f,
			"\nprotocol bfd {\n\tinterface \"*\" { interval %u ms; multiplier %u; "
			"};\n}\n",
			s->bgp.bfd_interval_ms, s->bgp.bfd_multiplier);
	for (unsigned i = 0; i < policy_count(s); i++) {
		print_routes(f, s, i, true, routes);
		print_routes(f, s, i, false, routes);
	}
	for (unsigned i = 0; i < s->bgp.peer_count; i++)
		print_peer(f, s, &s->bgp.peers[i]);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static const struct prefix *address_of(const struct settings *s, const char *interface, bool v4)
{
	struct interface_walk at = {.settings = s};

	while (interface_next(&at))
		for (unsigned i = 0; strcmp(at.name, interface) == 0 && i < at.address_count; i++)
			if (addr_is_v4(&at.addresses[i].addr) == v4)
				return &at.addresses[i];
	return NULL;
}

// An instance begins to count when its interface has carried packets for a while: one that came up
// just now has heard no advert yet, and would take the VIPs from a master that is well.
#define STARTUP_DELAY_S "1"

static bool is_tracked(const struct pair_settings *pair, const struct pair_group *group, unsigned n)
{
	const char *interface = group->gateways[n].interface;

	for (unsigned i = 0; i < n; i++)
		if (strcmp(group->gateways[i].interface, interface) == 0)
			return true;
	return strcmp(interface, pair->interface) == 0;
}

// Who cannot be reached at a gateway is no good as master: its VIPs' pods answer that way.
static void print_tracked(FILE *f, const struct pair_settings *pair, const struct pair_group *group)
{
	bool begun = false;

	for (unsigned i = 0; i < group->gateway_count; i++) {
		if (is_tracked(pair, group, i))
			continue;
		fprintf(f, "%s\t\t%s\n", begun ? "" : "\ttrack_interface {\n",
			group->gateways[i].interface);
		begun = true;
	}
	if (begun)
		fprintf(f, "\t}\n");
}

// keepalived wants an address to care for. Ours are the dataplane's: it gets one that means
// nothing, on an interface where nobody sees it.
char *keepalived_text(const struct settings *s, const struct keepalived_files *files)
{
	const struct pair_settings *pair = &s->pair;
	bool v4 = !pair->has_peer || addr_is_v4(&pair->peer);
	const struct prefix *own = address_of(s, pair->interface, v4);
	char *text = NULL, address[ADDR_TEXT];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"# Written by sluice-controlplane from sluice.conf; changes are lost.\n"
		"global_defs {\n\trouter_id sluice\n\tvrrp_version 3\n\tvrrp_notify_fifo %s\n"
		"\tvrrp_startup_delay " STARTUP_DELAY_S "\n\tvrrp_rt_priority 20\n"
		// On a CPU that it shares, or one of software, 10 ms (its default) are soon over.
		"\tvrrp_rlimit_rttime 1000000\n}\n",
		files->fifo);
	for (unsigned i = 0; i < pair->group_count; i++) {
		const struct pair_group *group = &pair->groups[i];

		fprintf(f,
			"\ntrack_file raise%u {\n\tfile \"%s%u\"\n\tweight 1\n}\n"
			"vrrp_instance group%u {\n\tstate BACKUP\n%s\tinterface %s\n"
			"\tvirtual_router_id %u\n\tpriority %u\n\tadvert_int %u.%02u\n"
			"\ttrack_file {\n\t\traise%u\n\t}\n",
			group->id, files->raise, group->id, group->id,
			pair->preempt ? "" : "\tnopreempt\n", pair->interface, group->id,
			group->priority, pair->interval_ms / 1000, pair->interval_ms % 1000 / 10,
			group->id);
		print_tracked(f, pair, group);
		if (pair->has_peer) {
			if (own)
				fprintf(f, "\tunicast_src_ip %s\n",
					addr_format(&own->addr, address));
			fprintf(f, "\tunicast_peer {\n\t\t%s\n\t}\n",
				addr_format(&pair->peer, address));
		}
		if (v4)
			fprintf(f,
				"\tvirtual_ipaddress {\n\t\t169.254.112.%u/32 dev lo scope host\n"
				"\t}\n}\n",
				group->id);
		else
			fprintf(f, "\tvirtual_ipaddress {\n\t\tfe80::112:%u/128 dev lo\n\t}\n}\n",
				group->id);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

// The next word of the line into the place, cut to its size. What comes behind it.
static const char *take_word(const char *at, const char *end, char *place, size_t size)
{
	size_t n = 0;

	while (at < end && *at == ' ')
		at++;
	for (; at < end && *at != ' '; at++)
		if (n + 1 < size)
			place[n++] = *at;
	place[n] = '\0';
	return at;
}

bool bird_protocol_parse(const char *line, size_t length, struct bird_protocol *p)
{
	const char *at = line, *end = line + length;
	char table[64];
	size_t n = 0;

	at = take_word(at, end, p->name, sizeof(p->name));
	at = take_word(at, end, p->kind, sizeof(p->kind));
	at = take_word(at, end, table, sizeof(table));
	at = take_word(at, end, p->state, sizeof(p->state));
	at = take_word(at, end, p->since, sizeof(p->since));
	for (; at < end; at++) { // its columns are filled up with spaces
		if (*at == ' ' && (at + 1 == end || at[1] == ' ' || !n))
			continue;
		if (n + 1 < sizeof(p->info))
			p->info[n++] = *at;
	}
	p->info[n] = '\0';
	p->exported = 0;
	return *p->state != '\0';
}

bool bird_routes_parse(const char *line, size_t length, unsigned *exported)
{
	const char *at = line, *end = line + length;
	char number[12], word[12];

	at = take_word(at, end, word, sizeof(word));
	if (strcmp(word, "Routes:") != 0)
		return false;
	while (at < end) { // "4 exported,"
		at = take_word(at, end, number, sizeof(number));
		at = take_word(at, end, word, sizeof(word));
		if (strncmp(word, "exported", 8) == 0) {
			*exported = (unsigned)strtoul(number, NULL, 10);
			return true;
		}
	}
	return false;
}

bool bird_session_parse(const char *line, size_t length, struct bird_session *session)
{
	const char *at = line, *end = line + length;
	char word[64];

	at = take_word(at, end, word, sizeof(word));
	if (addr_parse(&session->address, word) != 0)
		return false;
	at = take_word(at, end, word, sizeof(word)); // the interface
	take_word(at, end, session->state, sizeof(session->state));
	return *session->state != '\0';
}

void bird_rows_clear(struct bird_rows *rows)
{
	rows->protocol_count = rows->session_count = 0;
}

void bird_rows_add(struct bird_rows *rows, unsigned code, const char *line, size_t length)
{
	unsigned n = rows->protocol_count;

	if (code == 1002 && n < BIRD_ROWS_MAX &&
		bird_protocol_parse(line, length, &rows->protocols[n]))
		rows->protocol_count++;
	if (code == 1006 && n) // of the protocol before
		bird_routes_parse(line, length, &rows->protocols[n - 1].exported);
	if (code == 1020 && rows->session_count < BIRD_ROWS_MAX &&
		bird_session_parse(line, length, &rows->sessions[rows->session_count]))
		rows->session_count++;
}

static const char *const vrrp_states[] = {"stopped", "backup", "master", "fault"};

const char *vrrp_state_name(enum vrrp_state state)
{
	return vrrp_states[state];
}

bool vrrp_event_parse(const char *line, size_t length, uint32_t *id, enum vrrp_state *state)
{
	static const char *const words[] = {"STOP", "BACKUP", "MASTER", "FAULT"};
	static const char begin[] = "INSTANCE \"group";
	const char *at = line + sizeof(begin) - 1, *end = line + length;
	char word[12];

	if (length < sizeof(begin) || strncmp(line, begin, sizeof(begin) - 1) != 0)
		return false;
	for (*id = 0; at < end && *at >= '0' && *at <= '9' && *id < 256; at++)
		*id = *id * 10 + (uint32_t)(*at - '0');
	if (*id == 0 || *id > 255 || at == end || *at != '"')
		return false;
	take_word(at + 1, end, word, sizeof(word));
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(words[i], word) == 0) {
			*state = (enum vrrp_state)i;
			return true;
		}
	return false;
}
