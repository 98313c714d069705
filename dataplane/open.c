// SPDX-License-Identifier: BSD-3-Clause
#include "open_internal.h"

#include <netinet/in.h>
#include <rte_tcp.h>
#include <string.h>

#include "checksum.h"
#include "flow_index.h"
#include "flow_stage.h"

#define AFFINITY_PROTO 0x80

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

enum answer {
	ANSWER_NONE,
	ANSWER_TO_US,     // to a port of full NAT's or the proxy's
	ANSWER_TO_CLIENT, // in MODE_DNAT
};

// Is this the answer of an endpoint? Then its owner.
static enum answer answer_of(
	const struct opener *opener, const struct flow_key *key, uint16_t *owner)
{
	struct addr src = open_key_addr(key->src, key->family);
	struct addr dst = open_key_addr(key->dst, key->family);
	uint16_t port = ntohs(open_dst_port(key->ports));
	uint8_t flags;

	if (owner_port_in_range(opener->rule, port) &&
		(fib_is_local(opener->fib, &dst) || open_is_source(opener, key))) {
		*owner = owner_of_port(opener->rule, port);
		return ANSWER_TO_US;
	}
	if (tables_dnat_endpoint(
		    opener->tables, &src, key->protocol, open_src_port(key->ports), &flags)) {
		*owner = owner_of_reply(opener->rule, key, flags);
		return ANSWER_TO_CLIENT;
	}
	*owner = opener->worker;
	return ANSWER_NONE;
}

uint16_t open_owner(const struct opener *opener, const struct flow_key *key, bool *ours)
{
	struct addr vip = open_key_addr(key->dst, key->family);
	const struct listener *listener =
		tables_listener(opener->tables, &vip, key->protocol, open_dst_port(key->ports));
	uint16_t owner;

	if (!listener) {
		*ours = answer_of(opener, key, &owner) != ANSWER_NONE;
		return owner;
	}
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
	struct addr client = open_key_addr(key->src, key->family);

	return !listener->source_count ||
	       prefixes_contain(listener->sources, listener->source_count, &client);
}

// The same on any box: what Maglev promises rests on it. With affinity a client's connections go
// together from the first one on, on a box that knows nothing of the others, too.
struct pick_key open_pick_key(const struct listener *listener, const struct flow_key *key)
{
	uint64_t src[2] = {0, 0}, dst[2] = {0, 0};
	struct pick_key pick;

	memcpy(src, key->src, key->family == 4 ? 4 : 16);
	memcpy(dst, key->dst, key->family == 4 ? 4 : 16);
	pick.client = flow_mix(src[0] ^ 0xa0761d6478bd642f, src[1] ^ 0xe7037ed1a0b428db);
	pick.tuple = pick.client;
	if (!listener->affinity_s)
		pick.tuple = flow_mix(pick.client ^ key->ports,
			flow_mix(dst[0] ^ 0x8ebc6af09c88c6e3,
				dst[1] ^ key->protocol ^ 0x589965cc75374cc3));
	return pick;
}

struct flow *open_record(struct opener *opener)
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
	affinity.ports = open_make_ports(0, open_dst_port(key->ports));
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
		record = open_record(opener);
		if (!record)
			return; // the connection is worth more than its affinity
		affinity.protocol |= AFFINITY_PROTO;
		affinity.ports = open_make_ports(0, open_dst_port(key->ports));
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
	struct pick_key pick = open_pick_key(listener, key);
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

enum drop open_insert(struct opener *opener, struct packet *packet, const struct opening *opening)
{
	const struct listener *listener = opening->listener;
	struct flow *flow = open_record(opener);

