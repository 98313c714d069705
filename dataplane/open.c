// SPDX-License-Identifier: BSD-3-Clause
#include "open_internal.h"

#include <netinet/in.h>
#include <rte_tcp.h>
#include <string.h>

#include "checksum.h"
#include "flow_index.h"
#include "flow_stage.h"

#define SOURCE_TRIES   128 // ports tried before SNAT counts as exhausted
#define SOURCE_STEPS   16  // of which so many one after the other
#define AFFINITY_PROTO 0x80

static struct addr key_addr(const uint8_t *bytes, uint8_t family)
{
	struct addr addr;

	addr_from_bytes(&addr, bytes, family == 4 ? 4 : 16);
	return addr;
}

static const uint8_t *addr_key(const struct addr *addr, uint8_t family)
{
	return family == 4 ? addr->byte + 12 : addr->byte;
}

static in_port_t src_port(uint32_t ports)
{
	return (in_port_t)ports;
}

static in_port_t dst_port(uint32_t ports)
{
	return (in_port_t)(ports >> 16);
}

static uint32_t make_ports(in_port_t src, in_port_t dst)
{
	return (uint32_t)dst << 16 | src;
}

void open_account(struct opener *opener, struct flow *flow)
{
	bool active = flow->state != FLOW_FREE && flow->state != FLOW_TCP_CLOSED &&
		      flow->state != FLOW_TCP_RESET && flow->state != FLOW_AFFINITY;

	if (active == !!(flow->flags & FLOW_COUNTED))
		return;
	opener->load[flow->endpoint] += active ? 1 : -1u;
	flow->flags ^= FLOW_COUNTED;
}

void open_delete(struct opener *opener, struct flow *flow)
{
	if (flow->flags & FLOW_COUNTED)
		opener->load[flow->endpoint]--;
	flow_delete(opener->flows, flow);
	opener->deleted++;
}

bool open_is_source(const struct opener *opener, const struct flow_key *key)
{
	const struct open_sources *sources = opener->sources;

	if (key->family == 4) {
		for (uint32_t i = 0; i < sources->v4_count; i++)
			if (memcmp(&sources->v4[i], key->dst, 4) == 0)
				return true;
		return false;
	}
	for (uint32_t i = 0; i < sources->v6_count; i++)
		if (memcmp(sources->v6[i].byte, key->dst, 16) == 0)
			return true;
	return false;
}

// Is this the answer of an endpoint? Then its owner.
static uint16_t owner_of_answer(const struct opener *opener, const struct flow_key *key, bool *ours)
{
	struct addr src = key_addr(key->src, key->family);
	struct addr dst = key_addr(key->dst, key->family);
	uint16_t port = ntohs(dst_port(key->ports));
	uint8_t flags;

	if (owner_port_in_range(opener->rule, port) &&
		(fib_is_local(opener->fib, &dst) || open_is_source(opener, key))) {
		*ours = true;
		return owner_of_port(opener->rule, port);
	}
	if (tables_dnat_endpoint(
		    opener->tables, &src, key->protocol, src_port(key->ports), &flags)) {
		*ours = true;
		return owner_of_reply(opener->rule, key, flags);
	}
	*ours = false;
	return opener->worker;
}

uint16_t open_owner(const struct opener *opener, const struct flow_key *key, bool *ours)
{
	struct addr vip = key_addr(key->dst, key->family);
	const struct listener *listener =
		tables_listener(opener->tables, &vip, key->protocol, dst_port(key->ports));

	if (!listener)
		return owner_of_answer(opener, key, ours);
	*ours = true;
	return owner_of_client(opener->rule, key, listener->flags, NULL);
}

bool open_source_impossible(const struct flow_key *key)
{
	static const uint8_t zero[16];

	if (key->family == 4)
		return key->src[0] == 0 || key->src[0] == 127 || key->src[0] >= 224;
	return key->src[0] == 0xff || (key->src[0] == 0xfe && (key->src[1] & 0xc0) == 0x80) ||
	       memcmp(key->src, zero, 16) == 0;
}

