// SPDX-License-Identifier: BSD-3-Clause
// Which nodes and pods of a cluster are reached from here, over the host path and so over the
// dataplane's ports: one ready pod of each node, and one NodePort on each, by a TCP connection.
#include "check.h"

#include "model.h"
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MOST 200

struct attempt {
	struct reach *reach;
	char what[300], at[80];
	bool needed; // by the mode in use
};

struct reach {
	struct reach_options options;
	json_t *rows;
	unsigned open; // attempts, and one while they are begun
	uint16_t node_port;
	uv_idle_t later;
};

static void on_freed(uv_handle_t *handle)
{
	struct reach *r = handle->data;

	r->options.done(r->options.arg);
	free(r);
}

static void let_go(struct reach *r)
{
	if (!--r->open)
		uv_close((uv_handle_t *)&r->later, on_freed);
}

static void on_probed(void *arg, enum probe_result result)
{
	struct attempt *a = arg;
	const char *bad = a->needed ? "failed" : "warning", *outcome = "failed", *mend = "";
	char found[200];

	switch (result) {
	case PROBE_OPEN:
		outcome = "answers";
		break;
	case PROBE_REFUSED:
		outcome = "is there, and refuses this port";
		break;
	case PROBE_NO_ROUTE:
		outcome = "no route";
		mend = "see show host-routes, and whether the node forwards";
		break;
	case PROBE_SILENT:
		outcome = "no answer in 2 s";
		mend = "see whether a firewall or a NetworkPolicy drops it, and whether the node "
		       "knows the way back";
		break;
	case PROBE_FAILED:
		outcome = "could not be tried";
		break;
	}
	snprintf(found, sizeof(found), "%s %s", a->at, outcome);
	check_row(a->reach->rows, a->what,
		result == PROBE_OPEN || result == PROBE_REFUSED ? "ok" : bad, found, mend);
	let_go(a->reach);
	free(a);
}

// house: what is tried and how it is called
static void try_at(struct reach *r, const char *node, const char *what, const struct addr *address,
	uint16_t port, bool needed)
{
	struct attempt *a = calloc(1, sizeof(*a));
	char text[ADDR_TEXT];

	if (!a)
		return;
	a->reach = r;
	a->needed = needed;
	snprintf(a->what, sizeof(a->what), "node %.200s %s", node, what);
	snprintf(a->at, sizeof(a->at), addr_is_v4(address) ? "%s:%u" : "[%s]:%u",
		addr_format(address, text), port);
	r->open++;
	if (probe_start(r->options.loop, address, port, on_probed, a)) {
		r->open--;
		free(a);
	}
}

// A ready pod of the node with a TCP port.
static bool find_pod(const struct object **slices, size_t count, const char *node,
	const struct slice_endpoint **pod, uint16_t *port)
{
	for (size_t i = 0; i < count; i++) {
		const struct endpoint_slice *slice = (const struct endpoint_slice *)slices[i];

		*port = 0;
		for (unsigned j = 0; j < slice->port_count && !*port; j++)
			if (slice->ports[j].protocol == IPPROTO_TCP)
				*port = slice->ports[j].port;
		for (unsigned j = 0; *port && j < slice->endpoint_count; j++) {
			*pod = &slice->endpoints[j];
			if (((*pod)->conditions & ENDPOINT_IS_READY) &&
				strcmp((*pod)->node, node) == 0)
				return true;
		}
	}
	return false;
}

// All objects of the kind that are of the cluster; to be freed.
static const struct object **list(const struct reach *r, enum object_kind kind, size_t *count)
{
	size_t all = model_count(r->options.model, kind);
	const struct object **objects = calloc(all + 1, sizeof(*objects));

	*count = 0;
	if (!objects)
		return NULL;
	model_list(r->options.model, kind, objects);
	for (size_t i = 0; i < all; i++)
		if (strcmp(objects[i]->cluster, r->options.cluster) == 0)
			objects[(*count)++] = objects[i];
	return objects;
}

// One of a Service that every node answers for.
static uint16_t find_node_port(const struct reach *r)
{
	size_t count;
	const struct object **services = list(r, OBJECT_SERVICE, &count);
	uint16_t found = 0;

	for (size_t i = 0; services && i < count && !found; i++) {
		const struct service *service = (const struct service *)services[i];

		for (unsigned j = 0; j < service->port_count && !service->local_only; j++)
			if (service->ports[j].protocol == IPPROTO_TCP &&
				service->ports[j].node_port)
				found = service->ports[j].node_port;
	}
	free(services);
	return found;
}

static void try_node(
	struct reach *r, const struct node *node, const struct object **slices, size_t count)
{
	const char *name = node->object.name;
	bool by_port = r->options.node_ports;
	const struct slice_endpoint *pod;
	char what[300];
	uint16_t port;

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
	if (find_pod(slices, count, name, &pod, &port))
		try_at(r, name, "pods", &pod->address, port, !by_port);
	else if (!by_port)
		check_row(r->rows, what, "ok", "no ready pod with a TCP port to try", "");
	if (r->node_port)
		try_at(r, name, "NodePort", &node->addresses[0], r->node_port, by_port);
	else if (by_port)
		check_row(r->rows, what, "ok", "no NodePort to try", "");
}

static void on_later(uv_idle_t *idle)
{
	uv_idle_stop(idle);
	let_go(idle->data);
}

int reach_start(const struct reach_options *options, json_t *rows)
{
	struct reach *r = calloc(1, sizeof(*r));
	const struct object **nodes, **slices;
	size_t node_count, slice_count;

	if (!r)
		return -ENOMEM;
	*r = (struct reach){.options = *options, .rows = rows, .open = 1};
	uv_idle_init(options->loop, &r->later);
	r->later.data = r;
	uv_idle_start(&r->later, on_later);
	r->node_port = find_node_port(r);
	nodes = list(r, OBJECT_NODE, &node_count);
	slices = list(r, OBJECT_ENDPOINT_SLICE, &slice_count);
	for (size_t i = 0; nodes && slices && i < node_count && i < NODES_MOST; i++)
		try_node(r, (const struct node *)nodes[i], slices, slice_count);
	if (!node_count)
		check_row(rows, "nodes", "warning", "none was seen",
			"see whether nodes may be listed");
	free(nodes);
	free(slices);
	return 0;
}
