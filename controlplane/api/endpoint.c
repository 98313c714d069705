// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/endpoints: who answers for each Service.
#include "api_internal.h"
#include "counters.h"

#include <stdlib.h>
#include <string.h>

enum {
	SERVICE,
	ADDRESS,
	BRIEF
};

// "web", "default/web" or "local/default/web".
bool plan_pool_is_of(const struct plan_pool *pool, const char *wanted)
{
	size_t length = strcspn(pool->name, ":"), tail = strlen(wanted);

	return tail <= length && strncmp(pool->name + length - tail, wanted, tail) == 0 &&
	       (tail == length || pool->name[length - tail - 1] == '/');
}

// What the rows of a pool have in common, once for all of them: there may be 100,000.
static void begin_pool(
	struct text *text, const struct api_request *request, const struct plan_pool *pool)
{
	text->length = 0;
	text_open(text, '{');
	if (!request->values[BRIEF]) { // a pool is called "cluster/namespace/service:protocol:port"
		text_key(text, "service");
		text_put(text, "\"");
		text_bytes(text, pool->name, strcspn(pool->name, ":"));
		text_put(text, "\"");
	}
	text_key_string(text, "pool", pool->name);
}

static void endpoint_row(struct text *text, const struct api_request *request,
	const struct plan_pool *pool, const struct plan_endpoint *endpoint)
{
	const struct api_state *state = request->state;
	const struct health *health = state->health;
	bool drained =
		state->drains && drains_has(state->drains, &endpoint->address, endpoint->port);

	text_key_addr(text, "address", &endpoint->address);
	text_key_number(text, "port", endpoint->port);
	text_key_string(text, "name", endpoint->name);
	text_key_number(text, "weight", endpoint->weight);
	text_key_string(text, "state",
		endpoint->state == ENDPOINT_READY ? "ready"
		: drained                         ? "drained"
						  : "draining");
	text_key_string(text, "health",
		health ? health_text(health, pool->check, &endpoint->address, endpoint->port) : "");
}

static void endpoints(const struct api_request *request, struct text *text)
{
	struct counters *counters = counters_new(request->stats);
	const struct plan *plan = request->state->plan;
	struct text common = {0};
	struct addr address;

	if (request->values[ADDRESS])
		addr_parse(&address, request->values[ADDRESS]);
	text_put(text, "{\"endpoints\":[");
	for (unsigned i = 0; plan && counters && i < plan->pool_count; i++) {
		const struct plan_pool *pool = plan->pools[i];
		const Sluice__PoolStats *stats = counters_pool_stats(counters, pool->name);

		if (request->values[SERVICE] && !plan_pool_is_of(pool, request->values[SERVICE]))
			continue;
		begin_pool(&common, request, pool);
		for (unsigned j = 0; j < pool->endpoint_count; j++) {
			const struct plan_endpoint *endpoint = &pool->endpoints[j];
			struct carried sum;

			if (request->values[ADDRESS] &&
				addr_compare(&endpoint->address, &address) != 0)
				continue;
			text_separate(text);
			text_bytes(text, common.bytes, common.length);
			endpoint_row(text, request, pool, endpoint);
			carried_text(text, counters_endpoint(stats, pool, j, &sum) ? &sum : NULL,
				request->values[BRIEF]);
			text_close(text, '}');
		}
	}
	end_rows(text, request);
	counters_free(counters);
	text->failed |= common.failed;
	free(common.bytes);
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
			[BRIEF] = {"brief", ARGUMENT_FLAG,
				"without the Service, packets and open requests"},
		},
	.need = WANT_ENDPOINT_STATS,
	.write = endpoints,
	.large = true,
	.answer = "{endpoints: [{service?, pool, address, port: number, name, weight: number, "
		  "state, health, flows: number?, flows_created: number?, packets_in?: number?, "
		  "bytes_in: number?, packets_out?: number?, bytes_out: number?, requests: "
		  "number?, requests_open?: number?}], " ANSWER_WARNING "}",
};
