// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/routes: each rule of each host, the endpoints behind it and what it has answered.
#include "api_internal.h"
#include "counters.h"

#include <limits.h>
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

static void key_number(struct text *text, const char *name, bool known, uint64_t number)
{
	if (known)
		text_key_number(text, name, number);
	else
		text_key_null(text, name);
}

static void http_counters_text(struct text *text, const Sluice__HttpCounters *counters)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
	uint64_t sum = counters ? http_counters_requests(counters) : 0;

	key_number(text, "requests", counters, sum);
	text_key(text, "responses");
	text_open(text, '{');
	for (size_t i = 0; counters && i < 5; i++)
		text_key_number(
			text, classes[i], i < counters->n_responses ? counters->responses[i] : 0);
	text_close(text, '}');
	key_number(text, "retries", counters, counters ? counters->retries : 0);
	key_number(text, "http_bytes_in", counters, counters ? counters->bytes_in : 0);
	key_number(text, "http_bytes_out", counters, counters ? counters->bytes_out : 0);
	key_number(text, "latency_mean_us", sum, sum ? counters->latency_sum_us / sum : 0);
}

// Of what was written as text: an object, null when it could not be.
static json_t *object(struct text *text)
{
	json_t *json = text->failed ? NULL : json_loadb(text->bytes, text->length, 0, NULL);

	free(text->bytes);
	return json ? json : json_object();
}

void http_counters_json(json_t *row, const Sluice__HttpCounters *counters)
{
	struct text text = {0};
	json_t *json;

	text_open(&text, '{');
	http_counters_text(&text, counters);
	text_close(&text, '}');
	json = object(&text);
	json_object_update(row, json);
	json_decref(json);
}

static void rule_text(struct text *text, const struct plan *plan, const struct plan_host *host,
	const struct plan_rule *rule)
{
	const struct plan_pool *pool = *rule->pool ? plan_pool_find(plan, rule->pool) : NULL;
	unsigned ready = 0, draining = 0;
	char where[PATH_MAX + 16];

	for (unsigned i = 0; pool && i < pool->endpoint_count; i++) {
		ready += pool->endpoints[i].state == ENDPOINT_READY;
		draining += pool->endpoints[i].state == ENDPOINT_DRAINING;
	}
	text_key_string(text, "host", *host->name ? host->name : "*");
	text_key_string(text, "kind", rule->kind_name);
	text_key_string(text, "path", rule->path);
	text_key_string(text, "service", rule->service);
	text_key_string(text, "pool", *rule->pool ? rule->pool : NULL);
	text_key_number(text, "ready", ready);
	text_key_number(text, "draining", draining);
	text_key_string(text, "ingress", rule->object);
	*where = '\0';
	if (*rule->file)
		snprintf(where, sizeof(where), "%s:%u", rule->file, rule->line);
	text_key_string(text, "where", where);
	if (*rule->policy->rewrite)
		text_key_string(text, "rewrite", rule->policy->rewrite);
}

json_t *rule_json(
	const struct plan *plan, const struct plan_host *host, const struct plan_rule *rule)
{
	struct text text = {0};

	text_open(&text, '{');
	rule_text(&text, plan, host, rule);
	text_close(&text, '}');
	return object(&text);
}

static void routes(const struct api_request *request, struct text *text)
{
	const struct plan *plan = request->state->plan;
	struct rule_counters *counters = rule_counters_new(request->stats);

	text_put(text, "{\"routes\":[");
	for (unsigned i = 0; plan && i < plan->host_count; i++) {
		const struct plan_host *host = plan->hosts[i];

		if (request->values[HOST] &&
			strcmp(request->values[HOST], *host->name ? host->name : "*") != 0)
			continue;
		for (unsigned j = 0; j < host->rule_count; j++) {
			const struct plan_rule *rule = &host->rules[j];

			text_open(text, '{');
			rule_text(text, plan, host, rule);
			http_counters_text(text, rule_counters_find(counters, host, rule));
			text_close(text, '}');
		}
	}
	rule_counters_free(counters);
	end_rows(text, request);
}

const struct api_command api_routes = {
	.path = "/v1/routes",
	.help = "hosts and paths of the Ingresses, and where they lead",
	.arguments = {[HOST] = {"host", ARGUMENT_TEXT, "only of this host; \"*\" = all others"}},
	.need = WANT_RULE_STATS,
	.write = routes,
	.large = true,
	.answer = "{routes: [{host, kind, path, service, pool: text?, ready: number, draining: "
		  "number, ingress, where, rewrite?, " ANSWER_REQUESTS "}], " ANSWER_WARNING "}",
};
