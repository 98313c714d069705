// SPDX-License-Identifier: BSD-3-Clause
// What no single key of sluice.conf shows: names, duplicates, overlaps, reachability.
//
// Works on what was read; elements that were wrong already are zeros and are passed over, so that
// nothing is told twice.
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "settings_internal.h"

#define PATH_TEXT 128

#define AT(buf, ...) (snprintf(buf, sizeof(buf), __VA_ARGS__), buf)

static bool is_blank(const struct range_settings *range)
{
	static const struct addr zero;

	return addr_compare(&range->first, &zero) == 0;
}

static bool name_ok(const char *name, size_t most)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= most && name[n] == '\0' && name[0] != '-' && name[n - 1] != '-';
}

// Why the address cannot be that of a host, or NULL.
static const char *unusable(const struct addr *addr)
{
	static const struct addr loopback = {{[15] = 1}};
	uint8_t first = addr_is_v4(addr) ? addr->byte[12] : 0;

	if (addr_is_zero(addr) || (addr_is_v4(addr) && first == 0))
		return "is unspecified";
	if (first == 127 || addr_compare(addr, &loopback) == 0)
		return "is a loopback address";
	if ((first & 0xf0) == 0xe0 || (!addr_is_v4(addr) && addr->byte[0] == 0xff))
		return "is a multicast address";
	if ((first & 0xf0) == 0xf0)
		return "is reserved";
	return NULL;
}

// Every address of every interface, ports first: `index` counts up until false.
struct own {
	unsigned port, vlan, address; // vlan: 0 = the port itself, else its index + 1
	const struct prefix *prefix;
};

static bool own_next(const struct settings *s, struct own *own)
{
	while (own->port < s->port_count) {
		const struct port_settings *port = &s->ports[own->port];
		const struct prefix *list = port->addresses;
		unsigned count = port->address_count;

		if (own->vlan > 0) {
			list = port->vlans[own->vlan - 1].addresses;
			count = port->vlans[own->vlan - 1].address_count;
		}
		if (own->address < count) {
			own->prefix = &list[own->address++];
			if (own->prefix->length == 0) // wrong already
				continue;
			return true;
		}
		own->address = 0;
		if (++own->vlan > port->vlan_count) {
			own->vlan = 0;
			own->port++;
		}
	}
	return false;
}

static const char *own_path(const struct own *own, char *buf, size_t size)
{
	if (own->vlan)
		snprintf(buf, size, "ports[%u].vlans[%u].addresses[%u]", own->port, own->vlan - 1,
			own->address - 1);
	else
		snprintf(buf, size, "ports[%u].addresses[%u]", own->port, own->address - 1);
	return buf;
}

static bool is_kind(const char *kind)
{
	static const char *const kinds[] = {"af_packet", "af_xdp", "tap", "memif", "pci", "pcap"};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return false;
}

static void check_vlans(struct reader *r, const struct port_settings *port, unsigned i)
{
	char path[PATH_TEXT];
	char name[64];

	for (unsigned j = 0; j < port->vlan_count; j++) {
		unsigned id = port->vlans[j].id;

		AT(path, "ports[%u].vlans[%u].id", i, j);
		if (id == 0)
			continue;
		snprintf(name, sizeof(name), "%.40s.%u", port->name, id);
		if (name_ok(port->name, 11) && strlen(name) >= IF_NAMESIZE)
			settings_mistake(r, path,
				"the interface would be called \"%s\", expected at most %d "
				"characters: shorten the port's name",
				name, IF_NAMESIZE - 1);
		for (unsigned k = 0; k < j; k++)
			if (port->vlans[k].id == id)
				settings_mistake(r, path,
					"found %u, which ports[%u].vlans[%u] has already", id, i,
					k);
	}
}

