// SPDX-License-Identifier: BSD-3-Clause
// See classify.h. The common packet (no tag, no options, no fragment, TCP or UDP) runs straight
// through parse_ipv4 or parse_ipv6 and parse_l4; everything rare is in functions of its own.
#include "classify.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"

#define EXTENSION_HEADERS_MAX 8
#define PREFETCH_AHEAD        8 // frames

static void parse_icmp(struct packet *packet, unsigned left)
{
	uint8_t type;

	if (left < 8) {
		packet_drop(packet, DROP_L4_TRUNCATED);
		return;
	}
	type = packet->l4[0];
	packet->next = PACKET_HOST;
	if (packet->protocol == IPPROTO_ICMP) {
		if (type == RTE_IP_ICMP_ECHO_REQUEST)
			packet->next = PACKET_ECHO;
		else if (type == 3 || type == 4 || type == 11 || type == 12)
			packet->next = PACKET_ICMP_ERROR;
	} else {
		if (type == 128)
			packet->next = PACKET_ECHO;
		else if (type >= 1 && type <= 4)
			packet->next = PACKET_ICMP_ERROR;
		else if (type == 135)
			packet->next = PACKET_NEIGHBOUR;
	}
}

// No flag that opens, closes or acknowledges; or two that contradict each other.
static bool tcp_flags_impossible(uint8_t flags)
{
	if (!(flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG)))
		return true;
	if ((flags & RTE_TCP_SYN_FLAG) && (flags & (RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG)))
		return true;
	return (flags & (RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_FIN_FLAG;
}

// `left`: bytes from l4 to the end of the IP packet (of the fragment, for a first fragment).
static inline void parse_l4(struct packet *packet, unsigned left)
{
	if (likely(packet->protocol == IPPROTO_UDP)) {
		const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)packet->l4;
		unsigned length;

		if (unlikely(left < sizeof(*udp))) {
			packet_drop(packet, DROP_L4_TRUNCATED);
			return;
		}
		length = rte_be_to_cpu_16(udp->dgram_len);
		if (unlikely(length < sizeof(*udp) ||
			     (length > left && !(packet->flags & PACKET_IS_FRAGMENT)))) {
			packet_drop(packet, DROP_L4_LENGTH);
			return;
		}
	} else if (packet->protocol == IPPROTO_TCP) {
		const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)packet->l4;
		unsigned length;

		if (unlikely(left < sizeof(*tcp))) {
			packet_drop(packet, DROP_L4_TRUNCATED);
			return;
		}
		length = (tcp->data_off >> 4) * 4;
		if (unlikely(length < sizeof(*tcp) || length > left)) {
			packet_drop(packet, DROP_TCP_OFFSET);
			return;
		}
		packet->tcp_flags = tcp->tcp_flags;
		if (unlikely(tcp_flags_impossible(tcp->tcp_flags))) {
			packet_drop(packet, DROP_TCP_FLAGS);
			return;
		}
	} else if (packet->protocol == IPPROTO_ICMP && packet->family == 4) {
		parse_icmp(packet, left);
		return;
	} else if (packet->protocol == IPPROTO_ICMPV6 && packet->family == 6) {
		parse_icmp(packet, left);
		return;
	} else {
		packet->next = PACKET_HOST;
		return;
	}
	memcpy(&packet->ports, packet->l4, sizeof(packet->ports));
	packet->next = PACKET_FLOW;
}

// The options of RFC 791; source routing is refused, as any router of today does.
static bool ipv4_options_valid(const uint8_t *option, const uint8_t *end)
{
	while (option < end) {
		if (option[0] == 0)
			return true;
		if (option[0] == 1) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return false;
		if (option[0] == 131 || option[0] == 137)
			return false;
		option += option[1];
	}
	return true;
}

