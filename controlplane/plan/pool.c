// SPDX-License-Identifier: BSD-3-Clause
// The endpoints behind one port of a Service, in one family.
//
// A port of an EndpointSlice belongs to the port of the Service with the same name and protocol; it
// carries the number that targetPort came to for these pods. Of an endpoint's conditions:
//
//	ready, or publishNotReadyAddresses     READY
//	terminating, and not ready             DRAINING: keeps its flows, gets no new ones
//	neither, TCP                           DRAINING too: a probe that failed ends no connection
//	neither, UDP                           not in the pool: its flows find another at once
//
// As in Kubernetes, whose own proxies drop what they remember of UDP alone.
// When no endpoint is ready, those that terminate but still serve get new flows, as in Kubernetes:
// better they than nobody.
#include <stdlib.h>
#include <string.h>

#include "member.h"

static const struct node *find_node(const struct planner *p, const char *cluster, const char *name)
{
	size_t low = 0, high = p->node_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct object *node = p->nodes[middle];
		int order = strcmp(node->cluster, cluster);

		if (!order)
			order = strcmp(node->name, name);
		if (order == 0)
			return (const struct node *)node;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static uint16_t node_weight(const struct planner *p, const char *cluster, const char *name)
{
	const struct node *node = *name ? find_node(p, cluster, name) : NULL;
	const char *text = node ? object_annotation(&node->object, "sluice.dev/weight") : NULL;
	unsigned long value;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 1;
	value = strtoul(text, &end, 10);
	return *end || value < 1 || value > SLUICE_WEIGHT_MAX ? 1 : (uint16_t)value;
}

// The endpoint's own weight, else its node's by the Service, else its node's by the Node.
uint16_t member_weight(
	const struct planner *p, const struct want *want, const struct slice_endpoint *endpoint)
{
	uint16_t by_node = 0;

	for (unsigned i = 0; i < want->weight_count; i++) {
		const struct weight *weight = &want->weights[i];

		if (!*weight->node && addr_compare(&weight->address, &endpoint->address) == 0)
			return weight->weight;
		if (*weight->node && strcmp(weight->node, endpoint->node) == 0)
			by_node = weight->weight;
	}
	return by_node ? by_node : node_weight(p, want->service->object.cluster, endpoint->node);
}

static bool is_vip(const struct planner *p, struct want *want, const struct addr *address)
{
	struct plan_vip vip = {.address = *address};

	if (!ipam_may_give(p, address))
		return false;
	want->near_vips = true;
	return rows_find(ROW_VIP, p->vip_rows, &vip);
}

static const char *unusable(const struct planner *p, struct want *want, const struct addr *address)
{
	uint8_t first = addr_is_v4(address) ? address->byte[12] : address->byte[0];

	if (is_vip(p, want, address))
		return "is a VIP of ours";
	if (addr_is_v4(address) ? first == 127 || first == 0 || first >= 224 : first == 0xff)
		return "is no address of a pod";
	if (!addr_is_v4(address) && first == 0xfe && (address->byte[1] & 0xc0) == 0x80)
		return "is link-local";
	return NULL;
}

struct member *member_add(
	struct planner *p, struct want *want, struct members *members, const struct addr *address)
{
	const char *why = unusable(p, want, address);
	char text[ADDR_TEXT];

	if (why) {
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"endpoint %s %s: it is not used", addr_format(address, text), why);
		return NULL;
	}
	members->list =
		arena_grow(&p->scratch, members->list, members->count, sizeof(*members->list));
	if (!members->list)
		return NULL;
	members->list[members->count].endpoint.address = *address;
	return &members->list[members->count++];
}

