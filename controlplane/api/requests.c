// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/requests: the proxy's connections, requests and handshakes, and what it refused.
#include "api_internal.h"
#include "counters.h"

static json_t *refusals(Sluice__RefusalStats *const *list, size_t count)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++)
		if (list[i]->count)
			json_array_append_new(rows,
				json_pack("{s:s, s:I, s:s}", "reason", list[i]->reason, "count",
					(json_int_t)list[i]->count, "help", list[i]->help));
	return rows;
}

static json_t *requests(const struct api_request *request)
{
	const Sluice__ProxyStats *proxy = request->stats->proxy;
	json_t *row = json_object();

	if (!proxy)
		return json_pack("{s:{}}", "requests");
	json_object_set_new(row, "connections", json_integer((json_int_t)proxy->connections));
	json_object_set_new(
		row, "connections_accepted", json_integer((json_int_t)proxy->connections_accepted));
	json_object_set_new(
		row, "upstream_connections", json_integer((json_int_t)proxy->upstream_connections));
	json_object_set_new(row, "upstream_idle", json_integer((json_int_t)proxy->upstream_idle));
	http_counters_json(row, proxy->counters);
	json_object_set_new(row, "requests", json_integer((json_int_t)proxy->requests));
	json_object_set_new(
		row, "handshakes_full", json_integer((json_int_t)proxy->handshakes_full));
	json_object_set_new(
		row, "handshakes_resumed", json_integer((json_int_t)proxy->handshakes_resumed));
	json_object_set_new(row, "log_lines", json_integer((json_int_t)proxy->log_lines));
	json_object_set_new(row, "log_lost", json_integer((json_int_t)proxy->log_lost));
	json_object_set_new(row, "refused", refusals(proxy->refusals, proxy->n_refusals));
	json_object_set_new(row, "tcp", refusals(proxy->tcp, proxy->n_tcp));
	return json_pack("{s:o}", "requests", row);
}

const struct api_command api_requests = {
	.path = "/v1/requests",
	.help = "connections, requests and handshakes, and what was refused",
	.need = NEED_STATS,
	.cleared = true,
	.handler = requests,
	.answer = "{requests: {connections: number, connections_accepted: number, "
		  "upstream_connections: number, upstream_idle: number, " ANSWER_REQUESTS
		  ", handshakes_full: number, handshakes_resumed: number, log_lines: number, "
		  "log_lost: number, refused: [{reason, count: number, help}], tcp: [{reason, "
		  "count: number, help}]}, " ANSWER_SINCE "}",
};