	if (!flow)
		return DROP_FLOW_TABLE_FULL;
	flow->flags = listener->mode == MODE_DSR ? FLOW_ONE_WAY : 0;
	flow_set_key(flow, 0, &opening->client);
	flow_set_key(flow, 1, &opening->reply);
	set_deltas(flow, &opening->client, &opening->reply);
	flow->mode = listener->mode;
	flow->state = first_state(packet, listener);
	flow->seen = opener->flows->now;
	flow->endpoint = opening->endpoint->slot;
	if (!flow_insert(opener->flows, flow))
		return DROP_FLOW_TABLE_FULL;
	open_account(opener, flow);
	opener->counters[opening->endpoint->slot].created++;
	packet->flow = flow;
	packet->direction = opening->direction;
	packet->next = PACKET_REWRITE;
	return DROP_NONE;
}

static enum drop create(
	struct opener *opener, const struct listener *listener, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);
	struct opening opening = {
		.listener = listener,
		.endpoint = choose(opener, listener, &key),
		.client = key,
		.reply = {.dst = key.src, .protocol = key.protocol, .family = key.family},
	};
	struct addr own;
	enum drop drop;

	if (!opening.endpoint)
		return DROP_NO_ENDPOINT;
	opening.reply.src = open_addr_key(&opening.endpoint->address, key.family);
	opening.reply.ports = open_make_ports(opening.endpoint->port, open_src_port(key.ports));
	drop = open_reply_key(opener, listener, opening.endpoint, &opening.reply, &own);
	return drop == DROP_NONE ? open_insert(opener, packet, &opening) : drop;
}

// What no host sends, and what therefore is not answered either.
enum drop open_sender_sane(const struct flow_key *key)
{
	if (open_source_impossible(key))
		return DROP_IP_SOURCE;
	if (open_src_port(key->ports) == 0 || open_dst_port(key->ports) == 0)
		return DROP_L4_PORT_ZERO;
	return DROP_NONE;
}

// May this packet begin a flow? Where the client's address is kept and any box chooses the same
// endpoint (Maglev), a connection may go on here that began on another box. An endpoint that knows
// nothing of it would reset it, so where it may be another one we do that ourselves.
static enum drop may_begin(
	const struct opener *opener, const struct packet *packet, const struct listener *listener)
{
	const uint8_t opening = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG;
	struct flow_key key = flow_packet_key(packet);

	if (!open_source_allowed(listener, &key))
		return DROP_SOURCE_RANGE;
	if (packet->protocol != IPPROTO_TCP || (packet->tcp_flags & opening) == RTE_TCP_SYN_FLAG)
		return DROP_NONE;
	if (listener->mode == MODE_FULL_NAT || (packet->tcp_flags & opening) != RTE_TCP_ACK_FLAG)
		return DROP_NO_FLOW;
	if (listener->pool->ready_count && !open_sure_choice(opener, listener, &key))
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
	enum answer answer;
	uint16_t owner;

	if (tables_vip(opener->tables, dst)) {
		enum drop drop = open_sender_sane(&key);

		packet_drop(packet, drop == DROP_NONE ? DROP_NO_LISTENER : drop);
		return;
	}
	packet->next = PACKET_HOST;
	answer = answer_of(opener, &key, &owner);
	if (answer == ANSWER_NONE)
		return;
	if (owner != opener->worker && !(packet->flags & PACKET_HANDED))
		hand_over(packet, owner);
	else if (packet->protocol != IPPROTO_TCP)
		return;
	else if (answer == ANSWER_TO_CLIENT && owner == opener->worker)
		open_answer(opener, packet);
	else if (answer == ANSWER_TO_US &&
		 owner_port_of_proxy(opener->rule, ntohs(open_dst_port(packet->ports))))
		packet->next = PACKET_PROXY;
}

void open_flow(struct opener *opener, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);
	struct addr dst = open_key_addr(key.dst, key.family);
	const struct listener *listener = tables_listener(
		opener->tables, &dst, packet->protocol, open_dst_port(packet->ports));
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
		drop = may_begin(opener, packet, listener);
	if (drop == DROP_NONE && !listener->http)
		drop = create(opener, listener, packet);
	if (drop != DROP_NONE)
		packet_drop(packet, drop);
}
