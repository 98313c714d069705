// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/status and /v1/version: both processes at a glance.
#include "api_internal.h"
#include "counters.h"

#include <time.h>

#define PROBLEMS_SHOWN 4 // one screen

static json_int_t age_s(uint64_t realtime_us)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (json_int_t)now.tv_sec - (json_int_t)(realtime_us / 1000000);
}

static json_t *dataplane(const struct api_request *request)
{
	const struct publish_state *publish = &request->state->publish;
	json_t *row = json_object();
	uint64_t flows = 0;

	json_object_set_new(row, "connected", json_boolean(publish->connected));
	json_object_set_new(row, "reason", json_string(publish->down_reason));
	json_object_set_new(row, "version", json_string(publish->build));
	json_object_set_new(row, "generation", json_integer((json_int_t)publish->generation));
	json_object_set_new(row, "current", json_boolean(publish->current));
	json_object_set_new(row, "kept", json_boolean(publish->kept));
	json_object_set_new(row, "refused", json_string(publish->refused_reason));
	json_object_set_new(row, "transactions", json_integer((json_int_t)publish->transactions));
	if (publish->connected) {
		json_object_set_new(row, "started", json_time(publish->started_us));
		json_object_set_new(row, "uptime_s", json_integer(age_s(publish->started_us)));
	}
	if (request->stats) {
		const Sluice__Stats *stats = request->stats;

		for (size_t i = 0; i < stats->n_workers; i++)
			flows += stats->workers[i]->flows;
		json_object_set_new(row, "workers", json_integer((json_int_t)stats->n_workers));
		json_object_set_new(row, "flows", json_integer((json_int_t)flows));
		json_object_set_new(row, "memory", json_string(stats->memory));
		json_object_set_new(row, "buffers", json_integer((json_int_t)stats->buffers));
		json_object_set_new(
			row, "buffers_free", json_integer((json_int_t)stats->buffers_free));
		if (stats->proxy && stats->proxy->counters)
			json_object_set_new(row, "proxy",
				json_pack("{s:I, s:I, s:I}", "connections",
					(json_int_t)stats->proxy->connections, "requests_open",
					(json_int_t)stats->proxy->counters->requests_open,
					"requests",
					(json_int_t)http_counters_requests(
						stats->proxy->counters)));
	}
	return row;
}

static json_t *sources(const struct api_state *state)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < state->source_count; i++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:b}", "name", state->sources[i].name,
				      "kind", state->sources[i].kind, "path",
				      state->sources[i].path, "synced", state->sources[i].synced));
	return rows;
}

static json_t *plan_counts(const struct plan *plan)
{
	json_t *row = json_object();
	unsigned endpoints = 0, vips = 0, routes = 0;

	for (unsigned i = 0; i < plan->pool_count; i++)
		endpoints += plan->pools[i]->endpoint_count;
	for (unsigned i = 0; i < plan->vip_count; i++)
		vips += *plan->vips[i]->pool != '\0'; // gateways apart
	for (unsigned i = 0; i < plan->host_count; i++)
		routes += plan->hosts[i]->rule_count;
	json_object_set_new(row, "vips", json_integer(vips));
	json_object_set_new(row, "listeners", json_integer(plan->listener_count));
	json_object_set_new(row, "pools", json_integer(plan->pool_count));
	json_object_set_new(row, "endpoints", json_integer(endpoints));
	json_object_set_new(row, "routes", json_integer(routes));
	return row;
}

static json_t *status(const struct api_request *request)
{
	const struct api_state *state = request->state;
	json_t *answer = json_object();
	json_t *list = api_problems.handler(request), *row, *first = json_array();
	size_t i;

	json_object_set_new(answer, "traffic", traffic_json(request));
	json_object_set_new(answer, "version", json_string(SLUICE_VERSION));
	json_object_set_new(answer, "configuration", json_string(state->settings->file));
	json_object_set_new(answer, "started", json_time(state->started_us));
	json_object_set_new(answer, "uptime_s", json_integer(age_s(state->started_us)));
	json_object_set_new(answer, "dataplane", dataplane(request));
	json_object_set_new(answer, "sources", sources(state));
	json_object_set_new(answer, "plan", state->plan ? plan_counts(state->plan) : json_null());
	json_object_set_new(answer, "problems",
		json_integer((json_int_t)json_array_size(json_object_get(list, "problems"))));
	json_array_foreach(json_object_get(list, "problems"), i, row)
	{
		if (i < PROBLEMS_SHOWN)
			json_array_append(first, row);
	}
	json_object_set_new(answer, "first_problems", first);
	json_decref(list);
	return answer;
}

const struct api_command api_status = {
	.path = "/v1/status",
	.help = "does traffic flow, what is wrong, what to type next",
	.need = WANT_STATS,
	.handler = status,
	.answer = "{traffic: {state, text, next: [text]}, version, configuration, started, "
		  "uptime_s: number, dataplane: {connected: bool, reason, version, generation: "
		  "number, current: bool, kept: bool, refused, transactions: number, started?, "
		  "uptime_s?: number, workers?: number, flows?: number, memory?, buffers?: "
		  "number, buffers_free?: number, proxy?: {connections: number, requests_open: "
		  "number, requests: number}}, sources: [{name, kind, path, synced: bool}], "
		  "plan: {vips: number, listeners: number, pools: number, endpoints: number, "
		  "routes: number}?, problems: number, first_problems: [{level, object, where, "
		  "text}]}",
};

static json_t *version(const struct api_request *request)
{
	const struct publish_state *publish = &request->state->publish;

	char start[24], image[64], slot[16];

	firmware_image(image, slot);
	snprintf(start, sizeof(start), "%llu", (unsigned long long)request->state->started_us);
	return json_pack("{s:s, s:o, s:i, s:s, s:s?, s:s?}", "controlplane", SLUICE_VERSION,
		"dataplane", publish->connected ? json_string(publish->build) : json_null(),
		"channel", (int)SLUICE__VERSION__VERSION_CURRENT, "start", start, "image",
		*image ? image : NULL, "slot", *slot ? slot : NULL);
}

const struct api_command api_version = {
	.path = "/v1/version",
	.help = "versions of both processes and the image, and its slot",
	.need = NEED_NOTHING,
	.handler = version,
	.answer = "{controlplane, dataplane: text?, channel: number, start, image: text?, slot: "
		  "text?}",
};
