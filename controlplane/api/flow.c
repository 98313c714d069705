// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/flows: what the workers hold now, filtered where it is held: in the dataplane. POST
// /v1/flows/clear ends what the filter names.
#include "api_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
	CLIENT,
	VIP,
	PORT,
	ENDPOINT,
	PROTOCOL,
	LIMIT,
	ALL = LIMIT // of those to be ended
};

static void set_address(ProtobufCBinaryData *data, struct addr *addr, const char *text)
{
	if (!text)
		return;
	addr_parse(addr, text); // was checked with the arguments
	data->data = (uint8_t *)(uintptr_t)addr_bytes(addr, &data->len);
}

bool api_flows_filter(const struct api_command *command, const struct api_request *request,
	Sluice__FlowsRequest *filter, struct addr address[static 3])
{
	const char *const *values = request->values;

	sluice__flows_request__init(filter);
	filter->clear = command == &api_flows_clear;
	for (unsigned i = CLIENT; filter->clear && i <= ALL && !values[i]; i++)
		if (i == ALL)
			return false;
	set_address(&filter->client, &address[0], values[CLIENT]);
	set_address(&filter->vip, &address[1], values[VIP]);
	set_address(&filter->endpoint, &address[2], values[ENDPOINT]);
	if (values[PORT])
		filter->vip_port = (uint32_t)strtoul(values[PORT], NULL, 10);
	if (values[PROTOCOL])
		filter->protocol = strcmp(values[PROTOCOL], "tcp") == 0
					   ? SLUICE__L4_PROTOCOL__L4_TCP
					   : SLUICE__L4_PROTOCOL__L4_UDP;
	if (values[LIMIT] && !filter->clear)
		filter->limit = (uint32_t)strtoul(values[LIMIT], NULL, 10);
	return true;
}

// Of connections that end in the proxy no packets and times are known.
static json_t *flow_row(const Sluice__Flow *flow)
{
	bool proxied = flow->mode == SLUICE__MODE__MODE_PROXY;
	json_t *row = json_object();

	json_object_set_new(row, "worker", json_integer(flow->worker));
	json_object_set_new(row, "protocol", json_string(protocol_name((uint8_t)flow->protocol)));
	json_object_set_new(
		row, "mode", json_string(proxied ? "proxy" : mode_name((enum mode)flow->mode)));
	json_object_set_new(row, "state", json_string(flow->state));
	json_object_set_new(row, "client", json_bytes(&flow->client));
	json_object_set_new(row, "client_port", json_integer(flow->client_port));
	json_object_set_new(row, "vip", json_bytes(&flow->vip));
	json_object_set_new(row, "vip_port", json_integer(flow->vip_port));
	json_object_set_new(row, "endpoint", json_bytes(&flow->endpoint));
	json_object_set_new(row, "endpoint_port", json_integer(flow->endpoint_port));
	json_object_set_new(row, "source", json_bytes(&flow->source));
	json_object_set_new(row, "source_port", json_integer(flow->source_port));
	json_object_set_new(row, "idle_ms", proxied ? json_null() : json_integer(flow->idle_ms));
	json_object_set_new(
		row, "expires_ms", proxied ? json_null() : json_integer(flow->expires_ms));
	json_object_set_new(
		row, "packets", proxied ? json_null() : json_integer((json_int_t)flow->packets));
	return row;
}

static json_t *flows(const struct api_request *request)
{
	const Sluice__Flows *all = request->flows;
	json_t *rows = json_array(), *answer;

	for (size_t i = 0; i < all->n_flows; i++)
		json_array_append_new(rows, flow_row(all->flows[i]));
	answer = answer_rows(request, "flows", rows);
	json_object_set_new(answer, "total", json_integer((json_int_t)all->total));
	return answer;
}

const struct api_command api_flows = {
	.path = "/v1/flows",
	.help = "flows now, at most 1000 unless a limit is given",
	.arguments =
		{
			[CLIENT] = {"client", ARGUMENT_ADDRESS, "only from this client"},
			[VIP] = {"vip", ARGUMENT_ADDRESS, "only to this VIP"},
			[PORT] = {"port", ARGUMENT_PORT, "only to this port of a VIP"},
			[ENDPOINT] = {"endpoint", ARGUMENT_ADDRESS, "only to this endpoint"},
			[PROTOCOL] = {"protocol", ARGUMENT_PROTOCOL, "tcp or udp"},
			[LIMIT] = {"limit", ARGUMENT_NUMBER, "at most so many"},
		},
	.need = NEED_FLOWS,
	.handler = flows,
	.answer = "{flows: [{worker: number, protocol, mode, state, client: text?, client_port: "
		  "number, vip: text?, vip_port: number, endpoint: text?, endpoint_port: number, "
		  "source: text?, source_port: number, idle_ms: number?, expires_ms: number?, "
		  "packets: number?}], total: number, " ANSWER_WARNING "}",
};

static json_t *clear(const struct api_request *request)
{
	return json_pack("{s:I}", "cleared", (json_int_t)request->flows->total);
}

const struct api_command api_flows_clear = {
	.path = "/v1/flows/clear",
	.help = "end flows: TCP clients get a reset; a filter must be given, or all",
	.arguments =
		{
			[CLIENT] = {"client", ARGUMENT_ADDRESS, "only from this client"},
			[VIP] = {"vip", ARGUMENT_ADDRESS, "only to this VIP"},
			[PORT] = {"port", ARGUMENT_PORT, "only to this port of a VIP"},
			[ENDPOINT] = {"endpoint", ARGUMENT_ADDRESS, "only to this endpoint"},
			[PROTOCOL] = {"protocol", ARGUMENT_PROTOCOL, "tcp or udp"},
			[ALL] = {"all", ARGUMENT_FLAG, "every flow"},
		},
	.need = NEED_FLOWS,
	.changes = true,
	.handler = clear,
	.answer = "{cleared: number}",
};
