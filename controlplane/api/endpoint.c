// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/endpoints: who answers for each Service.
#include "api_internal.h"

#include <string.h>

enum {
	SERVICE,
	ADDRESS
};

// A pool is called "cluster/namespace/service:protocol:port" and more.
static json_t *service_of(const struct plan_pool *pool)
{
	return json_stringn(pool->name, strcspn(pool->name, ":"));
}

// "web", "default/web" or "local/default/web".
static bool is_service(const struct plan_pool *pool, const char *wanted)
{
	size_t length = strcspn(pool->name, ":"), tail = strlen(wanted);

	return tail <= length && strncmp(pool->name + length - tail, wanted, tail) == 0 &&
	       (tail == length || pool->name[length - tail - 1] == '/');
}

static json_t *endpoint_row(const struct health *health, const struct plan_pool *pool,
	const struct plan_endpoint *endpoint)
{
	json_t *row = json_object();

	json_object_set_new(row, "service", service_of(pool));
	json_object_set_new(row, "pool", json_string(pool->name));
	json_object_set_new(row, "address", json_addr(&endpoint->address));
	json_object_set_new(row, "port", json_integer(endpoint->port));
	json_object_set_new(row, "name", json_string(endpoint->name));
	json_object_set_new(row, "weight", json_integer(endpoint->weight));
	json_object_set_new(row, "state",
		json_string(endpoint->state == ENDPOINT_READY ? "ready" : "draining"));
	json_object_set_new(row, "health",
		json_string(health ? health_text(health, pool->check, &endpoint->address,
					     endpoint->port)
				   : ""));
	return row;
}

static json_t *endpoints(const struct api_request *request)
{
	struct counters *counters = counters_new(request->stats);
	const struct plan *plan = request->state->plan;
	json_t *rows = json_array();
	struct addr address;

	if (request->values[ADDRESS])
		addr_parse(&address, request->values[ADDRESS]);
	for (unsigned i = 0; plan && counters && i < plan->pool_count; i++) {
		const struct plan_pool *pool = plan->pools[i];

		if (request->values[SERVICE] && !is_service(pool, request->values[SERVICE]))
			continue;
		for (unsigned j = 0; j < pool->endpoint_count; j++) {
			const struct plan_endpoint *endpoint = &pool->endpoints[j];
			json_t *row;

			if (request->values[ADDRESS] &&
				addr_compare(&endpoint->address, &address) != 0)
				continue;
			row = endpoint_row(request->state->health, pool, endpoint);
			counters_json(row, counters_endpoint(counters, pool->name, endpoint));
			json_array_append_new(rows, row);
		}
	}
	counters_free(counters);
	return answer_rows(request, "endpoints", rows);
}

const struct api_command api_endpoints = {
	.path = "/v1/endpoints",
	.help = "pods and nodes behind each Service, and what each gets",
	.arguments =
		{
			[SERVICE] = {"service", ARGUMENT_TEXT,
				"only of this Service: name, "
				"namespace/name or with the cluster"},
			[ADDRESS] = {"address", ARGUMENT_ADDRESS, "only with this address"},
		},
	.need = WANT_ENDPOINT_STATS,
	.handler = endpoints,
};
