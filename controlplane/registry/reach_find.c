// SPDX-License-Identifier: BSD-3-Clause
// What to try on each node: one pass over the EndpointSlices of the cluster. A NodePort is one that
// has to answer there: of a Service with a ready pod, and with externalTrafficPolicy Local with one
// on this very node.
#include "reach_find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct finding {
	const struct model *model;
	const char *cluster;
	struct reach_node *nodes;
	unsigned count;
	uint16_t any_port[REACH_FAMILIES]; // that every node answers for
};

// All objects of the kind that are of the cluster; to be freed.
static const struct object **list(const struct finding *f, enum object_kind kind, size_t *count)
{
	size_t all = model_count(f->model, kind);
	const struct object **objects = calloc(all + 1, sizeof(*objects));

	*count = 0;
	if (!objects)
		return NULL;
	model_list(f->model, kind, objects);
	for (size_t i = 0; i < all; i++)
		if (strcmp(objects[i]->cluster, f->cluster) == 0)
			objects[(*count)++] = objects[i];
	return objects;
}

static int by_name(const void *a, const void *b)
{
	const struct reach_node *left = a, *right = b;

	return strcmp(left->node->object.name, right->node->object.name);
}

static int name_and_node(const void *name, const void *node)
{
	return strcmp(name, ((const struct reach_node *)node)->node->object.name);
}

static struct reach_node *find(const struct finding *f, const char *name)
{
	return f->count ? bsearch(name, f->nodes, f->count, sizeof(*f->nodes), name_and_node)
			: NULL;
}

static bool is_of_node(const struct node *node, const struct addr *address)
{
	for (unsigned i = 0; i < node->address_count; i++)
		if (addr_compare(&node->addresses[i], address) == 0)
			return true;
	return false;
}

// What the Service opens on nodes for what is in the slice; 0 = nothing.
static uint16_t node_port_of(const struct service *service, const struct endpoint_slice *slice)
{
	for (unsigned i = 0; service && i < service->port_count; i++) {
		const struct service_port *port = &service->ports[i];

		for (unsigned j = 0; j < slice->port_count && port->node_port; j++)
			if (port->protocol == IPPROTO_TCP &&
				slice->ports[j].protocol == IPPROTO_TCP &&
				strcmp(slice->ports[j].name, port->name) == 0)
				return port->node_port;
	}
	return 0;
}

static uint16_t tcp_port_of(const struct endpoint_slice *slice)
{
	for (unsigned i = 0; i < slice->port_count; i++)
		if (slice->ports[i].protocol == IPPROTO_TCP && slice->ports[i].port)
			return slice->ports[i].port;
	return 0;
}

static void take_slice(struct finding *f, const struct endpoint_slice *slice)
{
	unsigned family = slice->family == FAMILY_V6;
	const struct service *service = (const struct service *)model_find(
		f->model, OBJECT_SERVICE, f->cluster, slice->object.namespace, slice->service);
	uint16_t node_port = node_port_of(service, slice), port = tcp_port_of(slice);

	if (slice->family == FAMILY_NONE || !port)
		return;
	for (unsigned i = 0; i < slice->endpoint_count; i++) {
		const struct slice_endpoint *pod = &slice->endpoints[i];
		struct reach_node *node;

		if (!(pod->conditions & ENDPOINT_IS_READY))
			continue;
		if (node_port && !service->local_only && !f->any_port[family])
			f->any_port[family] = node_port;
		node = find(f, pod->node);
		if (!node)
			continue;
		// One of the node's own network says nothing of its pods'.
		if (!node->to[family].pod_port && !is_of_node(node->node, &pod->address)) {
			node->to[family].pod = pod->address;
			node->to[family].pod_port = port;
		}
		if (node_port && service->local_only && !node->to[family].node_port) {
			node->to[family].node_port = node_port;
			node->to[family].health_port = service->health_port;
		}
	}
}

static void take_node(struct finding *f, const struct node *node)
{
	struct reach_node *it = &f->nodes[f->count++];

	it->node = node;
	for (unsigned i = 0; i < node->address_count; i++) {
		struct reach_target *to = &it->to[!addr_is_v4(&node->addresses[i])];

		if (!to->address)
			to->address = &node->addresses[i];
	}
}

int reach_find(
	const struct model *model, const char *cluster, struct reach_node **nodes, unsigned *count)
{
	struct finding f = {.model = model, .cluster = cluster};
	const struct object **all, **slices;
	size_t node_count, slice_count;

	all = list(&f, OBJECT_NODE, &node_count);
	slices = list(&f, OBJECT_ENDPOINT_SLICE, &slice_count);
	f.nodes = calloc(node_count + 1, sizeof(*f.nodes));
	if (!all || !slices || !f.nodes) {
		free(all);
		free(slices);
		free(f.nodes);
		return -ENOMEM;
	}
	for (size_t i = 0; i < node_count; i++)
		take_node(&f, (const struct node *)all[i]);
	qsort(f.nodes, f.count, sizeof(*f.nodes), by_name);
	for (size_t i = 0; i < slice_count; i++)
		take_slice(&f, (const struct endpoint_slice *)slices[i]);
	for (unsigned i = 0; i < f.count; i++)
		for (unsigned j = 0; j < REACH_FAMILIES; j++)
			if (f.any_port[j])
				f.nodes[i].to[j].node_port = f.any_port[j];
	free(all);
	free(slices);
	*nodes = f.nodes;
	*count = f.count;
	return 0;
}
