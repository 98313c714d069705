// SPDX-License-Identifier: BSD-3-Clause
// The endpoint's side of a new flow: what it sees as the source, and answers to.
#include <netinet/in.h>
#include <string.h>

#include "open_internal.h"

#define SOURCE_TRIES 128 // ports tried before SNAT counts as exhausted
#define SOURCE_STEPS 16  // of which so many one after the other

// Tries one tuple for the endpoint's side. A closed connection in its place is given up.
static bool tuple_free(struct opener *opener, const struct flow_key *reply)
{
	uint8_t direction;
	struct flow *other = flow_find(opener->flows, reply, &direction);

	if (other && other->state == FLOW_TCP_CLOSED) {
		open_delete(opener, other);
		other = NULL;
	}
	return other == NULL;
}

// Full NAT: an address and port of ours that are free towards this endpoint; the port names this
// worker. The cursor goes round, so that a port rests as long as can be before it is used again.
// `own` must live as long as reply->dst is used.
static enum drop choose_source(struct opener *opener, const struct endpoint *endpoint,
	struct flow_key *reply, struct addr *own)
{
	const struct owner_rule *rule = opener->rule;
	const struct open_sources *sources = opener->sources;
	struct endpoint_counters *counters = &opener->counters[endpoint->slot];
	uint32_t addresses = reply->family == 4 ? sources->v4_count : sources->v6_count;
	uint32_t ports = (uint32_t)(owner_nat_last(rule) - rule->port_first - opener->worker) /
				 rule->workers +
			 1;
	uint64_t tuples;

	if (rule->port_first + opener->worker > owner_nat_last(rule))
		return DROP_SNAT_EXHAUSTED;
	if (addresses == 0) {
		struct fib_answer answer = fib_lookup(opener->fib, &endpoint->address);

		if (answer.result != FIB_HOP && answer.result != FIB_NEIGHBOUR)
			return DROP_NO_ROUTE;
		if (!fib_source(opener->fib, answer.iface, &endpoint->address, own))
			return DROP_SNAT_NO_ADDRESS;
	}
	tuples = (uint64_t)ports * (addresses ? addresses : 1);
	// Begun anywhere, so that after a restart ports are not used again in the same order.
	if (counters->source_cursor == 0)
		counters->source_cursor =
			((uint32_t)(opener->flows->seed[0] >> 32) ^ endpoint->slot * 2654435761u) |
			1;
	for (uint32_t i = 0; i < SOURCE_TRIES && i < tuples; i++) {
		uint32_t number = (uint32_t)(counters->source_cursor % tuples);
		uint32_t port = number / (addresses ? addresses : 1);

		// Connections that last stand in a row: rather jump over them than count them all.
		counters->source_cursor +=
			i < SOURCE_STEPS ? 1
					 : (uint32_t)(tuples / (SOURCE_TRIES - SOURCE_STEPS)) + 1;

		if (addresses == 0)
			reply->dst = open_addr_key(own, reply->family);
		else if (reply->family == 4)
			reply->dst = (const uint8_t *)&sources->v4[number % addresses];
		else
			reply->dst = sources->v6[number % addresses].byte;
		reply->ports = open_make_ports(
			endpoint->port, htons((uint16_t)(rule->port_first + opener->worker +
							 port * rule->workers)));
		if (tuple_free(opener, reply))
			return DROP_NONE;
	}
	return DROP_SNAT_EXHAUSTED;
}

// MODE_DNAT: the client's own port, or, when that is taken because the client reaches the same
// endpoint by two ways, another one whose owner is this worker.
static enum drop keep_source(struct opener *opener, const struct listener *listener,
	const struct endpoint *endpoint, struct flow_key *reply)
{
	in_port_t port = open_dst_port(reply->ports);
	uint16_t candidate = ntohs(port);

	for (unsigned i = 0; i < SOURCE_TRIES; i++) {
		reply->ports = open_make_ports(endpoint->port, htons(candidate));
		if ((i == 0 || owner_of_reply(opener->rule, reply, listener->flags) ==
				       opener->worker) &&
			tuple_free(opener, reply))
			return DROP_NONE;
		candidate = (uint16_t)(candidate * 25173u + 13849u) | 1024;
	}
	return DROP_SNAT_EXHAUSTED;
}

enum drop open_reply_key(struct opener *opener, const struct listener *listener,
	const struct endpoint *endpoint, struct flow_key *reply, struct addr *own)
{
	switch ((enum mode)listener->mode) {
	case MODE_FULL_NAT:
		return choose_source(opener, endpoint, reply, own);
	case MODE_DNAT:
		return keep_source(opener, listener, endpoint, reply);
	case MODE_DSR: {
		enum drop drop = choose_source(opener, endpoint, reply, own);

		reply->ports = open_make_ports(endpoint->port, 0);
		// Nothing comes back this way, so a port more or less does not matter.
		return drop == DROP_SNAT_EXHAUSTED ? DROP_NONE : drop;
	}
	}
	return DROP_NO_LISTENER;
}
