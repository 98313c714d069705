// SPDX-License-Identifier: BSD-3-Clause
// Which nodes and pods of a cluster are reached from here, over the host path and so over the
// dataplane's ports: of each node and family one ready pod, one NodePort and one
// healthCheckNodePort, each by a TCP connection, FLYING_MOST at a time.
#include "check.h"

#include "probe.h"
#include "reach_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MOST  200
#define FLYING_MOST 100

enum kind {
	TO_POD,
	TO_NODE_PORT,
	TO_HEALTH_PORT,
};
#define KINDS (TO_HEALTH_PORT + 1)

static const struct {
	const char *what, *no_route, *silent, *refused;
	bool refusal_will_do; // somebody is there, and that is what is asked
} kinds[KINDS] = {
	[TO_POD] = {"pods", "see show host-routes, and whether the node forwards",
		"see whether a firewall or a NetworkPolicy drops it, and whether the node knows "
		"the "
		"way back",
		"", true},
	[TO_NODE_PORT] = {"NodePort", "see whether the node is up, and show neighbours",
		"see whether a firewall on the node or on the way drops NodePorts (30000 to 32767)",
		"see whether kube-proxy, or what takes its place, runs on the node and opens "
		"NodePorts at this address",
		false},
	[TO_HEALTH_PORT] = {"healthCheckNodePort",
		"see whether the node is up, and show neighbours",
		"see whether a firewall on the node or on the way drops NodePorts (30000 to 32767)",
		"see whether kube-proxy, or what takes its place, runs on the node", false},
};

struct attempt {
	struct reach *reach;
	enum kind kind;
	struct addr address;
	uint16_t port;
	char what[300], found[320];
	const char *mend;
	bool good;
};

struct reach {
	struct reach_options options; // but for the model, which is not ours for long
	char *cluster;
	json_t *rows;
	struct attempt *attempts;
	unsigned count, next, flying;
	uv_idle_t later;
};

static bool is_needed(const struct reach *r, enum kind kind)
{
	return (kind == TO_POD) != r->options.node_ports;
}

// What went out elsewhere says nothing of the dataplane.
static bool is_own(const struct reach *r, const struct addr *local)
{
	for (unsigned i = 0; i < r->options.own_count; i++)
		if (addr_compare(&r->options.own[i], local) == 0)
			return true;
	return !r->options.own_count;
}

static void judge(struct attempt *a, enum probe_result result, const struct addr *local)
{
	char at[ADDR_TEXT], port[16], from[ADDR_TEXT], elsewhere[120] = "";
	const char *outcome = "could not be tried";

	switch (result) {
	case PROBE_OPEN:
		outcome = "answers";
		a->good = true;
		break;
	case PROBE_REFUSED:
		a->good = kinds[a->kind].refusal_will_do;
		outcome = a->good ? "is there, and refuses this port" : "refuses: it is closed";
		a->mend = kinds[a->kind].refused;
		break;
	case PROBE_NO_ROUTE:
		outcome = "no route";
		a->mend = kinds[a->kind].no_route;
		break;
	case PROBE_SILENT:
		outcome = "no answer in 2 s";
		a->mend = kinds[a->kind].silent;
		break;
	case PROBE_FAILED:
		break;
	}
	if (local && !is_own(a->reach, local)) {
		a->good = false;
		a->mend = "give a port of the dataplane an address in that network, or a route to "
			  "it: see show host-routes";
		snprintf(elsewhere, sizeof(elsewhere),
			", asked from %s, which is no dataplane port's", addr_format(local, from));
	}
	snprintf(port, sizeof(port), addr_is_v4(&a->address) ? ":%u" : "]:%u", a->port);
	snprintf(a->found, sizeof(a->found), "%s%s%s %s%s%s", addr_is_v4(&a->address) ? "" : "[",
		addr_format(&a->address, at), port, outcome, elsewhere,
		a->good || is_needed(a->reach, a->kind) ? "" : "; not needed in mode pod");
}

// Where pods are not reached and NodePorts are.
static void tell_other_mode(struct reach *r)
{
	unsigned ports = 0, bad_ports = 0, bad_pods = 0;
	char mend[200];

	for (unsigned i = 0; i < r->count; i++) {
		const struct attempt *a = &r->attempts[i];

		ports += a->kind == TO_NODE_PORT;
		bad_ports += a->kind == TO_NODE_PORT && !a->good;
		bad_pods += a->kind == TO_POD && !a->good;
	}
	if (!bad_pods || !ports || bad_ports)
		return;
	snprintf(mend, sizeof(mend),
		"endpoints = \"nodeport\" for cluster %s in sluice.conf serves by them",
		r->cluster);
	check_row(r->rows, "the other mode", "ok", "NodePorts answer wherever one was tried", mend);
}