// A fragment's own parts: `offset` and `size` in bytes. Of protocols without ports the kernel takes
// care; for ICMP, `ports` says whether the message is an echo request.
static void parse_fragment(struct packet *packet, unsigned offset, unsigned size, bool more)
{
	uint8_t icmp = packet->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	packet->flags |= PACKET_IS_FRAGMENT;
	if (size == 0 || offset + size > 65535 || (more && size % 8 != 0)) {
		packet_drop(packet, DROP_FRAGMENT_INVALID);
		return;
	}
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP &&
		packet->protocol != icmp) {
		packet->next = PACKET_HOST;
		return;
	}
	if (offset != 0) {
		packet->flags |= PACKET_NO_L4;
		packet->next = PACKET_FRAGMENT;
		return;
	}
	// The whole of the first header must be in the first fragment (RFC 1858, RFC 7112).
	parse_l4(packet, size);
	if (packet->next == PACKET_DROP)
		return;
	if (packet->protocol == icmp)
		packet->ports = packet->next == PACKET_ECHO;
	packet->next = PACKET_FRAGMENT;
}

static inline void parse_ipv4(struct packet *packet, struct rte_mbuf *mbuf, unsigned left)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet->l3;
	unsigned header, total, fragment;

	packet->family = 4;
	if (unlikely(left < sizeof(*ip))) {
		packet_drop(packet, DROP_IP_TRUNCATED);
		return;
	}
	if (unlikely(ip->version_ihl >> 4 != 4)) {
		packet_drop(packet, DROP_IP_VERSION);
		return;
	}
	header = (ip->version_ihl & 15u) * 4;
	total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely(header < sizeof(*ip) || header > left)) {
		packet_drop(packet, DROP_IP_HEADER_LENGTH);
		return;
	}
	if (unlikely(total < header || total > left)) {
		packet_drop(packet, DROP_IP_TOTAL_LENGTH);
		return;
	}
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
		unlikely(checksum_fold(checksum_words(ip, header)) != 0xffff)) {
		packet_drop(packet, DROP_IP_CHECKSUM);
		return;
	}
	if (unlikely(total < left))
		mbuf->pkt_len = mbuf->data_len =
			(uint16_t)(packet->l3 - rte_pktmbuf_mtod(mbuf, uint8_t *) + total);
	packet->length = (uint16_t)total;
	packet->protocol = ip->next_proto_id;
	packet->l4 = packet->l3 + header;
	if (unlikely(header > sizeof(*ip) && !ipv4_options_valid(packet->l3 + 20, packet->l4))) {
		packet_drop(packet, DROP_IP_OPTIONS);
		return;
	}
	if (unlikely(ip->src_addr == ip->dst_addr)) {
		packet_drop(packet, DROP_IP_LAND);
		return;
	}
	if (unlikely((rte_be_to_cpu_32(ip->dst_addr) & 0xf0000000) == 0xe0000000 ||
		     ip->dst_addr == UINT32_MAX)) {
		packet->next = PACKET_HOST;
		return;
	}
	fragment = rte_be_to_cpu_16(ip->fragment_offset);
	if (unlikely(fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))) {
		parse_fragment(packet, (fragment & RTE_IPV4_HDR_OFFSET_MASK) * 8, total - header,
			fragment & RTE_IPV4_HDR_MF_FLAG);
		return;
	}
	parse_l4(packet, total - header);
}

// From the first header behind the fixed one to the upper layer. `end` is the end of the packet.
static void parse_extensions(struct packet *packet, uint8_t next, const uint8_t *end)
{
	for (unsigned i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		unsigned left = (unsigned)(end - packet->l4);
		unsigned length;

		packet->protocol = next;
		switch (next) {
		case IPPROTO_HOPOPTS:
			if (i != 0)
				goto malformed;
			break;
		case IPPROTO_DSTOPTS:
			break;
		case IPPROTO_ROUTING: // type 0 is forbidden (RFC 5095); none is of use here
			if (left < 8 || packet->l4[3] != 0)
				goto malformed;
			break;
		case IPPROTO_FRAGMENT: {
			unsigned field;

			if (left < 8)
				goto malformed;
			field = (unsigned)packet->l4[2] << 8 | packet->l4[3];
			packet->protocol = packet->l4[0];
			packet->l4 += 8;
			// What is behind the fragment header must be the upper layer (RFC 7112).
			parse_fragment(packet, field & ~7u, left - 8, field & 1);
			return;
		}
		case IPPROTO_NONE:
			packet->next = PACKET_HOST;
			return;
		default:
			parse_l4(packet, left);
			return;
		}
		if (left < 8)
			goto malformed;
		length = (packet->l4[1] + 1u) * 8;
		if (length > left)
			goto malformed;
		next = packet->l4[0];
		packet->l4 += length;
	}
malformed:
	packet_drop(packet, DROP_IP_EXTENSION);
}

