// SPDX-License-Identifier: BSD-3-Clause
// The common way through rewrite/: state, counters, hop, header. Written so that an IPv4 packet
// touches one line of the flow and one of the frame.
#include "rewrite.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "flow_stage.h"

enum drop rewrite_hop(const struct fib *fib, struct flow *flow, unsigned direction, uint16_t *hop,
	uint16_t *iface)
{
	struct fib_answer answer;
	struct flow_key key;
	struct addr to;

	// A flow that slept through 65536 generations may have a hop that is no more.
	if (likely(flow->fib_generation == (uint16_t)fib->generation && flow->hop[direction] &&
		    flow->hop[direction] < fib->hop_count)) {
		*hop = flow->hop[direction];
		*iface = fib->hops[*hop].iface;
		return DROP_NONE;
	}
	if (flow->fib_generation != (uint16_t)fib->generation) {
		flow->fib_generation = (uint16_t)fib->generation;
		flow->hop[0] = flow->hop[1] = HOP_NONE;
	}
	key = flow_record_key(flow, !direction);
	addr_from_bytes(&to, key.src, key.family == 4 ? 4 : 16);
	answer = fib_lookup(fib, &to);
	*iface = answer.iface;
	*hop = HOP_NONE;
	if (answer.result == FIB_HOP) {
		*hop = flow->hop[direction] = answer.hop;
		*iface = fib->hops[answer.hop].iface;
	} else if (answer.result != FIB_NEIGHBOUR) {
		return DROP_NO_ROUTE;
	}
	return DROP_NONE;
}

static inline void rewrite_l4(const struct packet *packet, const struct flow *flow, uint32_t ports)
{
	uint16_t delta = packet->direction ? (uint16_t)~flow->delta_l4 : flow->delta_l4;

	memcpy(packet->l4, &ports, sizeof(ports));
	if (packet->protocol == IPPROTO_UDP) {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)packet->l4;
		uint16_t checksum;

		if (udp->dgram_cksum == 0)
			return; // the sender made none (RFC 768)
		checksum = checksum_apply(udp->dgram_cksum, delta);
		udp->dgram_cksum = checksum ? checksum : 0xffff;
	} else {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)packet->l4;

		tcp->cksum = checksum_apply(tcp->cksum, delta);
	}
}

static inline void rewrite_ipv4(const struct packet *packet, const struct flow *flow)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet->l3;
	const unsigned other = !packet->direction;
	uint16_t delta = packet->direction ? (uint16_t)~flow->delta_l3 : flow->delta_l3;
	uint32_t sum = (uint32_t)(uint16_t)~ip->hdr_checksum + delta;

	if (unlikely(packet->flags & PACKET_NEW_ID)) {
		sum += (uint16_t)~ip->packet_id + (packet->ip_id & 0xffff);
		ip->packet_id = (uint16_t)packet->ip_id;
	}
	ip->src_addr = flow->v4[other].dst;
	ip->dst_addr = flow->v4[other].src;
	ip->time_to_live--;
	sum += (uint16_t)~rte_cpu_to_be_16(0x0100); // one less in the first byte of its word
	ip->hdr_checksum = (uint16_t)~checksum_fold(sum);
}

static inline void rewrite_ipv6(const struct packet *packet, const struct flow *flow)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)packet->l3;
	const unsigned other = !packet->direction;

	if (unlikely(packet->flags & PACKET_NEW_ID))
		memcpy(packet->l4 - 4, &packet->ip_id, sizeof(packet->ip_id));
	memcpy(ip->src_addr, flow->v6[other].dst, 16);
	memcpy(ip->dst_addr, flow->v6[other].src, 16);
	ip->hop_limits--;
}

