// SPDX-License-Identifier: BSD-3-Clause
// Lookup runs three times over the burst, so that the cache misses of all packets overlap: hash and
// bucket, signature and record, comparison.
//
//   client SYN -> SYN --answered, client ACK--> ESTABLISHED --FIN--> FIN --FIN of the other, ACK-->
//   CLOSED
//                  any state --RST--> CLOSED; back to the state before if its sender goes on
//                  talking
#include "flow_stage.h"

#include <rte_ip.h>
#include <rte_tcp.h>

#include "flow_index.h"

struct flow_key flow_packet_key(const struct packet *packet)
{
	struct flow_key key = {
		.ports = packet->ports,
		.protocol = packet->protocol,
		.family = packet->family,
	};

	if (packet->family == 4) {
		key.src = packet->l3 + offsetof(struct rte_ipv4_hdr, src_addr);
		key.dst = packet->l3 + offsetof(struct rte_ipv4_hdr, dst_addr);
	} else {
		key.src = packet->l3 + offsetof(struct rte_ipv6_hdr, src_addr);
		key.dst = packet->l3 + offsetof(struct rte_ipv6_hdr, dst_addr);
	}
	return key;
}

static inline const uint8_t *addresses_of(const struct packet *packet)
{
	return packet->l3 + (packet->family == 4 ? offsetof(struct rte_ipv4_hdr, src_addr)
						 : offsetof(struct rte_ipv6_hdr, src_addr));
}

static inline void hash_one(struct flow_table *table, struct packet *packet)
{
	uint64_t words[4];

	if (packet->family == 4) {
		memcpy(words, addresses_of(packet), 8);
		packet->hash = flow_hash4(table, words[0], packet->ports, packet->protocol);
	} else {
		memcpy(words, addresses_of(packet), 32);
		packet->hash = flow_hash6(table, words, packet->ports, packet->protocol);
	}
	flow_prefetch_bucket(table, packet->hash);
}

static inline bool verify_one(const struct packet *packet)
{
	const uint8_t *addresses = addresses_of(packet);

	if (packet->family == 4) {
		uint64_t word;

		memcpy(&word, addresses, sizeof(word));
		return flow_matches4(
			packet->flow, packet->direction, word, packet->ports, packet->protocol);
	}
	return flow_matches6(
		packet->flow, packet->direction, addresses, packet->ports, packet->protocol);
}

static inline void prefetch_record(const struct packet *packet)
{
	rte_prefetch0(packet->flow);
	if (packet->family == 6)
		rte_prefetch0(packet->flow->v6);
}

// Keys that are in their second bucket, a sixth of them in a full table.
static void second_candidates(
	const struct flow_table *table, struct packet *packets, const uint8_t *which, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &packets[which[i]];

		packet->flow = flow_second_candidate(table, packet->hash, &packet->direction);
		if (packet->flow)
			prefetch_record(packet);
	}
}

unsigned flow_lookup(struct flow_table *table, struct packet *packets, unsigned n)
{
	uint8_t second[PACKET_BURST];
	unsigned second_count = 0;
	unsigned missed = 0;

	for (unsigned i = 0; i < n; i++)
		if (packets[i].next == PACKET_FLOW)
			hash_one(table, &packets[i]);
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &packets[i];

		if (packet->next != PACKET_FLOW)
			continue;
		packet->flow = flow_candidate(table, packet->hash, &packet->direction);
		if (likely(packet->flow != NULL)) {
			prefetch_record(packet);
		} else {
			second[second_count++] = (uint8_t)i;
			flow_prefetch_second_bucket(table, packet->hash);
		}
	}
	second_candidates(table, packets, second, second_count);
	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &packets[i];

		if (packet->next != PACKET_FLOW)
			continue;
		if (unlikely(!packet->flow || !verify_one(packet))) {
			// Another record with this signature, or a new flow.
			struct flow_key key = flow_packet_key(packet);

			packet->flow = flow_find(table, &key, &packet->direction);
			if (!packet->flow) {
				missed++;
				continue;
			}
		}
		packet->next = PACKET_REWRITE;
	}
	return missed;
}

static void set_state(struct flow_table *table, struct flow *flow, enum flow_state state)
{
	if (flow->state == state)
		return;
	flow->state = (uint8_t)state;
	flow_rearm(table, flow);
}

bool flow_track_tcp(struct flow_table *table, struct flow *flow, const struct packet *packet)
{
	const unsigned d = packet->direction;
	const uint8_t flags = packet->tcp_flags;
	const uint8_t resets = FLOW_RST_0 | FLOW_RST_1;
	const uint8_t fins = FLOW_FIN_0 | FLOW_FIN_1;

	if ((flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG && d == 0)
		return flow->state == FLOW_TCP_CLOSED || flow->state == FLOW_TCP_RESET;
	if (flow->state == FLOW_TCP_RESET)
		return false;
	if (flags & RTE_TCP_RST_FLAG) {
		flow->flags |= (uint8_t)(FLOW_RST_0 << d);
		set_state(table, flow, FLOW_TCP_CLOSED);
		return false;
	}
	if (flow->flags & (FLOW_RST_0 << d)) {
		// Who has reset does not go on: that reset was somebody else's, and was not
		// believed.
		flow->flags &= (uint8_t)~resets;
		set_state(table, flow, flow->flags & fins ? FLOW_TCP_FIN : FLOW_TCP_ESTABLISHED);
	}
	if (d == 1)
		flow->flags |= FLOW_ANSWERED;
	if (flags & RTE_TCP_FIN_FLAG) {
		flow->flags |= (uint8_t)(FLOW_FIN_0 << d);
		if (flow->state != FLOW_TCP_CLOSED)
			set_state(table, flow, FLOW_TCP_FIN);
		return false;
	}
	if (flow->state == FLOW_TCP_SYN && d == 0 && (flow->flags & (FLOW_ANSWERED | FLOW_ONE_WAY)))
		set_state(table, flow, FLOW_TCP_ESTABLISHED);
	else if (flow->state == FLOW_TCP_FIN && (flow->flags & fins) == fins)
		set_state(table, flow, FLOW_TCP_CLOSED);
	return false;
}