static void add_pod(struct planner *p, struct want *want, struct members *members,
	const struct slice_endpoint *from, uint16_t port)
{
	uint8_t conditions = from->conditions;
	bool ready = (conditions & ENDPOINT_IS_READY) || want->service->publish_not_ready;
	bool waits = !ready && !(conditions & ENDPOINT_IS_TERMINATING);
	struct member *member;

	if (waits && members->protocol == IPPROTO_UDP) {
		members->unready++;
		return;
	}
	member = member_add(p, want, members, &from->address);
	if (!member)
		return;
	members->unready += waits;
	member->endpoint.port = port;
	member->endpoint.weight = member_weight(p, want, from);
	member->endpoint.state = ready ? ENDPOINT_READY : ENDPOINT_DRAINING;
	member->serving =
		(conditions & ENDPOINT_IS_TERMINATING) && (conditions & ENDPOINT_IS_SERVING);
	member->name = *from->name ? from->name : from->node;
}

bool member_is_for(const struct slice_port *slice, const struct service_port *port)
{
	return slice->protocol == port->protocol && strcmp(slice->name, port->name) == 0;
}

static void collect_pods(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members)
{
	for (unsigned i = 0; i < want->slice_count; i++) {
		const struct endpoint_slice *slice = want->slices[i];

		if (slice->family != (family == V4 ? FAMILY_V4 : FAMILY_V6))
			continue;
		for (unsigned j = 0; j < slice->port_count; j++) {
			uint16_t number = slice->ports[j].port;

			if (!member_is_for(&slice->ports[j], port)) {
				members->other_port = true;
				continue;
			}
			members->port_found = true;
			if (number == 0) // any: then what the Service says
				number = port->target ? port->target : port->port;
			if (members->dsr && number != port->port) {
				members->retargeted = number; // it arrives as the client sent it
				number = port->port;
			}
			for (unsigned k = 0; k < slice->endpoint_count; k++)
				add_pod(p, want, members, &slice->endpoints[k], number);
			break; // one port of a name and protocol
		}
	}
}

// A drained cluster's get nothing new, whoever is left.
static void drain(const struct planner *p, const struct want *want, struct members *members)
{
	const struct planning *g = p->kept;

	if (!g->cluster_drained ||
		!g->cluster_drained(g->cluster_drained_arg, want->service->object.cluster))
		return;
	for (unsigned i = 0; i < members->count; i++) {
		members->list[i].endpoint.state = ENDPOINT_DRAINING;
		members->list[i].serving = false;
	}
	members->told = true;
}

void members_collect(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members)
{
	members->by_node = planning_node_ports(p->kept, want->service->object.cluster);
	if (members->by_node)
		members_of_nodes(p, want, port, family, members);
	else
		collect_pods(p, want, port, family, members);
	drain(p, want, members);
}

static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	int order = addr_compare(&a->endpoint.address, &b->endpoint.address);

	if (!order)
		order = a->endpoint.port - b->endpoint.port;
	if (!order) // of one that is in two slices the better state counts
		order = (int)a->endpoint.state - (int)b->endpoint.state;
	if (!order)
		order = b->serving - a->serving;
	return order ? order : strcmp(a->name, b->name);
}

void members_sort(struct members *members)
{
	unsigned left = 0;

	members->ready = 0;
	if (members->count > 1)
		qsort(members->list, members->count, sizeof(*members->list), compare_members);
	for (unsigned i = 0; i < members->count; i++) {
		const struct plan_endpoint *it = &members->list[i].endpoint;
		const struct plan_endpoint *last = left ? &members->list[left - 1].endpoint : NULL;

		if (last && last->port == it->port &&
			addr_compare(&last->address, &it->address) == 0)
			continue;
		members->ready += it->state == ENDPOINT_READY;
		members->list[left++] = members->list[i];
	}
	members->count = left;
}

// Who shall get no new connections because somebody said so: also when nobody else is left.
static void drain_members(const struct planner *p, struct members *members)
{
	const struct planning *g = p->kept;

	for (unsigned i = 0; g->drained && i < members->count; i++) {
		struct member *it = &members->list[i];

		if (!g->drained(g->drained_arg, &it->endpoint.address, it->endpoint.port))
			continue;
		members->drained += it->endpoint.state == ENDPOINT_READY;
		members->ready -= it->endpoint.state == ENDPOINT_READY;
		it->endpoint.state = ENDPOINT_DRAINING;
		it->serving = false;
	}
}