// Loopback, unspecified (but as the source of duplicate address detection) and IPv4-mapped
// addresses have no place on a wire (RFC 4291 section 2.5; mapped ones would be taken for the IPv4
// address in tables that know both). Only called when one of them begins with eight zero bytes.
static bool ipv6_addresses_impossible(const struct rte_ipv6_hdr *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zero[15];

	if (memcmp(ip->src_addr, mapped, 12) == 0 || memcmp(ip->dst_addr, mapped, 12) == 0)
		return true;
	return (memcmp(ip->src_addr, zero, 15) == 0 && ip->src_addr[15] == 1) ||
	       (memcmp(ip->dst_addr, zero, 15) == 0 && ip->dst_addr[15] <= 1);
}

static inline bool eight_zero_bytes(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word == 0;
}

static inline void parse_ipv6(struct packet *packet, struct rte_mbuf *mbuf, unsigned left)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet->l3;
	unsigned total;

	packet->family = 6;
	if (unlikely(left < sizeof(*ip))) {
		packet_drop(packet, DROP_IP_TRUNCATED);
		return;
	}
	if (unlikely(packet->l3[0] >> 4 != 6)) {
		packet_drop(packet, DROP_IP_VERSION);
		return;
	}
	total = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (unlikely(total > left || (total == sizeof(*ip) && ip->proto != IPPROTO_NONE))) {
		packet_drop(packet, DROP_IP_TOTAL_LENGTH);
		return;
	}
	if (unlikely(total < left))
		mbuf->pkt_len = mbuf->data_len =
			(uint16_t)(packet->l3 - rte_pktmbuf_mtod(mbuf, uint8_t *) + total);
	packet->length = (uint16_t)total;
	packet->protocol = ip->proto;
	packet->l4 = packet->l3 + sizeof(*ip);
	if (unlikely(memcmp(ip->src_addr, ip->dst_addr, 16) == 0)) {
		packet_drop(packet, DROP_IP_LAND);
		return;
	}
	if (unlikely(eight_zero_bytes(ip->src_addr) || eight_zero_bytes(ip->dst_addr)) &&
		ipv6_addresses_impossible(ip)) {
		packet_drop(packet, DROP_IP_SOURCE);
		return;
	}
	if (likely(ip->proto == IPPROTO_UDP || ip->proto == IPPROTO_TCP) &&
		ip->dst_addr[0] != 0xff) {
		parse_l4(packet, total - sizeof(*ip));
		return;
	}
	parse_extensions(packet, ip->proto, packet->l3 + total);
	// Multicast is the kernel's, but for solicitations, which may be for a VIP.
	if (ip->dst_addr[0] == 0xff && packet->next != PACKET_DROP &&
		packet->next != PACKET_NEIGHBOUR)
		packet->next = PACKET_HOST;
}

static inline void parse_ethernet(struct packet *packet, struct rte_mbuf *mbuf, uint16_t type)
{
	unsigned left = rte_pktmbuf_data_len(mbuf) - RTE_ETHER_HDR_LEN;

	packet->l3 = rte_pktmbuf_mtod(mbuf, uint8_t *) + RTE_ETHER_HDR_LEN;
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		parse_ipv4(packet, mbuf, left);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		parse_ipv6(packet, mbuf, left);
	else
		packet->next =
			type == RTE_BE16(RTE_ETHER_TYPE_ARP) ? PACKET_NEIGHBOUR : PACKET_HOST;
}

