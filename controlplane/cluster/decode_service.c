// SPDX-License-Identifier: BSD-3-Clause
// v1 Service. What the API server would refuse is a mistake here too; what it would fill in, we do.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "decode_field.h"

static void read_target(const struct field *in, struct service_port *port)
{
	const struct tree *tree = tree_get(in->map, "targetPort");
	int64_t number;

	if (!tree)
		return;
	if (tree_integer(tree, &number) && number >= 1 && number <= UINT16_MAX)
		port->target = (uint16_t)number;
	else if (tree->kind == TREE_TEXT && name_is_label(tree->text) && strlen(tree->text) <= 15)
		field_text(in, "targetPort", &port->target_name);
	else
		field_wrong(in, tree, "targetPort",
			"a number from 1 to 65535, or the name of a container's port");
}

static void check_port(const struct field *in, const struct service_port *ports, unsigned i)
{
	const struct service_port *port = &ports[i];

	if (*port->name && !name_is_label(port->name))
		field_wrong(in, tree_get(in->map, "name"), "name",
			"at most 63 of a-z, 0-9 and -, not beginning or ending with -");
	for (unsigned j = 0; j < i; j++) {
		if (ports[j].port == port->port && ports[j].protocol == port->protocol) {
			field_wrong(in, tree_get(in->map, "port"), "port",
				"each protocol and port once");
			break;
		}
		if (*port->name && strcmp(ports[j].name, port->name) == 0) {
			field_wrong(in, tree_get(in->map, "name"), "name", "each name once");
			break;
		}
	}
}

#define PORTS_MAX 1024 // Kubernetes itself has no limit; the checks above compare each with each

static void read_ports(const struct field *spec, struct service *service)
{
	const struct tree *list = field_list(spec, "ports");
	struct service_port *ports;

	if (!list || !list->count)
		return;
	if (list->count > PORTS_MAX) {
		field_wrong(spec, list, "ports", "at most 1024 ports");
		return;
	}
	ports = arena_take_array(&service->object.arena, list->count, sizeof(*ports));
	for (unsigned i = 0; ports && i < list->count; i++) {
		char path[FIELD_PATH];
		struct field in = {spec->decode, spec->object, list->items[i], path};
		int64_t number = 0;

		snprintf(path, sizeof(path), "spec.ports[%u]", i);
		ports[i] = (struct service_port){.name = "",
			.target_name = "",
			.protocol = IPPROTO_TCP,
			.line = list->items[i]->line};
		if (list->items[i]->kind != TREE_MAP) {
			field_wrong(&in, list->items[i], "", "a map");
			continue;
		}
		field_text(&in, "name", &ports[i].name);
		field_protocol(&in, "protocol", &ports[i].protocol);
		field_number(&in, "port", 1, UINT16_MAX, &number);
		ports[i].port = (uint16_t)number;
		if (!tree_get(in.map, "port"))
			field_wrong(&in, NULL, "port", "a number from 1 to 65535");
		read_target(&in, &ports[i]);
		number = 0;
		field_number(&in, "nodePort", 0, UINT16_MAX, &number);
		ports[i].node_port = (uint16_t)number;
		if (ports[i].port)
			check_port(&in, ports, i);
		if (list->count > 1 && !*ports[i].name)
			field_wrong(&in, NULL, "name", "a name, as there are several ports");
	}
	service->ports = ports;
	service->port_count = ports ? list->count : 0;
}

