// SPDX-License-Identifier: BSD-3-Clause
// Routes to the pods of each node, through the node's own address.
#include <stdlib.h>
#include <string.h>

#include "planning.h"

struct claim { // a node's prefix
	struct prefix prefix;
	const struct node *node;
};

static int compare_claims(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	const struct object *x = &a->node->object, *y = &b->node->object;
	int order = addr_compare(&a->prefix.addr, &b->prefix.addr);

	if (!order)
		order = a->prefix.length - b->prefix.length;
	if (!order && x->created != y->created)
		order = x->created < y->created ? -1 : 1;
	if (!order)
		order = strcmp(x->cluster, y->cluster);
	return order ? order : strcmp(x->name, y->name);
}

// The node's first address of the family.
static const struct addr *via_of(const struct node *node, bool v4)
{
	for (unsigned i = 0; i < node->address_count; i++)
		if (addr_is_v4(&node->addresses[i]) == v4)
			return &node->addresses[i];
	return NULL;
}

// Would the route lead away what is next to us? Then why not to have it.
static const char *hides_link(
	const struct prefix *own, const struct prefix *to, const struct addr *via)
{
	struct prefix link = *own;

	prefix_mask(&link);
	// A wider route gives way to the link's own, a narrower one must leave us and the node out.
	if (!prefix_contains(&link, &to->addr) || to->length < link.length)
		return NULL;
	if (prefix_contains(to, &own->addr))
		return "it holds an address of the appliance";
	return prefix_contains(to, via) ? "it holds the node's own address" : NULL;
}

static const char *hides_any(
	const struct settings *s, const struct prefix *to, const struct addr *via)
{
	const char *why = to->length == 0 ? "it is everything" : NULL;

	for (unsigned i = 0; !why && i < s->port_count; i++) {
		const struct port_settings *port = &s->ports[i];

		for (unsigned j = 0; !why && j < port->address_count; j++)
			why = hides_link(&port->addresses[j], to, via);
		for (unsigned j = 0; !why && j < port->vlan_count; j++)
			for (unsigned k = 0; !why && k < port->vlans[j].address_count; k++)
				why = hides_link(&port->vlans[j].addresses[k], to, via);
	}
	return why;
}

static void add_route(struct planner *p, const struct claim *claim, const struct claim *first)
{
	const struct object *object = &claim->node->object;
	const struct addr *via = via_of(claim->node, addr_is_v4(&claim->prefix.addr));
	struct plan_route *route;
	char text[PREFIX_TEXT];
	const char *why;

	prefix_format(&claim->prefix, text);
	if (first != claim) {
		problem_add(p, PROBLEM_ERROR, object,
			"spec.podCIDRs: %s is Node %s/%s's already, which is older; no route for "
			"it "
			"through this node",
			text, first->node->object.cluster, first->node->object.name);
		return;
	}
	if (!via) {
		problem_add(p, PROBLEM_WARNING, object,
			"status.addresses: no InternalIP of the family of %s, expected one: its "
			"pods "
			"cannot be routed to",
			text);
		return;
	}
	why = hides_any(p->settings, &claim->prefix, via);
	if (why) {
		problem_add(
			p, PROBLEM_ERROR, object, "spec.podCIDRs: no route for %s: %s", text, why);
		return;
	}
	if (p->route_count >= SLUICE_ROUTES_MAX)
		return;
	route = part_add(p->part, ROW_ROUTE);
	if (!route)
		return;
	p->route_count++;
	*route = (struct plan_route){claim->prefix, *via,
		arena_format(p->arena, "%s/%s", object->cluster, object->name)};
}

static void check_weight(struct planner *p, const struct object *node)
{
	const char *text = object_annotation(node, "sluice.dev/weight");
	size_t n = text ? strspn(text, "0123456789") : 0;
	unsigned long value = n ? strtoul(text, NULL, 10) : 0;

	if (text && (text[n] || value < 1 || value > SLUICE_WEIGHT_MAX))
		problem_add(p, PROBLEM_ERROR, node,
			"annotation sluice.dev/weight: found \"%.60s\", expected a number from 1 "
			"to "
			"%d; 1 is used",
			text, SLUICE_WEIGHT_MAX);
}

void routes_make(struct planner *p)
{
	struct claim *claims = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < p->node_count; i++) {
		const struct node *node = (const struct node *)p->nodes[i];

		check_weight(p, &node->object);
		if (planning_node_ports(p->kept, node->object.cluster))
			continue;
		for (unsigned j = 0; j < node->pod_prefix_count; j++) {
			claims = arena_grow(&p->scratch, claims, count, sizeof(*claims));
			if (!claims)
				return;
			claims[count++] = (struct claim){node->pod_prefixes[j], node};
		}
	}
	if (count > 1)
		qsort(claims, count, sizeof(*claims), compare_claims);
	for (unsigned i = 0, first = 0; i < count; i++) {
		if (memcmp(&claims[i].prefix, &claims[first].prefix, sizeof(struct prefix)) != 0)
			first = i;
		add_route(p, &claims[i], &claims[first]);
	}
}
