// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/clusters, /v1/cluster: where objects come from, and how it is there.
#include "api_internal.h"

#include <string.h>

enum {
	NAME
};

static const struct plan_cluster *planned(const struct plan *plan, const char *name)
{
	for (unsigned i = 0; plan && i < plan->cluster_count; i++)
		if (strcmp(plan->clusters[i]->name, name) == 0)
			return plan->clusters[i];
	return NULL;
}

static json_t *time_or_null(int64_t at_s)
{
	return at_s > 0 ? json_time((uint64_t)at_s * 1000000) : json_null();
}

static json_t *namespaces_of(const struct api_source *source)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < source->namespace_count; i++)
		json_array_append_new(list, json_string(source->namespaces[i]));
	return list;
}

static json_t *row_of(const struct api_request *request, const struct api_source *source)
{
	const struct plan_cluster *plan = planned(request->state->plan, source->name);
	const struct registered *registered = source->registered;
	json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "name", source->name,
		"kind", source->kind, "path", source->path, "synced", source->synced, "health",
		source->health, "server", source->server, "version", source->version, "problem",
		source->problem);

	json_object_set_new(row, "protocol", json_string(source->protocol));
	json_object_set_new(row, "connections", json_integer(source->connections));
	json_object_set_new(row, "requests", json_integer(source->requests));
	json_object_set_new(row, "namespaces", namespaces_of(source));
	json_object_set_new(row, "skew_s", json_integer(source->skew_s));
	json_object_set_new(
		row, "since", source->since_us ? json_time(source->since_us) : json_null());
	json_object_set_new(row, "services", json_integer((json_int_t)source->services));
	json_object_set_new(row, "ingresses", json_integer((json_int_t)source->ingresses));
	json_object_set_new(row, "nodes", json_integer((json_int_t)source->nodes));
	json_object_set_new(row, "registered", json_boolean(registered != NULL));
	json_object_set_new(row, "account", json_string(registered ? registered->account : ""));
	json_object_set_new(row, "token_made", time_or_null(registered ? registered->made_s : 0));
	json_object_set_new(row, "token_ends", time_or_null(registered ? registered->ends_s : 0));
	json_object_set_new(row, "drained", json_boolean(source->drained));
	json_object_set_new(
		row, "endpoints", json_string(plan ? endpoint_mode_name(plan->endpoints) : ""));
	json_object_set_new(row, "endpoints_why", json_string(plan ? plan->why : ""));
	json_object_set_new(row, "nodes_ready", json_integer(plan ? plan->nodes_ready : 0));
	return row;
}

static json_t *clusters(const struct api_request *request)
{
	const struct api_state *state = request->state;
	json_t *rows = json_array();

	for (unsigned i = 0; i < state->source_count; i++)
		json_array_append_new(rows, row_of(request, &state->sources[i]));
	return json_pack("{s:o}", "clusters", rows);
}

const struct api_source *find_source(const struct api_request *request, const char *name)
{
	const struct api_state *state = request->state;

	for (unsigned i = 0; name && i < state->source_count; i++)
		if (strcmp(state->sources[i].name, name) == 0)
			return &state->sources[i];
	reason_add(request->refused, "name: found \"%.60s\", expected a cluster of `cluster list`",
		name ? name : "");
	return NULL;
}

static json_t *cluster(const struct api_request *request)
{
	const struct api_source *source = find_source(request, request->values[NAME]);

	return source ? row_of(request, source) : NULL;
}

#define CLUSTER                                                                                    \
	"name, kind, path, synced: bool, health, server, version, problem, protocol, "             \
	"connections: number, requests: number, namespaces: [text], skew_s: number, "              \
	"since: text?, services: number, ingresses: number, nodes: number, registered: "           \
	"bool, account, token_made: text?, token_ends: text?, drained: bool, "                     \
	"endpoints?, endpoints_why?, nodes_ready: number"

const struct api_command api_clusters = {
	.path = "/v1/clusters",
	.help = "where objects come from: manifests and live clusters, and how they are",
	.need = NEED_NOTHING,
	.handler = clusters,
	.answer = "{clusters: [{" CLUSTER "}]}",
};

const struct api_command api_cluster = {
	.path = "/v1/cluster",
	.help = "one of them",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster", true}},
	.need = NEED_NOTHING,
	.handler = cluster,
	.answer = "{" CLUSTER "}",
};