bool open_source_allowed(const struct listener *listener, const struct flow_key *key)
{
	struct addr client = key_addr(key->src, key->family);

	if (listener->source_count == 0)
		return true;
	for (uint32_t i = 0; i < listener->source_count; i++)
		if (prefix_contains(&listener->sources[i], &client))
			return true;
	return false;
}

// The same on any box: what Maglev promises rests on it.
struct pick_key open_pick_key(const struct flow_key *key)
{
	uint64_t src[2] = {0, 0}, dst[2] = {0, 0};
	struct pick_key pick;

	memcpy(src, key->src, key->family == 4 ? 4 : 16);
	memcpy(dst, key->dst, key->family == 4 ? 4 : 16);
	pick.client = flow_mix(src[0] ^ 0xa0761d6478bd642f, src[1] ^ 0xe7037ed1a0b428db);
	pick.tuple = flow_mix(pick.client ^ key->ports,
		flow_mix(dst[0] ^ 0x8ebc6af09c88c6e3, dst[1] ^ key->protocol ^ 0x589965cc75374cc3));
	return pick;
}

static struct flow *new_record(struct opener *opener)
{
	struct flow *flow = flow_new(opener->flows);
	struct flow *closed;

	if (flow)
		return flow;
	closed = flow_oldest_closed(opener->flows);
	if (!closed)
		return NULL;
	open_delete(opener, closed);
	return flow_new(opener->flows);
}

// ClientIP affinity: a record of its own kind in the same table, from (client, vip, vip's port) to
// an endpoint slot.
struct flow *open_affinity(const struct opener *opener, const struct flow_key *key)
{
	struct flow_key affinity = *key;
	uint8_t direction;

	affinity.protocol |= AFFINITY_PROTO;
	affinity.ports = make_ports(0, dst_port(key->ports));
	return flow_find(opener->flows, &affinity, &direction);
}

static uint32_t affinity_ticks(const struct listener *listener)
{
	return (uint32_t)((uint64_t)listener->affinity_s * 1000000 / FLOW_TICK_US);
}

static void affinity_remember(struct opener *opener, const struct flow_key *key,
	const struct listener *listener, struct flow *record, uint32_t slot)
{
	struct flow_key affinity = *key;

	if (!record) {
		record = new_record(opener);
		if (!record)
			return; // the connection is worth more than its affinity
		affinity.protocol |= AFFINITY_PROTO;
		affinity.ports = make_ports(0, dst_port(key->ports));
		record->flags = FLOW_ONE_WAY;
		flow_set_key(record, 0, &affinity);
		record->state = FLOW_AFFINITY;
		record->seen = opener->flows->now;
		record->endpoint = slot;
		record->ack = affinity_ticks(listener);
		flow_insert(opener->flows, record);
		return;
	}
	record->endpoint = slot;
	record->seen = opener->flows->now;
	record->ack = affinity_ticks(listener);
}

static const struct endpoint *choose(
	struct opener *opener, const struct listener *listener, const struct flow_key *key)
{
	const struct pool *pool = listener->pool;
	struct pick_load load = {opener->load, SLUICE_ENDPOINTS_MAX, NULL};
	struct pick_key pick = open_pick_key(key);
	const struct endpoint *endpoint = NULL;
	struct flow *record = NULL;
	uint32_t index;

