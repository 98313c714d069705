// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/pools: the endpoints behind a port of a Service together, as one is picked of them.
#include "api_internal.h"
#include "counters.h"

#include <string.h>

enum {
	SERVICE
};

static json_t *pool_row(const struct health *health, const struct plan_pool *pool)
{
	unsigned ready = 0, failing = 0;
	json_t *row = json_object();

	for (unsigned i = 0; i < pool->endpoint_count; i++) {
		const struct plan_endpoint *it = &pool->endpoints[i];

		ready += it->state == ENDPOINT_READY;
		failing += health && pool->check &&
			   health_failed(health, pool->check, &it->address, it->port);
	}
	json_object_set_new(row, "pool", json_string(pool->name));
	json_object_set_new(row, "service", json_stringn(pool->name, strcspn(pool->name, ":")));
	json_object_set_new(row, "layer", json_integer(pool->upstream ? 7 : 4));
	json_object_set_new(row, "algorithm", json_string(algorithm_name(pool->algorithm)));
	json_object_set_new(row, "health",
		json_string(health_kind_name(pool->check ? pool->check->kind : HEALTH_OFF)));
	json_object_set_new(row, "ready", json_integer(ready));
	json_object_set_new(row, "draining", json_integer(pool->endpoint_count - ready));
	json_object_set_new(row, "failing", json_integer(failing));
	return row;
}

static json_t *pools(const struct api_request *request)
{
	const struct plan *plan = request->state->plan;
	struct counters *counters = counters_new(request->stats);
	json_t *rows = json_array();

	for (unsigned i = 0; plan && counters && i < plan->pool_count; i++) {
		const struct plan_pool *pool = plan->pools[i];
		const Sluice__PoolStats *stats;
		struct carried sum = {0};
		json_t *row;

		if (request->values[SERVICE] && !plan_pool_is_of(pool, request->values[SERVICE]))
			continue;
		stats = counters_pool_stats(counters, pool->name);
		row = pool_row(request->state->health, pool);
		if (stats)
			carried_add(&sum, stats->counters, stats->http);
		carried_json(row, request->stats ? &sum : NULL);
		json_array_append_new(rows, row);
	}
	counters_free(counters);
	return answer_rows(request, "pools", rows);
}

const struct api_command api_pools = {
	.path = "/v1/pools",
	.help = "endpoints of each port together: how one is picked, how many are ready",
	.arguments = {[SERVICE] = {"service", ARGUMENT_TEXT,
			      "only of this Service: name, namespace/name or with the cluster"}},
	.need = WANT_SUMS,
	.handler = pools,
	.large = true,
	.answer = "{pools: [{pool, service, layer: number, algorithm, health, ready: number, "
		  "draining: number, failing: number, " ANSWER_CARRIED "}], " ANSWER_WARNING "}",
};