static void check_ports(struct reader *r, const struct settings *s)
{
	unsigned ifaces = 0;
	char path[PATH_TEXT];

	if (s->port_count == 0)
		settings_mistake(r, "ports",
			"no port, expected at least one: ports = ( { name = \"wan\"; kind = "
			"\"af_packet\"; device = \"eth0\"; } );");
	if (s->port_count > SLUICE_PORTS_MAX)
		settings_mistake(r, "ports", "found %u ports, expected at most %d", s->port_count,
			SLUICE_PORTS_MAX);
	for (unsigned i = 0; i < s->port_count; i++) {
		const struct port_settings *port = &s->ports[i];

		ifaces += 1 + port->vlan_count;
		AT(path, "ports[%u].name", i);
		if (*port->name && (!name_ok(port->name, 11) || strcmp(port->name, "lo") == 0))
			settings_mistake(r, path,
				"found \"%.40s\", expected 1 to 11 characters of a-z, 0-9 and -, "
				"but not \"lo\"",
				port->name);
		if (*port->kind && !is_kind(port->kind))
			settings_mistake(r, AT(path, "ports[%u].kind", i),
				"found \"%.40s\", expected \"af_packet\", \"af_xdp\", \"tap\", "
				"\"memif\", \"pci\" or \"pcap\"",
				port->kind);
		check_vlans(r, port, i);
		for (unsigned j = 0; j < i; j++) {
			const struct port_settings *other = &s->ports[j];

			if (*port->name && strcmp(other->name, port->name) == 0)
				settings_mistake(r, AT(path, "ports[%u].name", i),
					"found \"%s\", which ports[%u] has already", port->name, j);
			if (*port->device && strcmp(other->device, port->device) == 0 &&
				strcmp(other->kind, port->kind) == 0 &&
				strcmp(other->options, port->options) == 0)
				settings_mistake(r, AT(path, "ports[%u].device", i),
					"found \"%.80s\", which ports[%u] drives already",
					port->device, j);
		}
		// The twin of the port is made in the kernel under the port's name.
		if (strcmp(port->kind, "af_packet") != 0 && strcmp(port->kind, "af_xdp") != 0)
			continue;
		for (unsigned j = 0; j < s->port_count; j++)
			if (*port->device && strcmp(s->ports[j].name, port->device) == 0)
				settings_mistake(r, AT(path, "ports[%u].name", j),
					"found \"%s\", which is the network interface ports[%u] "
					"drives; expected another name, as the port's own kernel "
					"interface will be called so",
					port->device, i);
	}
	if (ifaces > SLUICE_IFACES_MAX)
		settings_mistake(r, "ports",
			"found %u ports and VLANs together, expected at most %d", ifaces,
			SLUICE_IFACES_MAX);
}

static void check_addresses(struct reader *r, const struct settings *s)
{
	struct own own = {0};
	char path[PATH_TEXT];
	char other_path[PATH_TEXT];
	char text[ADDR_TEXT];

	while (own_next(s, &own)) {
		const struct addr *addr = &own.prefix->addr;
		const char *why = unusable(addr);
		struct prefix net = *own.prefix;
		struct own other = {0};

		own_path(&own, path, sizeof(path));
		addr_format(addr, text);
		prefix_mask(&net);
		if (!why && addr_is_v4(addr) && net.length < 31 &&
			addr_compare(&net.addr, addr) == 0)
			why = "is the network, with all host bits zero";
		if (why)
			settings_mistake(
				r, path, "%s %s, expected the address of a host", text, why);
		while (own_next(s, &other) && other.prefix != own.prefix)
			if (addr_compare(&other.prefix->addr, addr) == 0)
				settings_mistake(r, path, "found %s, which %s has already", text,
					own_path(&other, other_path, sizeof(other_path)));
	}
}

static bool is_link_local(const struct addr *addr)
{
	return !addr_is_v4(addr) && addr->byte[0] == 0xfe && (addr->byte[1] & 0xc0) == 0x80;
}

static bool on_link(const struct settings *s, const struct addr *addr)
{
	struct own own = {0};

	while (own_next(s, &own)) {
		struct prefix net = *own.prefix;

		prefix_mask(&net);
		if (prefix_contains(&net, addr))
			return true;
	}
	return false;
}

static bool is_own(const struct settings *s, const struct addr *addr)
{
	struct own own = {0};

	while (own_next(s, &own))
		if (addr_compare(&own.prefix->addr, addr) == 0)
			return true;
	return false;
}

static void check_routes(struct reader *r, const struct settings *s)
{
	static const struct addr none;
	char path[PATH_TEXT];
	char text[PREFIX_TEXT];

	for (unsigned i = 0; i < s->route_count; i++) {
		const struct route_settings *route = &s->routes[i];
		bool has_to = route->to.length != SETTINGS_NO_PREFIX;

		AT(path, "routes[%u].via", i);
		if (addr_compare(&route->via, &none) != 0) {
			addr_format(&route->via, text);
			if (has_to && addr_is_v4(&route->to.addr) != addr_is_v4(&route->via))
				settings_mistake(r, path,
					"found %s, expected an address of the family of \"to\"",
					text);
			else if (is_own(s, &route->via))
				settings_mistake(r, path,
					"found %s, which is our own address, expected a router's",
					text);
			else if (is_link_local(&route->via) || !on_link(s, &route->via))
				settings_mistake(r, path,
					"found %s, which is in the subnet of %s interface, "
					"expected a router in that of one",
					text, is_link_local(&route->via) ? "every" : "no");
		}
		for (unsigned j = 0; has_to && j < i; j++)
			if (memcmp(&s->routes[j].to, &route->to, sizeof(route->to)) == 0)
				settings_mistake(r, AT(path, "routes[%u].to", i),
					"found %s, which routes[%u] has already",
					prefix_format(&route->to, text), j);
	}
}

