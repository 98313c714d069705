// SPDX-License-Identifier: BSD-3-Clause
// The answers to clients that wait for them. See channel.h.
#include "channel_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>

static struct client *client_working(struct channel *channel, uint64_t work)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (channel->clients[i].state == CLIENT_WORKING && channel->clients[i].work == work)
			return &channel->clients[i];
	return NULL;
}

// To who waits for it; nobody may any more.
static void answer(struct channel *channel, uint64_t id, Sluice__Reply *reply)
{
	struct client *client = client_working(channel, id);

	if (!client)
		return;
	reply->id = client->request_id;
	client_answer(channel, client, reply);
}

void channel_send_stats(struct channel *channel, uint64_t id, const Sluice__Stats *stats)
{
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	reply.body_case = SLUICE__REPLY__BODY_STATS;
	reply.stats = (Sluice__Stats *)(uintptr_t)stats;
	answer(channel, id, &reply);
}

static ProtobufCBinaryData bytes_of(const struct addr *addr)
{
	size_t length;
	const uint8_t *bytes = addr_bytes(addr, &length);

	return (ProtobufCBinaryData){length, (uint8_t *)bytes};
}

static void set_flow(Sluice__Flow *flow, const struct flow_view *view)
{
	sluice__flow__init(flow);
	flow->worker = view->worker;
	flow->protocol = (Sluice__L4Protocol)view->protocol;
	flow->mode = view->phase ? SLUICE__MODE__MODE_PROXY : (Sluice__Mode)view->mode;
	flow->state =
		(char *)(uintptr_t)(view->phase ? view->phase
						: flow_state_name((enum flow_state)view->state));
	flow->client = bytes_of(&view->client);
	flow->client_port = ntohs(view->client_port);
	flow->vip = bytes_of(&view->vip);
	flow->vip_port = ntohs(view->vip_port);
	if (!view->phase || view->endpoint_port) { // else none is chosen
		flow->endpoint = bytes_of(&view->endpoint);
		flow->endpoint_port = ntohs(view->endpoint_port);
	}
	if (!view->phase || view->source_port) {
		flow->source = bytes_of(&view->source);
		flow->source_port = ntohs(view->source_port);
	}
	flow->idle_ms = view->idle_ms;
	flow->expires_ms = view->expires_ms;
	flow->packets = view->packets;
}

void channel_send_flows(struct channel *channel, uint64_t id, const struct flow_view *views,
	uint32_t count, uint64_t total)
{
	struct client *client = client_working(channel, id);
	Sluice__Reply reply = SLUICE__REPLY__INIT;
	Sluice__Flows message = SLUICE__FLOWS__INIT;
	Sluice__Flow *flows = calloc((size_t)count + 1, sizeof(*flows));
	Sluice__Flow **pointers = calloc((size_t)count + 1, sizeof(Sluice__Flow *));

	if (client && flows && pointers) {
		for (uint32_t i = 0; i < count; i++) {
			set_flow(&flows[i], &views[i]);
			pointers[i] = &flows[i];
		}
		message.n_flows = count;
		message.flows = pointers;
		message.total = total;
		reply.id = client->request_id;
		reply.body_case = SLUICE__REPLY__BODY_FLOWS;
		reply.flows = &message;
		client_answer(channel, client, &reply);
	} else if (client) {
		client_result(channel, client, false, "flows: out of memory");
	}
	free(flows);
	free(pointers);
}

void channel_send_explained(
	struct channel *channel, uint64_t id, const Sluice__Explained *explained)
{
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	reply.body_case = SLUICE__REPLY__BODY_EXPLAINED;
	reply.explained = (Sluice__Explained *)(uintptr_t)explained;
	answer(channel, id, &reply);
}

void channel_send_captured(struct channel *channel, uint64_t id, const Sluice__Captured *captured)
{
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	reply.body_case = SLUICE__REPLY__BODY_CAPTURED;
	reply.captured = (Sluice__Captured *)(uintptr_t)captured;
	answer(channel, id, &reply);
}

void channel_send_log(struct channel *channel, uint64_t id, const Sluice__LogLines *lines)
{
	Sluice__Reply reply = SLUICE__REPLY__INIT;

	reply.body_case = SLUICE__REPLY__BODY_LOG;
	reply.log = (Sluice__LogLines *)(uintptr_t)lines;
	answer(channel, id, &reply);
}