static inline void packet_init(struct packet *packet, struct rte_mbuf *mbuf)
{
	packet->mbuf = mbuf;
	packet->flow = NULL;
	packet->ports = 0;
	packet->hop = 0;
	packet->flags = 0;
	packet->tcp_flags = 0;
	packet->family = 0;
	packet->protocol = 0;
	packet->length = 0;
}

void classify_frame(struct packet *packet, struct rte_mbuf *mbuf, uint16_t iface)
{
	packet_init(packet, mbuf);
	packet->iface = iface;
	if (rte_pktmbuf_data_len(mbuf) < RTE_ETHER_HDR_LEN)
		packet_drop(packet, DROP_L2_TRUNCATED);
	else
		parse_ethernet(
			packet, mbuf, rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type);
}

// Which interface the frame is for; its tag, when it is in the frame, comes out.
static uint8_t iface_of_tagged(const struct classify_port *port, struct rte_mbuf *mbuf)
{
	unsigned vlan = 0;

	if (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		vlan = mbuf->vlan_tci & 0xfff;
	} else if (rte_vlan_strip(mbuf) == 0) {
		vlan = mbuf->vlan_tci & 0xfff;
	}
	mbuf->ol_flags &= ~(RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	return port->iface_of_vlan[vlan]; // a tag of zero only carries a priority (IEEE 802.1Q)
}

static inline void classify_one(
	const struct classify_port *port, struct rte_mbuf *mbuf, struct packet *packet)
{
	const struct rte_ether_hdr *ethernet;
	uint8_t iface = port->iface_of_vlan[0];

	packet_init(packet, mbuf);
	if (unlikely(rte_pktmbuf_data_len(mbuf) < RTE_ETHER_HDR_LEN)) {
		packet->iface = 0;
		packet_drop(packet, DROP_L2_TRUNCATED);
		return;
	}
	ethernet = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	if (unlikely(ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
		     (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))) {
		if (rte_pktmbuf_data_len(mbuf) < RTE_ETHER_HDR_LEN + 4) {
			packet->iface = 0;
			packet_drop(packet, DROP_L2_TRUNCATED);
			return;
		}
		iface = iface_of_tagged(port, mbuf);
		ethernet = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	}
	packet->iface = iface;
	if (unlikely(iface == CLASSIFY_NO_IFACE)) {
		packet->iface = 0;
		packet_drop(packet, DROP_L2_VLAN_UNKNOWN);
		return;
	}
	if (unlikely(!rte_is_same_ether_addr(&ethernet->dst_addr, &port->ifaces[iface].mac) &&
		     !rte_is_multicast_ether_addr(&ethernet->dst_addr))) {
		packet_drop(packet, DROP_L2_ADDRESS);
		return;
	}
	parse_ethernet(packet, mbuf, ethernet->ether_type);
	// A unicast packet in a broadcast frame is not ours to balance (RFC 1122 section 3.3.6).
	if (unlikely(rte_is_multicast_ether_addr(&ethernet->dst_addr) &&
		     packet->next != PACKET_DROP && packet->next != PACKET_NEIGHBOUR))
		packet->next = PACKET_HOST;
}

// For writing: nearly every frame is rewritten, and fetching its line twice from another core's
// cache, first to read and then to own it, costs more than parsing it.
static inline void prefetch_frame(struct rte_mbuf *mbuf)
{
	__asm__ volatile("prefetchw (%0)" : : "r"(rte_pktmbuf_mtod(mbuf, const void *)));
}

uint32_t classify(const struct classify_port *port, struct rte_mbuf **mbufs, struct packet *packets,
	unsigned n)
{
	uint32_t steps = 0;

	for (unsigned i = 0; i < n && i < PREFETCH_AHEAD; i++)
		prefetch_frame(mbufs[i]);
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			prefetch_frame(mbufs[i + PREFETCH_AHEAD]);
		classify_one(port, mbufs[i], &packets[i]);
		steps |= PACKET_STEP(packets[i].next);
	}
	return steps;
}