// Nobody is ready: those that still serve step in.
static bool promote(struct members *members)
{
	for (unsigned i = 0; i < members->count; i++) {
		if (!members->list[i].serving)
			continue;
		members->list[i].endpoint.state = ENDPOINT_READY;
		members->ready++;
	}
	return members->ready > 0;
}

static void bound(struct planner *p, struct want *want, struct members *members)
{
	unsigned room = SLUICE_ENDPOINTS_MAX - p->endpoint_count;

	p->squeezed |= members->count > room;
	if (room > SLUICE_POOL_ENDPOINTS_MAX)
		room = SLUICE_POOL_ENDPOINTS_MAX;
	if (members->count > room) {
		problem_add(p, PROBLEM_ERROR, &want->service->object,
			"%u endpoints, of which %u are used: a pool holds at most %d, all pools "
			"together %d",
			members->count, room, SLUICE_POOL_ENDPOINTS_MAX, SLUICE_ENDPOINTS_MAX);
		members->count = room;
	}
	p->endpoint_count += members->count;
	want->endpoint_count += members->count;
}

static void tell_state(struct planner *p, const struct want *want, const struct service_port *port,
	unsigned family, const struct members *members)
{
	const struct object *object = &want->service->object;
	const char *protocol = port->protocol == IPPROTO_TCP ? "TCP" : "UDP";

	if (want->proxied)
		return; // front_pool.c tells
	if (members->retargeted)
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u: in mode dsr pods get packets as the client sent them and must "
			"listen on port %u themselves; their port %u is not used",
			protocol, port->port, port->port, members->retargeted);
	if (members->promoted)
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u: every %s endpoint is %s; those that still serve get new "
			"connections",
			protocol, port->port, family_name(family),
			members->by_node ? "cordoned or terminating" : "terminating");
	else if (members->ready || members->told)
		return;
	else if (members->drained)
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u has no ready %s endpoint: %u are drained by `drain endpoint`",
			protocol, port->port, family_name(family), members->drained);
	else if (!members->port_found && members->other_port)
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u has no endpoint: no %s EndpointSlice of the Service has a %s "
			"port "
			"named \"%s\", as the Service's port is",
			protocol, port->port, family_name(family), protocol, port->name);
	else if (!members->port_found)
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u has no endpoint: no %s EndpointSlice has the label "
			"kubernetes.io/service-name=%s",
			protocol, port->port, family_name(family), object->name);
	else
		problem_add(p, PROBLEM_WARNING, object,
			"port %s %u has no ready %s endpoint (%u not ready, %u draining)", protocol,
			port->port, family_name(family), members->unready,
			members->count - (members->protocol == IPPROTO_TCP ? members->unready : 0));
}

struct plan_pool *pool_make(
	struct planner *p, struct want *want, const struct service_port *port, unsigned family)
{
	struct members members = {.protocol = port->protocol, .dsr = want->mode == MODE_DSR};
	struct plan_pool *pool;

	if (want->share_group)
		members_of_clusters(p, want, port, family, &members);
	else
		members_collect(p, want, port, family, &members);
	members_sort(&members);
	drain_members(p, &members);
	check_choose(p, want, &members);
	check_members(p, want, port, &members);
	members.promoted = members.ready == 0 && promote(&members);
	tell_state(p, want, port, family, &members);
	bound(p, want, &members);
	pool = part_add(p->part, ROW_POOL);
	if (!pool)
		return NULL;
	pool->name = arena_format(p->arena, "%s:%s:%u%s", want->name,
		port->protocol == IPPROTO_TCP ? "tcp" : "udp", port->port,
		family == V4 ? "" : ":6");
	pool->algorithm = want->algorithm;
	pool->check = check_copy(p, members.check);
	pool->endpoint_count = members.count;
	pool->endpoints = arena_take_array(p->arena, members.count, sizeof(*pool->endpoints));
	if (!pool->name || !pool->endpoints)
		return NULL;
	for (unsigned i = 0; i < members.count; i++) {
		pool->endpoints[i] = members.list[i].endpoint;
		pool->endpoints[i].name = arena_copy(p->arena, members.list[i].name);
	}
	return pool;
}
