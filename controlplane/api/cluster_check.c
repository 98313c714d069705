// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/cluster/check: is a live cluster as it should be, and what to do where it is not.
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
	NAME
};

static void checked(void *arg, json_t *rows)
{
	exchange_finish(arg, json_pack("{s:o}", "checks", rows));
}

// Of the dataplane; to be freed. NULL with no count: out of memory.
static struct addr *addresses_of_ports(const struct settings *settings, unsigned *count)
{
	struct addr *list;
	unsigned most = 0, n = 0;

	for (unsigned i = 0; i < settings->port_count; i++) {
		most += settings->ports[i].address_count;
		for (unsigned j = 0; j < settings->ports[i].vlan_count; j++)
			most += settings->ports[i].vlans[j].address_count;
	}
	list = calloc(most + 1, sizeof(*list));
	for (unsigned i = 0; list && i < settings->port_count; i++) {
		const struct port_settings *port = &settings->ports[i];

		for (unsigned j = 0; j < port->address_count; j++)
			list[n++] = port->addresses[j].addr;
		for (unsigned j = 0; j < port->vlan_count; j++)
			for (unsigned k = 0; k < port->vlans[j].address_count; k++)
				list[n++] = port->vlans[j].addresses[k].addr;
	}
	*count = n;
	return list;
}

static void begin(struct api_request *request)
{
	const struct api_state *state = request->state;
	const struct api_source *source = find_source(request, request->values[NAME]);
	struct registry_check check = {.name = source ? source->name : "",
		.model = state->model,
		.mode = "",
		.why = "",
		.namespaces = source ? source->namespaces : NULL,
		.namespace_count = source ? source->namespace_count : 0,
		.arg = request->exchange,
		.done = checked};
	struct addr *own;

	if (!source)
		return;
	if (!source->cluster) {
		reason_add(request->refused, "%s: %s", source->name, source->problem);
		return;
	}
	for (unsigned i = 0; state->plan && i < state->plan->cluster_count; i++) {
		const struct plan_cluster *cluster = state->plan->clusters[i];

		if (strcmp(cluster->name, source->name) != 0)
			continue;
		check.mode = endpoint_mode_name(cluster->endpoints);
		check.why = cluster->why;
		check.automatic = cluster->asked == ENDPOINTS_AUTO;
	}
	own = addresses_of_ports(state->settings, &check.own_count);
	check.own = own;
	registry_check(state->registry, &check, request->refused);
	free(own);
}

const struct api_command api_cluster_check = {
	.path = "/v1/cluster/check",
	.help = "its API, our rights in it, its clock, its nodes and pods: what is wrong, and what "
		"to "
		"do about it",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster", true}},
	.begin = begin,
	.answer = "{checks: [{what, result, found, mend}]}",
};
