// SPDX-License-Identifier: BSD-3-Clause
// What endpoints that see client addresses send to clients, of connections without a flow.
//
// The flow was another box's, or this one's before its dataplane began anew, and its client may
// have nothing to say: it is this end of a download that must go on. Which VIP the client spoke to
// is not in the packet. It is the one whose listener would give this very endpoint to this very
// client, if that is sure (open_sure_choice) and there is one alone.
//
// An endpoint is also talked to past its VIPs, by who routes through this box. Such a connection
// begins with a SYN of the endpoint's, or a SYN and ACK, that belongs to no flow: then its tuple is
// remembered, in a record of its own kind in the flow table, and left to the kernel.
#include <netinet/in.h>
#include <rte_tcp.h>

#include "flow_stage.h"
#include "open_internal.h"

#define DIRECT_PROTO 0x40 // beside open.c's 0x80

// The tuple that the client sent with, had it spoken to this listener.
static struct flow_key client_key(const struct listener *listener, const struct flow_key *answer)
{
	return (struct flow_key){
		.src = answer->dst,
		.dst = open_addr_key(&listener->vip, answer->family),
		.ports = open_make_ports(open_dst_port(answer->ports), listener->port),
		.protocol = answer->protocol,
		.family = answer->family,
	};
}

static bool may_be(const struct opener *opener, const struct listener *listener,
	const struct flow_key *answer, struct opening *opening)
{
	struct addr address = open_key_addr(answer->src, answer->family);
	uint8_t direction;

	opening->client = client_key(listener, answer);
	if (open_sender_sane(&opening->client) != DROP_NONE ||
		!open_source_allowed(listener, &opening->client) ||
		flow_find(opener->flows, &opening->client, &direction))
		return false;
	opening->endpoint = open_sure_choice(opener, listener, &opening->client);
	return opening->endpoint && opening->endpoint->port == open_src_port(answer->ports) &&
	       addr_compare(&opening->endpoint->address, &address) == 0;
}

// How many listeners it may be an answer of; the last of them is in `opening`.
static unsigned candidates(
	const struct opener *opener, const struct flow_key *answer, struct opening *opening)
{
	struct addr address = open_key_addr(answer->src, answer->family);
	struct addr client = open_key_addr(answer->dst, answer->family);
	const uint32_t *slots;
	unsigned found = 0;
	uint32_t count;

	if (fib_is_local(opener->fib, &client) || open_is_source(opener, answer))
		return 0;
	count = tables_dnat_listeners(
		opener->tables, &address, answer->protocol, open_src_port(answer->ports), &slots);
	for (uint32_t i = 0; i < count; i++) {
		const struct listener *listener = tables_listener_slot(opener->tables, slots[i]);
		struct opening one = {.listener = listener, .reply = *answer, .direction = 1};

		if (!listener || !may_be(opener, listener, answer, &one))
			continue;
		*opening = one;
		found++;
	}
	return found;
}

static struct flow *find_direct(const struct opener *opener, const struct flow_key *answer)
{
	struct flow_key key = *answer;
	uint8_t direction;

	key.protocol |= DIRECT_PROTO;
	return flow_find(opener->flows, &key, &direction);
}

static void remember_direct(
	struct opener *opener, const struct flow_key *answer, const struct endpoint *endpoint)
{
	struct flow_key key = *answer;
	struct flow *record = find_direct(opener, answer);

	if (!record) {
		record = open_record(opener);
		if (!record)
			return;
		key.protocol |= DIRECT_PROTO;
		record->flags = FLOW_ONE_WAY;
		flow_set_key(record, 0, &key);
		record->state = FLOW_AFFINITY;
		record->seen = opener->flows->now;
		record->endpoint = endpoint->slot;
		record->ack = opener->flows->timeout[FLOW_TCP_SYN];
		flow_insert(opener->flows, record);
	}
}

void open_answer(struct opener *opener, struct packet *packet)
{
	const uint8_t flags =
		packet->tcp_flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG);
	struct flow_key answer = flow_packet_key(packet);
	struct opening opening;
	struct flow *direct;
	unsigned found;
	enum drop drop;

	if (!flags || flags & RTE_TCP_RST_FLAG)
		return;
	direct = find_direct(opener, &answer);
	if (direct) {
		direct->seen = opener->flows->now;
		direct->ack =
			opener->flows->timeout[flags & RTE_TCP_SYN_FLAG ? FLOW_TCP_SYN
									: FLOW_TCP_ESTABLISHED];
		return;
	}
	found = candidates(opener, &answer, &opening);
	if (found == 0)
		return;
	if (flags & RTE_TCP_SYN_FLAG) {
		remember_direct(opener, &answer, opening.endpoint);
		return;
	}
	drop = found == 1 ? open_insert(opener, packet, &opening) : DROP_ANSWER_UNSURE;
	if (drop != DROP_NONE)
		packet_drop(packet, drop);
}
