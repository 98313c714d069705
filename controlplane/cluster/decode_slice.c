// SPDX-License-Identifier: BSD-3-Clause
// discovery.k8s.io/v1 EndpointSlice.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "decode_field.h"

#define ENDPOINTS_MAX 100000 // Kubernetes says 1,000
#define PORTS_MAX     1000

static void read_ports(const struct field *root, struct endpoint_slice *slice)
{
	const struct tree *list = field_list(root, "ports");
	struct slice_port *ports;

	if (!list || !list->count)
		return;
	if (list->count > PORTS_MAX) {
		field_wrong(root, list, "ports", "at most 1000 ports");
		return;
	}
	ports = arena_take_array(&slice->object.arena, list->count, sizeof(*ports));
	for (unsigned i = 0; ports && i < list->count; i++) {
		char path[FIELD_PATH];
		struct field in = {root->decode, root->object, list->items[i], path};
		int64_t number = 0;

		snprintf(path, sizeof(path), "ports[%u]", i);
		ports[i] = (struct slice_port){.name = "", .protocol = IPPROTO_TCP};
		if (list->items[i]->kind != TREE_MAP) {
			field_wrong(&in, list->items[i], "", "a map");
			continue;
		}
		field_text(&in, "name", &ports[i].name);
		field_protocol(&in, "protocol", &ports[i].protocol);
		field_number(&in, "port", 1, UINT16_MAX, &number);
		ports[i].port = (uint16_t)number;
	}
	slice->ports = ports;
	slice->port_count = ports ? list->count : 0;
}

static void read_conditions(const struct field *in, struct slice_endpoint *endpoint)
{
	char path[FIELD_PATH];
	struct field conditions = {in->decode, in->object, field_map(in, "conditions"), path};
	bool ready = true, serving, terminating = false;

	snprintf(path, sizeof(path), "%s.conditions", in->path);
	field_bool(&conditions, "ready", &ready); // absent: true
	serving = ready;                          // absent: as ready
	field_bool(&conditions, "serving", &serving);
	field_bool(&conditions, "terminating", &terminating); // absent: false
	endpoint->conditions =
		(uint8_t)((ready ? ENDPOINT_IS_READY : 0) | (serving ? ENDPOINT_IS_SERVING : 0) |
			  (terminating ? ENDPOINT_IS_TERMINATING : 0));
}

static void read_address(
	const struct field *in, const struct endpoint_slice *slice, struct slice_endpoint *endpoint)
{
	const struct tree *list = field_list(in, "addresses");
	const struct tree *item = list && list->count ? list->items[0] : list;
	bool v4 = slice->family == FAMILY_V4;

	if (slice->family == FAMILY_NONE)
		return;
	if (!item || item->kind != TREE_TEXT || addr_parse(&endpoint->address, item->text) < 0 ||
		addr_is_v4(&endpoint->address) != v4 || addr_is_zero(&endpoint->address))
		field_wrong(in, item, "addresses",
			v4 ? "an IPv4 address, as addressType says"
			   : "an IPv6 address, as addressType says");
	else if (list->count > 1)
		field_warn(in, item->line,
			"%s.addresses: only the first of %u is used, as in Kubernetes itself; "
			"write "
			"one endpoint for each",
			in->path, list->count);
}

static void read_endpoint(
	const struct field *in, const struct endpoint_slice *slice, struct slice_endpoint *endpoint)
{
	char path[FIELD_PATH];
	struct field ref = {in->decode, in->object, field_map(in, "targetRef"), path};
	char topology_path[FIELD_PATH];
	struct field topology = {in->decode, in->object, field_map(in, "topology"), topology_path};

	snprintf(path, sizeof(path), "%s.targetRef", in->path);
	*endpoint = (struct slice_endpoint){.node = "", .name = ""};
	read_address(in, slice, endpoint);
	read_conditions(in, endpoint);
	field_text(in, "nodeName", &endpoint->node);
	if (!*endpoint->node) { // of v1beta1
		snprintf(topology_path, sizeof(topology_path), "%s.topology", in->path);
		field_text(&topology, "kubernetes.io/hostname", &endpoint->node);
	}
	field_text(&ref, "name", &endpoint->name);
	if (!*endpoint->name)
		field_text(in, "hostname", &endpoint->name);
}

static void read_endpoints(const struct field *root, struct endpoint_slice *slice)
{
	const struct tree *list = field_list(root, "endpoints");
	struct slice_endpoint *endpoints;

	if (!list || !list->count)
		return;
	if (list->count > ENDPOINTS_MAX) {
		field_wrong(root, list, "endpoints", "at most 100000 endpoints");
		return;
	}
	endpoints = arena_take_array(&slice->object.arena, list->count, sizeof(*endpoints));
	for (unsigned i = 0; endpoints && i < list->count; i++) {
		char path[FIELD_PATH];
		struct field in = {root->decode, root->object, list->items[i], path};

		snprintf(path, sizeof(path), "endpoints[%u]", i);
		if (list->items[i]->kind != TREE_MAP)
			field_wrong(&in, list->items[i], "", "a map");
		else
			read_endpoint(&in, slice, &endpoints[i]);
	}
	slice->endpoints = endpoints;
	slice->endpoint_count = endpoints ? list->count : 0;
}

void decode_slice(const struct field *root, struct endpoint_slice *slice)
{
	static const char *const types[] = {
		[FAMILY_NONE] = "FQDN", [FAMILY_V4] = "IPv4", [FAMILY_V6] = "IPv6", NULL};
	const struct tree *metadata = tree_get(root->map, "metadata");
	struct field outer = {root->decode, root->object, metadata, "metadata"};
	struct field labels = {
		root->decode, root->object, field_map(&outer, "labels"), "metadata.labels"};
	unsigned type = FAMILY_NONE;

	slice->service = "";
	field_text(&labels, "kubernetes.io/service-name", &slice->service);
	if (!tree_get(root->map, "addressType"))
		field_wrong(root, NULL, "addressType", "IPv4 or IPv6");
	field_choice(root, "addressType", types, &type);
	slice->family = (enum family)type;
	read_ports(root, slice);
	read_endpoints(root, slice);
	if (!*slice->service)
		field_warn(root, root->map->line,
			"no label kubernetes.io/service-name: it belongs to no Service");
}
