// SPDX-License-Identifier: BSD-3-Clause
// ARP and neighbour discovery, as far as a generator with two addresses needs them; see
// neighbour.h.
#include "neighbour.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>

enum {
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_L4 = 54,
	ND_LENGTH = 32
};

static bool is_peer(const struct net *net, const uint8_t *address, unsigned size)
{
	return memcmp(address, net->peer[0], size) == 0 || memcmp(address, net->peer[1], size) == 0;
}

static void finish_icmp6(uint8_t *frame)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + 14);

	frame_store16(frame + ND_L4 + 2, 0);
	frame_store16(frame + ND_L4 + 2, rte_ipv6_udptcp_cksum(ip, frame + ND_L4));
}

static void fill_ip6(uint8_t *frame, const uint8_t *source, const uint8_t *destination)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + 14);

	frame_store16(frame + 12, RTE_BE16(RTE_ETHER_TYPE_IPV6));
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = RTE_BE16(ND_LENGTH),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = 255,
	};
	memcpy(ip->src_addr, source, 16);
	memcpy(ip->dst_addr, destination, 16);
}

static uint16_t answer_arp(uint8_t *frame, uint16_t length, const struct net *net)
{
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(frame + 14);
	uint32_t asked;

	if (length < 42 || arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) ||
		!is_peer(net, (const uint8_t *)&arp->arp_data.arp_tip, 4))
		return 0;
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, &net->ours, 6);
	asked = arp->arp_data.arp_tip;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	arp->arp_data.arp_sha = net->ours;
	arp->arp_data.arp_sip = asked;
	return 42;
}

static uint16_t answer_nd(uint8_t *frame, uint16_t length, const struct net *net)
{
	uint8_t target[16], asker[16];

	if (length < ND_L4 + 24 || frame[20] != IPPROTO_ICMPV6 || frame[ND_L4] != ND_SOLICIT ||
		!is_peer(net, frame + ND_L4 + 8, 16))
		return 0;
	memcpy(target, frame + ND_L4 + 8, 16);
	memcpy(asker, frame + 22, 16);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, &net->ours, 6);
	fill_ip6(frame, target, asker);
	memset(frame + ND_L4, 0, ND_LENGTH);
	frame[ND_L4] = ND_ADVERT;
	frame[ND_L4 + 4] = 0x60; // solicited, override
	memcpy(frame + ND_L4 + 8, target, 16);
	frame[ND_L4 + 24] = 2; // target's link-layer address
	frame[ND_L4 + 25] = 1;
	memcpy(frame + ND_L4 + 26, &net->ours, 6);
	finish_icmp6(frame);
	return ND_L4 + ND_LENGTH;
}

uint16_t frame_answer_neighbour(uint8_t *frame, uint16_t length, const struct net *net)
{
	uint16_t type = frame_load16(frame + 12);

	if (net->family == 4)
		return type == RTE_BE16(RTE_ETHER_TYPE_ARP) ? answer_arp(frame, length, net) : 0;
	return type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? answer_nd(frame, length, net) : 0;
}

uint16_t frame_ask_neighbour(uint8_t *frame, const struct net *net)
{
	static const uint8_t solicited[16] = {0xff, 2, [11] = 1, [12] = 0xff};
	uint8_t group[16];

	memset(frame, 0xff, 6);
	memcpy(frame + 6, &net->ours, 6);
	if (net->family == 4) {
		struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(frame + 14);

		frame_store16(frame + 12, RTE_BE16(RTE_ETHER_TYPE_ARP));
		*arp = (struct rte_arp_hdr){
			.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
			.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = 6,
			.arp_plen = 4,
			.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
			.arp_data.arp_sha = net->ours,
		};
		memcpy(&arp->arp_data.arp_sip, net->peer[0], 4);
		memcpy(&arp->arp_data.arp_tip, net->vip, 4);
		return 42;
	}
	memcpy(group, solicited, 16);
	memcpy(group + 13, net->vip + 13, 3);
	frame_store16(frame, RTE_BE16(0x3333));
	memcpy(frame + 2, group + 12, 4);
	fill_ip6(frame, net->peer[0], group);
	memset(frame + ND_L4, 0, ND_LENGTH);
	frame[ND_L4] = ND_SOLICIT;
	memcpy(frame + ND_L4 + 8, net->vip, 16);
	frame[ND_L4 + 24] = 1; // sender's link-layer address
	frame[ND_L4 + 25] = 1;
	memcpy(frame + ND_L4 + 26, &net->ours, 6);
	finish_icmp6(frame);
	return ND_L4 + ND_LENGTH;
}

bool frame_learn_neighbour(const uint8_t *frame, uint16_t length, struct net *net)
{
	if (net->family == 4) {
		const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(frame + 14);

		if (length < 42 || frame_load16(frame + 12) != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
			arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY) ||
			memcmp(&arp->arp_data.arp_sip, net->vip, 4) != 0)
			return false;
		net->box = arp->arp_data.arp_sha;
		return true;
	}
	if (length < ND_L4 + ND_LENGTH ||
		frame_load16(frame + 12) != RTE_BE16(RTE_ETHER_TYPE_IPV6) ||
		frame[20] != IPPROTO_ICMPV6 || frame[ND_L4] != ND_ADVERT ||
		frame[ND_L4 + 24] != 2 || memcmp(frame + ND_L4 + 8, net->vip, 16) != 0)
		return false;
	memcpy(&net->box, frame + ND_L4 + 26, 6);
	return true;
}
