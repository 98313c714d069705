// SPDX-License-Identifier: BSD-3-Clause
// DSR: the client's packet goes to the endpoint as it is, in an outer header of the same family;
// the endpoint, which has the VIP on an interface of its own, answers the client itself.
#include "rewrite.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>

#include "checksum.h"

#define OUTER_TTL 64

static void encapsulate_ipv4(
	struct rewriter *rewriter, struct packet *packet, const struct flow *flow)
{
	struct rte_ipv4_hdr *inner = (struct rte_ipv4_hdr *)packet->l3;
	struct rte_ipv4_hdr *outer = inner - 1;

	inner->time_to_live--;
	inner->hdr_checksum =
		checksum_apply(inner->hdr_checksum, (uint16_t)~rte_cpu_to_be_16(0x0100));
	outer->version_ihl = RTE_IPV4_VHL_DEF;
	outer->type_of_service = inner->type_of_service;
	packet->length += sizeof(*outer);
	outer->total_length = rte_cpu_to_be_16(packet->length);
	// The inner packet's wish not to be fragmented is the outer's (RFC 2003 section 3.1).
	outer->fragment_offset = inner->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	outer->packet_id = outer->fragment_offset ? 0 : rte_cpu_to_be_16(rewriter->ip_id++);
	outer->time_to_live = OUTER_TTL;
	outer->next_proto_id = IPPROTO_IPIP;
	outer->src_addr = flow->v4[1].dst;
	outer->dst_addr = flow->v4[1].src;
	packet->l3 = (uint8_t *)outer;
	packet->l4 = (uint8_t *)inner;
	packet->flags |= PACKET_IP_CHECKSUM;
}

static void encapsulate_ipv6(struct packet *packet, const struct flow *flow)
{
	struct rte_ipv6_hdr *inner = (struct rte_ipv6_hdr *)packet->l3;
	struct rte_ipv6_hdr *outer = inner - 1;

	inner->hop_limits--;
	outer->vtc_flow = inner->vtc_flow;
	outer->payload_len = rte_cpu_to_be_16(packet->length);
	packet->length += sizeof(*outer);
	outer->proto = IPPROTO_IPV6;
	outer->hop_limits = OUTER_TTL;
	memcpy(outer->src_addr, flow->v6[1].dst, 16);
	memcpy(outer->dst_addr, flow->v6[1].src, 16);
	packet->l3 = (uint8_t *)outer;
	packet->l4 = (uint8_t *)inner;
}

// The headroom of every buffer (RTE_PKTMBUF_HEADROOM) is larger than two outer headers and a tag.
void rewrite_tunnel(struct rewriter *rewriter, struct packet *packet, const struct flow *flow)
{
	uint16_t outer =
		packet->family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);

	if (!rte_pktmbuf_prepend(packet->mbuf, outer)) {
		packet_drop(packet, DROP_NO_BUFFER);
		return;
	}
	if (packet->family == 4)
		encapsulate_ipv4(rewriter, packet, flow);
	else
		encapsulate_ipv6(packet, flow);
	packet->protocol = packet->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	packet->flags &= (uint8_t) ~(PACKET_NO_L4 | PACKET_IS_FRAGMENT | PACKET_NEW_ID);
}
