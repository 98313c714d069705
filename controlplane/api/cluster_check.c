// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/cluster/check: is a live cluster as it should be, and what to do where it is not.
#include "api_internal.h"

#include <string.h>

enum {
	NAME
};

static void checked(void *arg, json_t *rows)
{
	exchange_finish(arg, json_pack("{s:o}", "checks", rows));
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
	registry_check(state->registry, &check, request->refused);
}

const struct api_command api_cluster_check = {
	.path = "/v1/cluster/check",
	.help = "its API, our rights in it, its clock, its nodes and pods: what is wrong, and what "
		"to "
		"do about it",
	.arguments = {[NAME] = {"name", ARGUMENT_TEXT, "of the cluster"}},
	.begin = begin,
};
