// SPDX-License-Identifier: BSD-3-Clause
// How the endpoints of a cluster are reached, and endpoint mode "nodeport": nodes in the place of
// pods, at the port that Kubernetes has opened on each of them. Of a node:
//
//	ready                        READY, when the Service has a ready pod: anywhere, or with
//	                             externalTrafficPolicy Local on this very node
//	cordoned, or (Local) only    DRAINING; in use while there is nothing better
//	terminating pods on it
//	not ready, or excluded by    DRAINING: what goes on there goes on
//	its label
//	Local, and no pod on it      not in the pool
//
// With Local a node weighs as much as it has pods, so that pods share the load evenly.
#include <string.h>

#include "member.h"

struct pods { // on a node, or on all
	unsigned ready, serving;
	bool named;                 // some pod says which node it is on
	const struct addr *through; // the node's address
};

static struct pods count_pods(
	const struct want *want, const struct service_port *port, unsigned family, const char *node)
{
	struct pods pods = {0};

	for (unsigned i = 0; i < want->slice_count; i++) {
		const struct endpoint_slice *slice = want->slices[i];
		bool ours = slice->family == (family == V4 ? FAMILY_V4 : FAMILY_V6);

		for (unsigned j = 0; ours && j < slice->port_count; j++) {
			if (!member_is_for(&slice->ports[j], port))
				continue;
			for (unsigned k = 0; k < slice->endpoint_count; k++) {
				const struct slice_endpoint *pod = &slice->endpoints[k];
				uint8_t is = pod->conditions;

				pods.named |= *pod->node != '\0';
				if (node && strcmp(pod->node, node) != 0)
					continue;
				if ((is & ENDPOINT_IS_READY) || want->service->publish_not_ready)
					pods.ready++;
				else if ((is & ENDPOINT_IS_TERMINATING) &&
					 (is & ENDPOINT_IS_SERVING))
					pods.serving++;
			}
			break;
		}
	}
	return pods;
}

static const struct addr *address_of(const struct node *node, unsigned family)
{
	for (unsigned i = 0; i < node->address_count; i++)
		if (family_of(&node->addresses[i]) == family)
			return &node->addresses[i];
	return NULL;
}

static void add_node(struct planner *p, struct want *want, struct members *members,
	const struct node *node, const struct pods *pods)
{
	const struct slice_endpoint as = {
		.address = *pods->through, .node = node->object.name, .name = ""};
	bool works = !node->not_ready && !node->excluded;
	struct member *member = member_add(p, want, members, pods->through);
	unsigned weight = 1;

	if (!member)
		return;
	if (want->service->local_only && pods->ready > 1)
		weight = pods->ready;
	weight *= member_weight(p, want, &as);
	member->endpoint.weight =
		(uint16_t)(weight < SLUICE_WEIGHT_MAX ? weight : SLUICE_WEIGHT_MAX);
	member->endpoint.state =
		works && !node->unschedulable && pods->ready ? ENDPOINT_READY : ENDPOINT_DRAINING;
	member->serving = works && (pods->ready || pods->serving);
	member->name = node->object.name;
}

static bool can(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members)
{
	const struct service *service = want->service;
	const char *protocol = port->protocol == IPPROTO_TCP ? "TCP" : "UDP";
	struct pods all = count_pods(want, port, family, NULL);

	if (!port->node_port) {
		problem_add(p, PROBLEM_ERROR, &service->object,
			"port %s %u has no nodePort%s, and endpoint mode nodeport needs one; give "
			"it "
			"one, or set endpoints = \"pod\" for cluster %s in sluice.conf",
			protocol, port->port,
			service->no_node_ports ? " (allocateLoadBalancerNodePorts is false)" : "",
			service->object.cluster);
		members->told = true;
		return false;
	}
	if (service->local_only && !all.named && all.ready + all.serving) {
		problem_add(p, PROBLEM_WARNING, &service->object,
			"port %s %u: externalTrafficPolicy is Local, but no %s endpoint says which "
			"node it is on: no node is used",
			protocol, port->port, family_name(family));
		members->told = true;
		return false;
	}
	return true;
}

void members_of_nodes(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members)
{
	struct pods all = count_pods(want, port, family, NULL);

	members->port_found = all.ready + all.serving > 0 || want->slice_count > 0;
	if (!can(p, want, port, family, members))
		return;
	for (size_t i = 0; i < p->node_count; i++) {
		const struct node *node = (const struct node *)p->nodes[i];
		const struct addr *address = address_of(node, family);
		struct pods pods = all;

		if (!address || strcmp(node->object.cluster, want->service->object.cluster) != 0)
			continue;
		if (want->service->local_only)
			pods = count_pods(want, port, family, node->object.name);
		if (want->service->local_only && !pods.ready && !pods.serving)
			continue;
		pods.through = address;
		add_node(p, want, members, node, &pods);
		if (members->count)
			members->list[members->count - 1].endpoint.port = port->node_port;
	}
}

// Which way it is, and why.
static void add_cluster(
	struct planner *p, struct node_digest *cluster, const struct object **nodes, unsigned count)
{
	struct plan_cluster *row = part_add(p->part, ROW_CLUSTER);
	unsigned without = 0, ready = 0;
	const char *first = "";

	if (!row)
		return;
	for (unsigned i = count; i > 0; i--) {
		const struct node *node = (const struct node *)nodes[i - 1];

		ready += !node->not_ready;
		if (node->pod_prefix_count || !node->address_count)
			continue; // without an address it could not be sent to either
		without++;
		first = node->object.name;
	}
	row->name = arena_copy(p->arena, cluster->cluster);
	row->node_count = count;
	row->nodes_ready = ready;
	row->asked = settings_endpoint_mode(p->settings, cluster->cluster);
	row->endpoints = row->asked;
	if (row->asked == ENDPOINTS_AUTO)
		row->endpoints = without ? ENDPOINTS_NODE_PORT : ENDPOINTS_POD;
	if (row->asked != ENDPOINTS_AUTO)
		row->why = arena_copy(p->arena, "sluice.conf says so");
	else if (without)
		row->why = arena_format(p->arena,
			"%u of %u nodes without spec.podCIDRs, the first is %s", without, count,
			first);
	else
		row->why = arena_format(p->arena, "no node of %u is without spec.podCIDRs", count);
	cluster->node_ports = row->endpoints == ENDPOINTS_NODE_PORT;
}

void clusters_make(struct planner *p)
{
	struct planning *g = p->kept;

	for (size_t i = 0, first = 0; i < p->node_count; i++) {
		const char *name = p->nodes[i]->cluster;

		if (i + 1 < p->node_count && strcmp(p->nodes[i + 1]->cluster, name) == 0)
			continue;
		for (unsigned j = 0; j < g->digest_count; j++)
			if (g->digests[j].cluster && strcmp(g->digests[j].cluster, name) == 0)
				add_cluster(p, &g->digests[j], p->nodes + first,
					(unsigned)(i + 1 - first));
		first = i + 1;
	}
}

bool planning_node_ports(const struct planning *g, const char *cluster)
{
	for (unsigned i = 0; i < g->digest_count; i++)
		if (g->digests[i].cluster && strcmp(g->digests[i].cluster, cluster) == 0)
			return g->digests[i].node_ports;
	return false;
}
