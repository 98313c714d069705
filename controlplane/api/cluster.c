// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/clusters: where objects come from, and how it is there.
#include "api_internal.h"

static json_t *row_of(const struct api_source *source)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "name", source->name,
		"kind", source->kind, "path", source->path, "synced", source->synced, "health",
		source->health, "server", source->server, "version", source->version, "problem",
		source->problem);

	json_object_set_new(row, "skew_s", json_integer(source->skew_s));
	json_object_set_new(
		row, "since", source->since_us ? json_time(source->since_us) : json_null());
	json_object_set_new(row, "services", json_integer((json_int_t)source->services));
	json_object_set_new(row, "ingresses", json_integer((json_int_t)source->ingresses));
	json_object_set_new(row, "nodes", json_integer((json_int_t)source->nodes));
	return row;
}

static json_t *clusters(const struct api_request *request)
{
	const struct api_state *state = request->state;
	json_t *rows = json_array();

	for (unsigned i = 0; i < state->source_count; i++)
		json_array_append_new(rows, row_of(&state->sources[i]));
	return json_pack("{s:o}", "clusters", rows);
}

const struct api_command api_clusters = {
	.path = "/v1/clusters",
	.help = "where objects come from: manifests and live clusters, and how they are",
	.need = NEED_NOTHING,
	.handler = clusters,
};