// Who speaks to us there, a router or the other box of the pair.
static void check_other(
	struct reader *r, const struct settings *s, const char *path, const struct addr *addr)
{
	const char *why = addr_is_zero(addr) ? NULL : unusable(addr); // zeros were told already
	char text[ADDR_TEXT];

	if (is_own(s, addr))
		why = "is our own address";
	if (why)
		settings_mistake(r, path, "found %s, which %s, expected the other one's address",
			addr_format(addr, text), why);
}

// What BIRD would refuse is refused here, where the file is at hand.
static void check_bgp(struct reader *r, const struct settings *s)
{
	char path[PATH_TEXT];
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < s->bgp.peer_count; i++) {
		const struct bgp_peer *peer = &s->bgp.peers[i];

		AT(path, "bgp.peers[%u].address", i);
		check_other(r, s, path, &peer->address);
		if (is_link_local(&peer->address))
			settings_mistake(r, path,
				"found %s, which every link may have, expected an address of the "
				"router's that is in the network of a port, such as 2001:db8::1",
				addr_format(&peer->address, text));
		if (peer->bfd && peer->multihop)
			settings_mistake(r, AT(path, "bgp.peers[%u].bfd", i),
				"found true beside multihop = %u, expected BFD with routers next "
				"to us alone: leave one of the two out",
				peer->multihop);
	}
}

// A range of addresses that are to be ours: told when it holds what cannot be.
static void check_range(
	struct reader *r, const char *path, const struct range_settings *range, const char *whose)
{
	const char *why = unusable(&range->first);
	char text[ADDR_TEXT];

	if (!why)
		why = unusable(&range->last);
	if (why)
		settings_mistake(r, path, "%s %s, expected addresses of hosts for %s",
			addr_format(&range->first, text), why, whose);
}

static bool is_interface(const struct settings *s, const char *name)
{
	for (unsigned i = 0; i < s->port_count; i++) {
		const struct port_settings *port = &s->ports[i];
		char vlan[64];

		if (strcmp(port->name, name) == 0)
			return true;
		for (unsigned j = 0; j < port->vlan_count; j++) {
			snprintf(vlan, sizeof(vlan), "%.40s.%u", port->name, port->vlans[j].id);
			if (strcmp(vlan, name) == 0)
				return true;
		}
	}
	return false;
}

static void check_pool_range(struct reader *r, const struct settings *s, unsigned i, unsigned j)
{
	const struct range_settings *range = &s->pools[i].ranges[j];
	struct own own = {0};
	char path[PATH_TEXT];
	char text[ADDR_TEXT];
	char other[PATH_TEXT];

	AT(path, "pools[%u].addresses[%u]", i, j);
	check_range(r, path, range, "a pool of VIPs");
	while (own_next(s, &own))
		if (range_contains(range, &own.prefix->addr))
			settings_mistake(r, path,
				"holds %s, which is the appliance's own address (%s); expected "
				"VIPs "
				"alone",
				addr_format(&own.prefix->addr, text),
				own_path(&own, other, sizeof(other)));
	for (unsigned k = 0; k < s->route_count; k++)
		if (!addr_is_zero(&s->routes[k].via) && range_contains(range, &s->routes[k].via))
			settings_mistake(r, path, "holds %s, which is a router (routes[%u].via)",
				addr_format(&s->routes[k].via, text), k);
	for (unsigned k = 0; k <= i; k++)
		for (unsigned l = 0; l < s->pools[k].range_count && (k < i || l < j); l++)
			if (!is_blank(&s->pools[k].ranges[l]) &&
				range_overlaps(range, &s->pools[k].ranges[l]))
				settings_mistake(r, path,
					"overlaps pools[%u].addresses[%u], expected each address "
					"once",
					k, l);
}