static void read_families(const struct field *spec, struct service *service)
{
	static const char *const policies[] = {
		"", "SingleStack", "PreferDualStack", "RequireDualStack", NULL};
	const struct tree *list = field_list(spec, "ipFamilies");
	unsigned policy = FAMILY_POLICY_NONE;

	field_choice(spec, "ipFamilyPolicy", policies, &policy);
	service->family_policy = (enum family_policy)policy;
	for (unsigned i = 0; list && i < list->count; i++) {
		const struct tree *item = list->items[i];
		enum family family = FAMILY_NONE;

		if (item->kind == TREE_TEXT && strcmp(item->text, "IPv4") == 0)
			family = FAMILY_V4;
		if (item->kind == TREE_TEXT && strcmp(item->text, "IPv6") == 0)
			family = FAMILY_V6;
		if (family == FAMILY_NONE || i > 1 || (i == 1 && family == service->families[0])) {
			field_wrong(spec, item, "ipFamilies", "IPv4 and IPv6, each at most once");
			return;
		}
		service->families[service->family_count++] = family;
	}
}

static void read_affinity(const struct field *spec, struct service *service)
{
	static const char *const kinds[] = {"None", "ClientIP", NULL};
	const struct tree *config = field_map(spec, "sessionAffinityConfig");
	struct field outer = {spec->decode, spec->object, config, "spec.sessionAffinityConfig"};
	struct field in = {spec->decode, spec->object,
		config ? field_map(&outer, "clientIP") : NULL,
		"spec.sessionAffinityConfig.clientIP"};
	int64_t timeout = 10800;
	unsigned kind = 0;

	field_choice(spec, "sessionAffinity", kinds, &kind);
	field_number(&in, "timeoutSeconds", 1, 86400, &timeout);
	service->client_ip_affinity = kind == 1;
	service->affinity_s = (uint32_t)timeout;
}

static void read_sources(const struct field *spec, struct service *service)
{
	const struct tree *list = field_list(spec, "loadBalancerSourceRanges");
	const char **sources;

	if (!list || !list->count)
		return;
	service->has_sources = true;
	sources = arena_take_array(&service->object.arena, list->count, sizeof(*sources));
	for (unsigned i = 0; sources && i < list->count; i++) {
		const struct tree *item = list->items[i];

		// What is no text is as malformed as a text that is no prefix: the plan decides.
		sources[i] = item->kind == TREE_LIST || item->kind == TREE_MAP
				     ? "?"
				     : arena_copy(&service->object.arena, item->text);
	}
	service->sources = sources;
	service->source_count = sources ? list->count : 0;
}

static void read_node_ports(const struct field *spec, struct service *service)
{
	static const char *const policies[] = {"Cluster", "Local", NULL};
	unsigned policy = 0;
	bool allocate = true;
	int64_t port = 0;

	field_choice(spec, "externalTrafficPolicy", policies, &policy);
	field_bool(spec, "allocateLoadBalancerNodePorts", &allocate);
	field_number(spec, "healthCheckNodePort", 0, UINT16_MAX, &port);
	service->local_only = policy == 1;
	service->no_node_ports = !allocate;
	service->health_port = (uint16_t)port;
}

void decode_service(const struct field *spec, struct service *service)
{
	static const char *const types[] = {[SERVICE_CLUSTER_IP] = "ClusterIP",
		[SERVICE_NODE_PORT] = "NodePort",
		[SERVICE_LOAD_BALANCER] = "LoadBalancer",
		[SERVICE_EXTERNAL_NAME] = "ExternalName",
		NULL};
	unsigned type = SERVICE_CLUSTER_IP;
	const struct tree *list;

	service->class = service->requested = "";
	field_choice(spec, "type", types, &type);
	service->type = (enum service_type)type;
	field_text(spec, "loadBalancerClass", &service->class);
	field_text(spec, "loadBalancerIP", &service->requested);
	field_bool(spec, "publishNotReadyAddresses", &service->publish_not_ready);
	read_ports(spec, service);
	read_families(spec, service);
	read_affinity(spec, service);
	read_sources(spec, service);
	read_node_ports(spec, service);
	list = tree_get(spec->map, "ports");
	if (service->type == SERVICE_LOAD_BALANCER &&
		(!list || (list->kind == TREE_LIST && list->count == 0)))
		field_wrong(spec, list, "ports", "at least one port");
}
