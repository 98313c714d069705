// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/routes: each rule of each host, the endpoints behind it and what it has answered.
#include "api_internal.h"
#include "counters.h"

#include <stdlib.h>
#include <string.h>

enum {
	HOST
};

uint64_t http_counters_requests(const Sluice__HttpCounters *counters)
{
	uint64_t sum = 0;

	for (size_t i = 1; i < counters->n_responses; i++)
		sum += counters->responses[i];
	return sum;
}

void http_counters_json(json_t *row, const Sluice__HttpCounters *counters)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	json_t *responses = json_object();
	uint64_t sum = counters ? http_counters_requests(counters) : 0;

	for (size_t i = 0; counters && i < 5; i++) {
		uint64_t value = i < counters->n_responses ? counters->responses[i] : 0;

		json_object_set_new(responses, classes[i], json_integer((json_int_t)value));
	}
	json_object_set_new(
		row, "requests", counters ? json_integer((json_int_t)sum) : json_null());
	json_object_set_new(row, "responses", responses);
	json_object_set_new(row, "retries",
		counters ? json_integer((json_int_t)counters->retries) : json_null());
	json_object_set_new(row, "http_bytes_in",
		counters ? json_integer((json_int_t)counters->bytes_in) : json_null());
	json_object_set_new(row, "http_bytes_out",
		counters ? json_integer((json_int_t)counters->bytes_out) : json_null());
	json_object_set_new(row, "latency_mean_us",
		counters && sum ? json_integer((json_int_t)(counters->latency_sum_us / sum))
				: json_null());
}

json_t *rule_json(
	const struct plan *plan, const struct plan_host *host, const struct plan_rule *rule)
{
	const struct plan_pool *pool = *rule->pool ? plan_pool_find(plan, rule->pool) : NULL;
	unsigned ready = 0, draining = 0;
	json_t *row = json_object();

	for (unsigned i = 0; pool && i < pool->endpoint_count; i++) {
		ready += pool->endpoints[i].state == ENDPOINT_READY;
		draining += pool->endpoints[i].state == ENDPOINT_DRAINING;
	}
	json_object_set_new(row, "host", json_string(*host->name ? host->name : "*"));
	json_object_set_new(row, "kind", json_string(rule->kind_name));
	json_object_set_new(row, "path", json_string(rule->path));
	json_object_set_new(row, "service", json_string(rule->service));
	json_object_set_new(row, "pool", *rule->pool ? json_string(rule->pool) : json_null());
	json_object_set_new(row, "ready", json_integer(ready));
	json_object_set_new(row, "draining", json_integer(draining));
	json_object_set_new(row, "ingress", json_string(rule->object));
	json_object_set_new(row, "where",
		*rule->file ? json_sprintf("%s:%u", rule->file, rule->line) : json_string(""));
	if (*rule->policy->rewrite)
		json_object_set_new(row, "rewrite", json_string(rule->policy->rewrite));
	return row;
}

static json_t *routes(const struct api_request *request)
{
	const struct plan *plan = request->state->plan;
	struct rule_counters *counters = rule_counters_new(request->stats);
	json_t *rows = json_array();

	for (unsigned i = 0; plan && i < plan->host_count; i++) {
		const struct plan_host *host = plan->hosts[i];

		if (request->values[HOST] &&
			strcmp(request->values[HOST], *host->name ? host->name : "*") != 0)
			continue;
		for (unsigned j = 0; j < host->rule_count; j++) {
			json_t *row = rule_json(plan, host, &host->rules[j]);

			http_counters_json(
				row, rule_counters_find(counters, host, &host->rules[j]));
			json_array_append_new(rows, row);
		}
	}
	rule_counters_free(counters);
	return answer_rows(request, "routes", rows);
}

const struct api_command api_routes = {
	.path = "/v1/routes",
	.help = "hosts and paths of the Ingresses, and where they lead",
	.arguments = {[HOST] = {"host", ARGUMENT_TEXT, "only of this host; \"*\" = all others"}},
	.need = WANT_RULE_STATS,
	.handler = routes,
	.large = true,
};