	if (listener->affinity_s) {
		record = open_affinity(opener, key);
		endpoint = open_remembered(opener, record, pool);
	}
	if (!endpoint) {
		index = pick_endpoint(pool, &pick, &opener->pick_states[pool->slot], &load);
		if (index == UINT32_MAX)
			return NULL;
		endpoint = pool->members[index];
	}
	if (listener->affinity_s)
		affinity_remember(opener, key, listener, record, endpoint->slot);
	return endpoint;
}

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
			reply->dst = addr_key(own, reply->family);
		else if (reply->family == 4)
			reply->dst = (const uint8_t *)&sources->v4[number % addresses];
		else
			reply->dst = sources->v6[number % addresses].byte;
		reply->ports = make_ports(
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
	in_port_t port = dst_port(reply->ports);
	uint16_t candidate = ntohs(port);

	for (unsigned i = 0; i < SOURCE_TRIES; i++) {
		reply->ports = make_ports(endpoint->port, htons(candidate));
		if ((i == 0 || owner_of_reply(opener->rule, reply, listener->flags) ==
				       opener->worker) &&
			tuple_free(opener, reply))
			return DROP_NONE;
		candidate = (uint16_t)(candidate * 25173u + 13849u) | 1024;
	}
	return DROP_SNAT_EXHAUSTED;
}

// The endpoint's side of the flow: the tuple its answers come with.
// `own` is room for what reply->dst may point to.
static enum drop make_reply_key(struct opener *opener, const struct listener *listener,
	const struct endpoint *endpoint, struct flow_key *reply, struct addr *own)
{
	switch ((enum mode)listener->mode) {
	case MODE_FULL_NAT:
		return choose_source(opener, endpoint, reply, own);
	case MODE_DNAT:
		return keep_source(opener, listener, endpoint, reply);
	case MODE_DSR: {
		enum drop drop = choose_source(opener, endpoint, reply, own);

		reply->ports = make_ports(endpoint->port, 0);
		// Nothing comes back this way, so a port more or less does not matter.
		return drop == DROP_SNAT_EXHAUSTED ? DROP_NONE : drop;
	}
	}
	return DROP_NO_LISTENER;
}

static void set_deltas(
	struct flow *flow, const struct flow_key *client, const struct flow_key *reply)
{
	unsigned length = client->family == 4 ? 4 : 16;
	uint64_t before = checksum_words(client->src, length) + checksum_words(client->dst, length);
	uint64_t after = checksum_words(reply->src, length) + checksum_words(reply->dst, length);

	flow->delta_l3 = checksum_delta(before, after);
	flow->delta_l4 = checksum_delta(before + (uint16_t)client->ports + (client->ports >> 16),
		after + (uint16_t)reply->ports + (reply->ports >> 16));
}

static uint8_t first_state(const struct packet *packet, const struct listener *listener)
{
	if (packet->protocol == IPPROTO_UDP)
		return listener->mode == MODE_DSR ? FLOW_UDP : FLOW_UDP_NEW;
	return packet->tcp_flags & RTE_TCP_SYN_FLAG ? FLOW_TCP_SYN : FLOW_TCP_ESTABLISHED;
}

static enum drop create(
	struct opener *opener, const struct listener *listener, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);
	struct flow_key reply = {.dst = key.src, .protocol = key.protocol, .family = key.family};
	const struct endpoint *endpoint = choose(opener, listener, &key);
	struct addr own;
	struct flow *flow;
	enum drop drop;

	if (!endpoint)
		return DROP_NO_ENDPOINT;
	reply.src = addr_key(&endpoint->address, key.family);
	reply.ports = make_ports(endpoint->port, src_port(key.ports));
	drop = make_reply_key(opener, listener, endpoint, &reply, &own);
	if (drop != DROP_NONE)
		return drop;
	flow = new_record(opener);
	if (!flow)
		return DROP_FLOW_TABLE_FULL;
	flow->flags = listener->mode == MODE_DSR ? FLOW_ONE_WAY : 0;
	flow_set_key(flow, 0, &key);
	flow_set_key(flow, 1, &reply);
	set_deltas(flow, &key, &reply);
	flow->mode = listener->mode;
	flow->state = first_state(packet, listener);
	flow->seen = opener->flows->now;
	flow->endpoint = endpoint->slot;
	if (!flow_insert(opener->flows, flow))
		return DROP_FLOW_TABLE_FULL;
	open_account(opener, flow);
	opener->counters[endpoint->slot].created++;
	packet->flow = flow;
	packet->direction = 0;
	packet->next = PACKET_REWRITE;
	return DROP_NONE;
}

