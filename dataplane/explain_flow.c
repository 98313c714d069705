// SPDX-License-Identifier: BSD-3-Clause
// Which way the packets of a client's port to a VIP's would take, at layer 4. Nothing is counted or
// changed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "explain.h"

struct tuple {
	struct addr client, vip;
	struct flow_key key;
};

static bool take_tuple(const struct explain *e, struct tuple *tuple)
{
	const Sluice__ExplainRequest *request = e->request;
	unsigned length;

	if (addr_from_bytes(&tuple->client, request->client.data, request->client.len) ||
		addr_from_bytes(&tuple->vip, request->vip.data, request->vip.len) ||
		addr_is_v4(&tuple->client) != addr_is_v4(&tuple->vip))
		return false;
	length = addr_is_v4(&tuple->vip) ? 4 : 16;
	tuple->key = (struct flow_key){
		.src = tuple->client.byte + 16 - length,
		.dst = tuple->vip.byte + 16 - length,
		.ports = (uint32_t)htons((uint16_t)request->port) << 16 |
			 htons((uint16_t)request->client_port),
		.protocol = (uint8_t)request->protocol,
		.family = length == 4 ? 4 : 6,
	};
	return true;
}

static struct opener opener_of(const struct explain *e, uint16_t worker)
{
	struct opener opener = e->dataplane->workers[worker]->opener;

	opener.tables = e->tables;
	opener.fib = *host_fib_pointer(e->dataplane->host);
	return opener;
}

static void say_route(struct explain *e, const struct addr *to)
{
	const struct fib *fib = *host_fib_pointer(e->dataplane->host);
	struct fib_answer answer = fib_lookup(fib, to);
	const struct hop *hop = &fib->hops[answer.result == FIB_HOP ? answer.hop : HOP_NONE];
	const char *iface = e->dataplane->ifaces[answer.iface].name;
	char via[ADDR_TEXT];

	addr_format(answer.result == FIB_HOP ? &hop->address : &answer.via, via);
	switch (answer.result) {
	case FIB_HOP:
		if (hop->state == HOP_REACHABLE)
			explain_step(e, "route", "out of %s to %s, " MAC_FORMAT, iface, via,
				RTE_ETHER_ADDR_BYTES(&hop->mac));
		else
			explain_step(e, "route", "out of %s to %s, which %s", iface, via,
				hop->state == HOP_FAILED ? "does not answer"
							 : "is looked for first");
		break;
	case FIB_NEIGHBOUR:
		explain_step(e, "route", "out of %s to %s, which is looked for first", iface, via);
		break;
	case FIB_LOCAL:
		explain_step(e, "route", "to the box itself");
		break;
	case FIB_NONE:
	case FIB_REJECT:
		explain_step(
			e, "dropped", "%s: %s", drop_name(DROP_NO_ROUTE), drop_help(DROP_NO_ROUTE));
		break;
	}
}

static void say_endpoint(
	struct explain *e, const struct endpoint *endpoint, const char *how, const char *sure)
{
	char text[ADDR_TEXT];

	explain_named(e, endpoint);
	explain_step(e, "endpoint", "%s port %u%s%s: %s%s", addr_format(&endpoint->address, text),
		ntohs(endpoint->port), *endpoint->name ? " " : "", endpoint->name, how, sure);
}

static void say_mode(struct explain *e, const struct listener *listener)
{
	switch ((enum mode)listener->mode) {
	case MODE_FULL_NAT:
		explain_step(e, "rewrite", "%s: the endpoint sees an address of the box",
			mode_name(MODE_FULL_NAT));
		break;
	case MODE_DNAT:
		explain_step(e, "rewrite", "%s: the endpoint sees the client's address",
			mode_name(MODE_DNAT));
		break;
	case MODE_DSR:
		explain_step(e, "rewrite",
			"%s: in a tunnel to the endpoint, which answers the client itself",
			mode_name(MODE_DSR));
		break;
	}
}

// A flow that is there goes on whatever the tables say now.
static bool say_flow(struct explain *e, const struct opener *opener, const struct flow_key *key)
{
	const struct endpoint *endpoint;
	uint8_t direction;
	const struct flow *flow = flow_find(opener->flows, key, &direction);

	if (!flow) {
		explain_step(e, "flow", "none, and would be worker %u's", opener->worker);
		return false;
	}
	explain_step(e, "flow", "there, of worker %u: %s, %s%s", opener->worker,
		mode_name((enum mode)flow->mode), flow_state_name((enum flow_state)flow->state),
		direction ? ", from the endpoint" : "");
	endpoint = tables_endpoint(e->tables, flow->endpoint);
	if (!endpoint) {
		explain_step(e, "endpoint", "is gone: the flow ends");
		return true;
	}
	say_endpoint(e, endpoint, "the flow's",
		endpoint->state == ENDPOINT_DRAINING ? ", draining" : "");
	if (!direction)
		say_route(e, &endpoint->address);
	return true;
}

static void say_opening(struct explain *e, const struct open_preview *preview)
{
	const struct listener *listener = preview->listener;
	char how[160];

	if (preview->drop != DROP_NONE) {
		explain_step(
			e, "dropped", "%s: %s", drop_name(preview->drop), drop_help(preview->drop));
		return;
	}
	if (!listener || !preview->endpoint)
		return;
	e->out->pool = answer_text(listener->pool->name);
	explain_step(e, "backend", "%s: %u of %u endpoints ready", listener->pool->name,
		listener->pool->ready_count, listener->pool->member_count);
	snprintf(how, sizeof(how), "by %s%s",
		preview->remembered ? "the client's affinity"
				    : algorithm_name((enum algorithm)listener->pool->algorithm),
		preview->certain ? "" : "; it may be another one");
	say_endpoint(e, preview->endpoint, how, "");
	say_mode(e, listener);
	say_route(e, &preview->endpoint->address);
}

static void say_listener(struct explain *e, const struct open_preview *preview)
{
	const struct listener *listener = preview->listener;
	char where[LISTENER_TEXT];

	if (listener) {
		listener_format(&listener->vip, listener->protocol, listener->port, where);
		explain_step(e, "listener", "%s, %s", where,
			listener->http ? "for the proxy" : listener->service);
	} else if (preview->drop == DROP_NONE) {
		explain_step(e, "listener", "none");
	}
}

void explain_flow(struct explain *e)
{
	struct open_preview preview;
	struct opener opener;
	struct tuple tuple;

	if (!take_tuple(e, &tuple)) {
		explain_step(e, "refused", "addresses of two families, or none");
		return;
	}
	opener = opener_of(e, 0);
	preview = open_preview(&opener, &tuple.key);
	if (preview.worker != 0) {
		opener = opener_of(e, preview.worker);
		preview = open_preview(&opener, &tuple.key);
	}
	say_listener(e, &preview);
	if (preview.listener && preview.listener->http && preview.drop == DROP_NONE) {
		explain_step(e, "proxy", "TCP ends here, at worker %u; ask for a URL to know more",
			preview.worker);
		return;
	}
	if (preview.ours && say_flow(e, &opener, &tuple.key))
		return;
	if (!preview.listener && preview.drop == DROP_NONE)
		explain_step(e, "host", "for no VIP and no flow: given to the kernel");
	else
		say_opening(e, &preview);
}