// True when the packet is to go on; else it is marked.
static inline bool track(struct rewriter *rewriter, struct packet *packet, struct flow *flow)
{
	const uint8_t events = RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG;

	if (packet->protocol == IPPROTO_UDP) {
		if (unlikely(flow->state == FLOW_UDP_NEW && packet->direction))
			flow->state = FLOW_UDP;
		return true;
	}
	if (unlikely(packet->flags & PACKET_NO_L4))
		return true;
	if (packet->direction == 0 && (packet->tcp_flags & RTE_TCP_ACK_FLAG))
		flow->ack = rte_be_to_cpu_32(((const struct rte_tcp_hdr *)packet->l4)->recv_ack);
	if (likely(flow->state == FLOW_TCP_ESTABLISHED && !(packet->tcp_flags & events)))
		return true;
	if (flow_track_tcp(rewriter->opener->flows, flow, packet)) {
		open_delete(rewriter->opener, flow);
		packet->flow = NULL;
		packet->next = PACKET_FLOW;
		return false;
	}
	open_account(rewriter->opener, flow);
	if (flow->state == FLOW_TCP_RESET) {
		if (packet->direction == 0)
			rewrite_reset(rewriter, packet, DROP_NO_FLOW);
		else
			packet_drop(packet, DROP_NO_FLOW);
		return false;
	}
	return true;
}

static inline void rewrite_one(struct rewriter *rewriter, struct packet *packet)
{
	struct flow *flow = packet->flow;
	const unsigned d = packet->direction;
	struct endpoint_counters *counters = &rewriter->opener->counters[flow->endpoint];
	uint8_t ttl = packet->family == 4 ? ((const struct rte_ipv4_hdr *)packet->l3)->time_to_live
					  : ((const struct rte_ipv6_hdr *)packet->l3)->hop_limits;
	uint16_t outer = 0;
	uint16_t hop, iface;
	enum drop drop;

	flow->seen = rewriter->opener->flows->now;
	flow->packets++;
	if (unlikely(!track(rewriter, packet, flow)))
		return;
	drop = rewrite_hop(rewriter->opener->fib, flow, d, &hop, &iface);
	if (unlikely(drop != DROP_NONE)) {
		packet_drop(packet, drop);
		return;
	}
	if (unlikely(ttl <= 1)) {
		rewrite_time_exceeded(rewriter, packet);
		return;
	}
	if (flow->mode == MODE_DSR)
		outer = packet->family == 4 ? sizeof(struct rte_ipv4_hdr)
					    : sizeof(struct rte_ipv6_hdr);
	if (unlikely(packet->length + outer > rewriter->ifaces[iface].mtu) &&
		(packet->family == 6 ||
			(((const struct rte_ipv4_hdr *)packet->l3)->fragment_offset &
				RTE_BE16(RTE_IPV4_HDR_DF_FLAG)))) {
		rewrite_too_big(rewriter, packet, (uint16_t)(rewriter->ifaces[iface].mtu - outer));
		return;
	}
	counters->packets[d]++;
	counters->bytes[d] += packet->length;
	if (unlikely(outer)) {
		rewrite_tunnel(rewriter, packet, flow);
	} else {
		if (packet->family == 4)
			rewrite_ipv4(packet, flow);
		else
			rewrite_ipv6(packet, flow);
		if (likely(!(packet->flags & PACKET_NO_L4)))
			rewrite_l4(
				packet, flow, (uint32_t)flow->l4[!d].src << 16 | flow->l4[!d].dst);
	}
	packet->hop = hop;
	packet->next = likely(hop != HOP_NONE) ? PACKET_TRANSMIT : PACKET_ROUTE;
}

// The record found earlier in this burst may be another flow's by now.
static bool find_again(const struct rewriter *rewriter, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);

	packet->flow = flow_find(rewriter->opener->flows, &key, &packet->direction);
	if (!packet->flow)
		packet->next = PACKET_FLOW;
	return packet->flow != NULL;
}

uint32_t rewrite(struct rewriter *rewriter, struct packet *packets, unsigned n)
{
	uint32_t steps = 0;

	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &packets[i];

		if (likely(packet->next == PACKET_REWRITE) &&
			(likely(rewriter->opener->deleted == rewriter->deleted_before) ||
				find_again(rewriter, packet)))
			rewrite_one(rewriter, packet);
		steps |= PACKET_STEP(packet->next);
	}
	return steps;
}