static void on_freed(uv_handle_t *handle)
{
	struct reach *r = handle->data;

	for (unsigned i = 0; i < r->count; i++) {
		const struct attempt *a = &r->attempts[i];

		check_row(r->rows, a->what,
			a->good                 ? "ok"
			: is_needed(r, a->kind) ? "failed"
						: "warning",
			a->found, a->good ? "" : a->mend);
	}
	tell_other_mode(r);
	r->options.done(r->options.arg);
	free(r->attempts);
	free(r->cluster);
	free(r);
}

static void fly(struct reach *r);

static void on_probed(void *arg, enum probe_result result, const struct addr *local)
{
	struct attempt *a = arg;
	struct reach *r = a->reach;

	judge(a, result, local);
	r->flying--;
	fly(r);
}

static void fly(struct reach *r)
{
	while (r->next < r->count && r->flying < FLYING_MOST) {
		struct attempt *a = &r->attempts[r->next++];

		if (probe_start(r->options.loop, &a->address, a->port, on_probed, a))
			judge(a, PROBE_FAILED, NULL);
		else
			r->flying++;
	}
	if (!r->flying && !uv_is_closing((uv_handle_t *)&r->later))
		uv_close((uv_handle_t *)&r->later, on_freed);
}

// house: what is tried and how it is called
static void try_at(struct reach *r, const char *node, enum kind kind, const struct addr *address,
	uint16_t port)
{
	struct attempt *a = &r->attempts[r->count++];

	*a = (struct attempt){
		.reach = r, .kind = kind, .address = *address, .port = port, .mend = ""};
	snprintf(a->what, sizeof(a->what), "node %.200s %s%s", node, kinds[kind].what,
		addr_is_v4(address) ? "" : " (IPv6)");
}

static void try_node(struct reach *r, const struct reach_node *it)
{
	const struct node *node = it->node;
	const char *name = node->object.name;
	bool by_port = r->options.node_ports;
	unsigned pods = 0, ports = 0;
	char what[300];

	snprintf(what, sizeof(what), "node %.200s", name);
	if (!node->address_count) {
		check_row(r->rows, what, "failed", "no InternalIP",
			"see status.addresses of the Node: its kubelet says them");
		return;
	}
	if (node->not_ready)
		check_row(r->rows, what, "warning", "not ready", "kubectl describe node");
	if (!by_port && !node->pod_prefix_count)
		check_row(r->rows, what, "failed", "no spec.podCIDRs: its pods cannot be routed to",
			"set endpoints = \"nodeport\" for the cluster, or routes by BGP");
	for (unsigned i = 0; i < REACH_FAMILIES; i++) {
		const struct reach_target *to = &it->to[i];

		if (to->pod_port && !by_port) {
			try_at(r, name, TO_POD, &to->pod, to->pod_port);
			pods++;
		}
		if (to->address && to->node_port) {
			try_at(r, name, TO_NODE_PORT, to->address, to->node_port);
			ports++;
		}
		if (to->address && to->health_port && by_port)
			try_at(r, name, TO_HEALTH_PORT, to->address, to->health_port);
	}
	if (!by_port && !pods)
		check_row(r->rows, what, "ok", "no ready pod with a TCP port to try", "");
	if (by_port && !ports)
		check_row(r->rows, what, "ok", "no NodePort with a ready pod to try", "");
}

static void on_later(uv_idle_t *idle)
{
	uv_idle_stop(idle);
	fly(idle->data);
}

static void try_nodes(struct reach *r, const struct reach_node *nodes, unsigned count)
{
	char found[80];

	if (!count)
		check_row(r->rows, "nodes", "warning", "none was seen",
			"see whether nodes may be listed");
	if (count > NODES_MOST) {
		snprintf(found, sizeof(found), "%u of %u are tried", NODES_MOST, count);
		check_row(r->rows, "nodes", "ok", found, "");
		count = NODES_MOST;
	}
	if (count && r->options.node_ports)
		check_row(r->rows, "pods", "ok", "not tried: mode nodeport has no routes to them",
			"");
	for (unsigned i = 0; i < count; i++)
		try_node(r, &nodes[i]);
}

int reach_start(const struct reach_options *options, json_t *rows)
{
	struct reach *r = calloc(1, sizeof(*r));
	struct reach_node *nodes = NULL;
	unsigned count = 0;
	int rc = -ENOMEM;

	if (r) {
		*r = (struct reach){.options = *options, .rows = rows};
		r->cluster = strdup(options->cluster);
		rc = reach_find(options->model, options->cluster, &nodes, &count);
	}
	if (rc == 0)
		r->attempts =
			calloc((size_t)count * REACH_FAMILIES * KINDS + 1, sizeof(*r->attempts));
	if (rc || !r->cluster || !r->attempts) {
		free(nodes);
		if (r)
			free(r->cluster);
		free(r);
		return -ENOMEM;
	}
	try_nodes(r, nodes, count);
	free(nodes);
	uv_idle_init(options->loop, &r->later);
	r->later.data = r;
	uv_idle_start(&r->later, on_later);
	return 0;
}