static void check_pools(struct reader *r, const struct settings *s)
{
	char path[PATH_TEXT];

	for (unsigned i = 0; i < s->pool_count; i++) {
		const struct pool_settings *pool = &s->pools[i];

		AT(path, "pools[%u].name", i);
		if (*pool->name && !name_ok(pool->name, 63))
			settings_mistake(r, path,
				"found \"%.80s\", expected 1 to 63 characters of a-z, 0-9 and -",
				pool->name);
		for (unsigned j = 0; j < i; j++)
			if (*pool->name && strcmp(s->pools[j].name, pool->name) == 0)
				settings_mistake(r, path,
					"found \"%s\", which pools[%u] has already", pool->name, j);
		if (pool->range_count == 0)
			settings_mistake(r, AT(path, "pools[%u].addresses", i),
				"no address, expected at least one range such as "
				"\"192.0.2.100-192.0.2.120\"");
		for (unsigned j = 0; j < pool->range_count; j++)
			if (!is_blank(&pool->ranges[j]))
				check_pool_range(r, s, i, j);
		for (unsigned j = 0; j < pool->interface_count; j++)
			if (pool->interfaces[j][0] && !is_interface(s, pool->interfaces[j]))
				settings_mistake(r, AT(path, "pools[%u].interfaces[%u]", i, j),
					"found \"%.40s\", expected the name of a port (\"wan\") or "
					"of "
					"one of its VLANs (\"wan.100\")",
					pool->interfaces[j]);
	}
}

static void check_snat(struct reader *r, const struct settings *s)
{
	unsigned ports = s->snat.port_last - s->snat.port_first + 1u;
	char path[PATH_TEXT];

	if (ports < s->dataplane.worker_count)
		settings_mistake(r, "snat.ports",
			"found %u ports, expected at least one for each of the %u workers", ports,
			s->dataplane.worker_count);
	for (unsigned i = 0; i < s->snat.range_count; i++) {
		const struct range_settings *range = &s->snat.ranges[i];

		if (is_blank(range))
			continue;
		AT(path, "snat.addresses[%u]", i);
		check_range(r, path, range, "source NAT");
		for (unsigned j = 0; j < i; j++)
			if (range_overlaps(range, &s->snat.ranges[j]))
				settings_mistake(r, path,
					"overlaps snat.addresses[%u], expected each address once",
					j);
		for (unsigned j = 0; j < s->pool_count; j++)
			for (unsigned k = 0; k < s->pools[j].range_count; k++)
				if (range_overlaps(range, &s->pools[j].ranges[k]))
					settings_mistake(r, path,
						"overlaps pools[%u].addresses[%u], expected "
						"addresses "
						"that are no VIPs",
						j, k);
	}
}

// Nothing is NULL here (settings.c), which compilers and analyzers cannot see.
static const char *said(const char *text)
{
	return text ? text : "";
}

static void check_sources(struct reader *r, const struct settings *s)
{
	char path[PATH_TEXT];

	for (unsigned i = 0; i < s->source_count; i++) {
		const char *name = said(s->sources[i].name);

		AT(path, "sources[%u].name", i);
		if (*name && !name_ok(name, 63))
			settings_mistake(r, path,
				"found \"%.80s\", expected 1 to 63 characters of a-z, 0-9 and -",
				name);
		if (strcmp(name, SETTINGS_OWN_SOURCE) == 0)
			settings_mistake(r, path, "found \"%s\", which is our own name", name);
		for (unsigned j = 0; *name && j < i; j++)
			if (strcmp(said(s->sources[j].name), name) == 0)
				settings_mistake(r, path,
					"found \"%s\", which sources[%u] has already", name, j);
	}
}

static void check_ingress(struct reader *r, const struct settings *s)
{
	const char *name = said(s->ingress.pool);
	bool found = !*name;

	for (unsigned i = 0; i < s->pool_count; i++)
		found = found || strcmp(said(s->pools[i].name), name) == 0;
	if (!found)
		settings_mistake(
			r, "ingress.pool", "found \"%.80s\", expected the name of a pool", name);
	if (s->ingress.http_port == s->ingress.https_port)
		settings_mistake(r, "ingress.https_port", "found %u, which is http_port already",
			s->ingress.https_port);
}

void settings_check(struct reader *r, const struct settings *s)
{
	check_ports(r, s);
	check_addresses(r, s);
	check_routes(r, s);
	check_snat(r, s);
	check_pools(r, s);
	check_bgp(r, s);
	if (s->pair.has_peer)
		check_other(r, s, "pair.peer", &s->pair.peer);
	check_sources(r, s);
	check_ingress(r, s);
}