// What no host sends, and what therefore is not answered either.
enum drop open_sender_sane(const struct flow_key *key)
{
	if (open_source_impossible(key))
		return DROP_IP_SOURCE;
	if (src_port(key->ports) == 0 || dst_port(key->ports) == 0)
		return DROP_L4_PORT_ZERO;
	return DROP_NONE;
}

// May this packet begin a flow? Where the client's address is kept any box chooses the same
// endpoint (Maglev), so a connection may go on here that began on another box.
static enum drop may_begin(const struct packet *packet, const struct listener *listener)
{
	const uint8_t opening = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG;
	struct flow_key key = flow_packet_key(packet);

	if (!open_source_allowed(listener, &key))
		return DROP_SOURCE_RANGE;
	if (packet->protocol != IPPROTO_TCP || (packet->tcp_flags & opening) == RTE_TCP_SYN_FLAG)
		return DROP_NONE;
	if (listener->mode == MODE_FULL_NAT || (packet->tcp_flags & opening) != RTE_TCP_ACK_FLAG)
		return DROP_NO_FLOW;
	return DROP_NONE;
}

static void hand_over(struct packet *packet, uint16_t owner)
{
	if (packet->flags & PACKET_HANDED) {
		packet_drop(packet, DROP_HANDOFF_LOOP);
		return;
	}
	packet->next = PACKET_HAND;
	packet->hop = owner;
}

static void not_for_listener(struct opener *opener, struct packet *packet, const struct addr *dst)
{
	struct flow_key key = flow_packet_key(packet);
	bool ours;
	uint16_t owner;

	if (tables_vip(opener->tables, dst)) {
		enum drop drop = open_sender_sane(&key);

		packet_drop(packet, drop == DROP_NONE ? DROP_NO_LISTENER : drop);
		return;
	}
	packet->next = PACKET_HOST;
	owner = owner_of_answer(opener, &key, &ours);
	if (!ours)
		return;
	if (owner != opener->worker && !(packet->flags & PACKET_HANDED))
		hand_over(packet, owner);
	else if (packet->protocol == IPPROTO_TCP &&
		 owner_port_of_proxy(opener->rule, ntohs(dst_port(packet->ports))))
		packet->next = PACKET_PROXY;
}

void open_flow(struct opener *opener, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);
	struct addr dst = key_addr(key.dst, key.family);
	const struct listener *listener =
		tables_listener(opener->tables, &dst, packet->protocol, dst_port(packet->ports));
	enum drop drop;

	// An earlier packet of this burst may have opened it.
	packet->flow = flow_find(opener->flows, &key, &packet->direction);
	if (packet->flow) {
		packet->next = PACKET_REWRITE;
		return;
	}
	if (!listener) {
		not_for_listener(opener, packet, &dst);
		return;
	}
	if (opener->rule->workers > 1 && !(packet->flags & PACKET_HANDED)) {
		bool hashed = (packet->mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) &&
			      (opener->rss_ports >> packet->mbuf->port & 1) &&
			      !(packet->flags & PACKET_IS_FRAGMENT);
		uint16_t owner = owner_of_client(opener->rule, &key, listener->flags,
			hashed ? &packet->mbuf->hash.rss : NULL);

		if (owner != opener->worker) {
			hand_over(packet, owner);
			return;
		}
	}
	drop = open_sender_sane(&key);
	if (listener->http)
		packet->next = PACKET_PROXY;
	else if (drop == DROP_NONE)
		drop = may_begin(packet, listener);
	if (drop == DROP_NONE && !listener->http)
		drop = create(opener, listener, packet);
	if (drop != DROP_NONE)
		packet_drop(packet, drop);
}
