// SPDX-License-Identifier: BSD-3-Clause
// The addresses that the boxes of a pair have as one, for hosts whose way leads through them: they
// go with a group's VIPs. Each is said alone; the interface is the one in whose network it is.
#include <stdio.h>
#include <string.h>

#include "interfaces.h"
#include "reader.h"

struct checked {
	struct reader *r;
	const struct settings *s;
	const setting_t *element;
	struct pair_gateway *gateway;
	char own[PAIR_INTERFACE_TEXT]; // the name of the interface that has this very address
};

static void find_interface(struct checked *c)
{
	struct interface_walk at = {.settings = c->s};

	while (interface_next(&at))
		for (unsigned i = 0; i < at.address_count; i++) {
			struct prefix network = at.addresses[i];

			prefix_mask(&network);
			if (addr_compare(&at.addresses[i].addr, &c->gateway->address) == 0)
				memcpy(c->own, at.name, sizeof(c->own));
			if (!*c->gateway->interface &&
				prefix_contains(&network, &c->gateway->address))
				memcpy(c->gateway->interface, at.name,
					sizeof(c->gateway->interface));
		}
}

static const struct pool_settings *find_pool(const struct settings *s, const struct addr *address)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		for (unsigned j = 0; j < s->pools[i].range_count; j++)
			if (range_contains(&s->pools[i].ranges[j], address))
				return &s->pools[i];
	return NULL;
}

static bool is_source(const struct settings *s, const struct addr *address)
{
	for (unsigned i = 0; i < s->snat.range_count; i++)
		if (range_contains(&s->snat.ranges[i], address))
			return true;
	return false;
}

// Within a group, or of a group before it.
static bool is_twice(const struct settings *s, const struct pair_gateway *gateway)
{
	for (unsigned i = 0; i < s->pair.group_count; i++)
		for (unsigned j = 0; j < s->pair.groups[i].gateway_count; j++) {
			const struct pair_gateway *other = &s->pair.groups[i].gateways[j];

			if (other == gateway)
				return false;
			if (addr_compare(&other->address, &gateway->address) == 0)
				return true;
		}
	return false;
}

static void check(struct checked *c)
{
	const struct addr *address = &c->gateway->address;
	const struct pool_settings *pool = find_pool(c->s, address);
	char expected[160] = "";

	find_interface(c);
	if (!*c->gateway->interface)
		snprintf(expected, sizeof(expected), "an address in the network of a port or VLAN");
	else if (*c->own)
		snprintf(expected, sizeof(expected),
			"an address beside those of the boxes; %s has it", c->own);
	else if (c->s->pair.has_peer && addr_compare(address, &c->s->pair.peer) == 0)
		snprintf(expected, sizeof(expected),
			"an address beside those of the boxes; it is the peer's");
	else if (pool)
		snprintf(expected, sizeof(expected), "an address outside pools; %.40s has it",
			pool->name ? pool->name : "one");
	else if (is_source(c->s, address))
		snprintf(expected, sizeof(expected), "an address that is not among snat.addresses");
	else if (is_twice(c->s, c->gateway))
		snprintf(expected, sizeof(expected), "each gateway once");
	if (*expected)
		read_expected(c->r, c->element, expected);
}

void settings_read_gateways(
	struct reader *r, const setting_t *from, const struct settings *s, struct pair_group *group)
{
	unsigned count = read_text_count(r, from, "gateways");

	group->gateways = read_take(r, count, sizeof(*group->gateways));
	for (unsigned i = 0; group->gateways && i < count; i++) {
		struct checked c = {.r = r, .s = s, .gateway = &group->gateways[i]};
		const char *text = read_text_at(r, from, "gateways", i, &c.element);

		group->gateway_count = i + 1;
		if (!text)
			continue;
		if (addr_parse(&c.gateway->address, text) < 0 || addr_is_zero(&c.gateway->address))
			read_expected(r, c.element, "an address, IPv4 or IPv6");
		else
			check(&c);
	}
}
