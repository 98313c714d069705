// SPDX-License-Identifier: BSD-3-Clause
// ARP and neighbour discovery for VIPs. The kernel answers for the appliance's own addresses; a VIP
// is no address of the kernel's, so its questions are answered here, in place.
//
// Pure functions on bytes, called by workers. Input is hostile: nothing is read before its length
// was checked, and what is not exactly a question for an owned VIP is left as it came.
#include "host.h"

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <string.h>

#define ICMP6_NS           135
#define ICMP6_NA           136
#define OPTION_SOURCE_LINK 1
#define OPTION_TARGET_LINK 2
#define NA_SOLICITED       0x40000000
#define NA_OVERRIDE        0x20000000
#define TX_OFFLOADS        RTE_MBUF_F_TX_OFFLOAD_MASK

struct nd_message { // neighbour solicitation and advertisement, RFC 4861 sections 4.3 and 4.4
	uint8_t type, code;
	rte_be16_t checksum;
	rte_be32_t flags;
	uint8_t target[16];
} __attribute__((packed));

struct nd_link_option {
	uint8_t type, length;
	struct rte_ether_addr mac;
} __attribute__((packed, aligned(2)));

#define NA_LENGTH (sizeof(struct nd_message) + sizeof(struct nd_link_option))

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
static const struct rte_ether_addr all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};
static const struct rte_ether_addr broadcast_mac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static bool is_ours(
	const struct tables *tables, const struct iface *iface, const struct addr *address)
{
	const struct vip *vip = tables ? tables_vip(tables, address) : NULL;

	return vip && vip->owned && iface->index < 64 && (vip->ifaces >> iface->index & 1);
}

// From a neighbour, to us or to a group: not what a promiscuous port overheard, nor our own.
static bool is_for_us(const struct iface *iface, const struct rte_ether_hdr *ether)
{
	return (rte_is_multicast_ether_addr(&ether->dst_addr) ||
		       rte_is_same_ether_addr(&ether->dst_addr, &iface->mac)) &&
	       rte_is_unicast_ether_addr(&ether->src_addr) &&
	       !rte_is_same_ether_addr(&ether->src_addr, &iface->mac);
}

static void set_ether(struct rte_mbuf *mbuf, const struct iface *iface,
	const struct rte_ether_addr *to, uint16_t type)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);

	ether->dst_addr = *to;
	ether->src_addr = iface->mac;
	ether->ether_type = rte_cpu_to_be_16(type);
	mbuf->ol_flags &= ~TX_OFFLOADS;
}

static void set_arp(struct rte_arp_hdr *arp, uint16_t opcode)
{
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(rte_be32_t);
	arp->arp_opcode = rte_cpu_to_be_16(opcode);
}

// A request, or a probe (RFC 5227: the sender's address is zero), becomes a reply. One whose sender
// has the VIP itself is an announcement of somebody else's: nothing to answer.
static bool answer_arp(
	const struct tables *tables, const struct iface *iface, struct rte_mbuf *mbuf, uint16_t l3)
{
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(mbuf, struct rte_arp_hdr *, l3);
	struct rte_ether_addr asker;
	struct addr target;
	rte_be32_t asker_ip, target_ip;

	if (mbuf->data_len < l3 + sizeof(*arp) ||
		arp->arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
		arp->arp_protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
		arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(rte_be32_t) ||
		arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST))
		return false;
	asker = arp->arp_data.arp_sha;
	asker_ip = arp->arp_data.arp_sip;
	target_ip = arp->arp_data.arp_tip;
	target = addr_from_v4(target_ip);
	if (asker_ip == target_ip || !rte_is_unicast_ether_addr(&asker) ||
		rte_is_zero_ether_addr(&asker) || rte_is_same_ether_addr(&asker, &iface->mac) ||
		!is_ours(tables, iface, &target))
		return false;
	arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	arp->arp_data = (struct rte_arp_ipv4){
		.arp_sha = iface->mac, .arp_sip = target_ip, .arp_tha = asker, .arp_tip = asker_ip};
	set_ether(mbuf, iface, &asker, RTE_ETHER_TYPE_ARP);
	rte_pktmbuf_trim(mbuf, (uint16_t)(rte_pktmbuf_pkt_len(mbuf) - l3 - sizeof(*arp)));
	return true;
}

// Goes over the options of a solicitation. False when they are malformed; *link is set to the
// source link-layer address when there is one.
static bool read_options(const uint8_t *option, size_t left, const struct rte_ether_addr **link)
{
	*link = NULL;
	while (left) {
		size_t length;

		if (left < 2)
			return false;
		length = (size_t)option[1] * 8;
		if (length == 0 || length > left)
			return false;
		if (option[0] == OPTION_SOURCE_LINK && length == sizeof(struct nd_link_option))
			*link = &((const struct nd_link_option *)option)->mac;
		option += length;
		left -= length;
	}
	return true;
}

static bool is_solicited_node(const uint8_t *group, const uint8_t *target)
{
	static const uint8_t head[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	return memcmp(group, head, 13) == 0 && memcmp(group + 13, target + 13, 3) == 0;
}

static bool is_unspecified(const uint8_t *address)
{
	static const uint8_t zero[16];

	return memcmp(address, zero, 16) == 0;
}

static void write_na(struct rte_ipv6_hdr *ip, const uint8_t *to, const uint8_t *target,
	const struct rte_ether_addr *mac, uint32_t flags)
{
	struct nd_message *nd = (struct nd_message *)(ip + 1);
	struct nd_link_option *option = (struct nd_link_option *)(nd + 1);
	uint8_t address[16];

	memcpy(address, target, 16); // may stand where it is written over
	memmove(ip->dst_addr, to, 16);
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
	ip->payload_len = rte_cpu_to_be_16(NA_LENGTH);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = 255;
	memcpy(ip->src_addr, address, 16);
	*nd = (struct nd_message){.type = ICMP6_NA, .flags = rte_cpu_to_be_32(flags)};
	memcpy(nd->target, address, 16);
	*option = (struct nd_link_option){
		.type = OPTION_TARGET_LINK, .length = sizeof(*option) / 8, .mac = *mac};
	nd->checksum = rte_ipv6_udptcp_cksum(ip, nd);
}

static bool is_intact(const struct rte_ipv6_hdr *ip, size_t payload)
{
	uint32_t sum = rte_ipv6_phdr_cksum(ip, 0);

	sum += rte_raw_cksum(ip + 1, payload);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

// The validity checks of RFC 4861 section 7.1.1, and that it is a question we answer.
static bool is_solicitation(
	const struct rte_ipv6_hdr *ip, size_t length, const struct rte_ether_addr **link)
{
	const struct nd_message *nd = (const struct nd_message *)(ip + 1);
	size_t payload;

	if (length < sizeof(*ip) + sizeof(*nd) || (rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6 ||
		ip->hop_limits != 255 || ip->proto != IPPROTO_ICMPV6)
		return false;
	payload = rte_be_to_cpu_16(ip->payload_len);
	if (payload < sizeof(*nd) || payload > length - sizeof(*ip) || nd->type != ICMP6_NS ||
		nd->code != 0 || nd->target[0] == 0xff || ip->src_addr[0] == 0xff ||
		!read_options((const uint8_t *)(nd + 1), payload - sizeof(*nd), link))
		return false;
	if (is_unspecified(ip->src_addr)) {
		if (*link || !is_solicited_node(ip->dst_addr, nd->target))
			return false;
	} else if (memcmp(ip->src_addr, nd->target, 16) == 0 ||
		   (!is_solicited_node(ip->dst_addr, nd->target) &&
			   memcmp(ip->dst_addr, nd->target, 16) != 0)) {
		return false;
	}
	return is_intact(ip, payload);
}

static bool answer_nd(
	const struct tables *tables, const struct iface *iface, struct rte_mbuf *mbuf, uint16_t l3)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, l3);
	const struct nd_message *nd = (const struct nd_message *)(ip + 1);
	const struct rte_ether_addr *link;
	struct rte_ether_addr to_mac;
	int grow = (int)(l3 + sizeof(*ip) + NA_LENGTH) - (int)mbuf->data_len;
	struct addr target;
	bool probe;

	if (!is_solicitation(ip, mbuf->data_len - l3, &link) ||
		addr_from_bytes(&target, nd->target, 16) || !is_ours(tables, iface, &target))
		return false;
	if (grow > 0 && !rte_pktmbuf_append(mbuf, (uint16_t)grow))
		return false;
	if (grow < 0)
		rte_pktmbuf_trim(mbuf, (uint16_t)-grow);
	probe = is_unspecified(ip->src_addr); // duplicate address detection: everybody shall know
	to_mac = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->src_addr;
	if (link && rte_is_unicast_ether_addr(link) && !rte_is_zero_ether_addr(link))
		to_mac = *link;
	write_na(ip, probe ? all_nodes : ip->src_addr, target.byte, &iface->mac,
		probe ? NA_OVERRIDE : NA_OVERRIDE | NA_SOLICITED);
	set_ether(mbuf, iface, probe ? &all_nodes_mac : &to_mac, RTE_ETHER_TYPE_IPV6);
	return true;
}

bool host_answer(
	const struct tables *tables, const struct iface *iface, struct rte_mbuf *mbuf, uint16_t l3)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);

	// One segment: nobody splits frames as short as these.
	if (mbuf->nb_segs != 1 || l3 < sizeof(*ether) || mbuf->data_len <= l3 ||
		!is_for_us(iface, ether))
		return false;
	if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
		return answer_arp(tables, iface, mbuf, l3);
	if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6))
		return answer_nd(tables, iface, mbuf, l3);
	return false;
}

void host_announce(const struct iface *iface, const struct addr *vip, struct rte_mbuf *mbuf)
{
	const size_t l3 = sizeof(struct rte_ether_hdr);
	bool v4 = addr_is_v4(vip);
	size_t length =
		l3 + (v4 ? sizeof(struct rte_arp_hdr) : sizeof(struct rte_ipv6_hdr) + NA_LENGTH);

	if (!rte_pktmbuf_append(mbuf, (uint16_t)length))
		return;
	if (v4) {
		struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(mbuf, struct rte_arp_hdr *, l3);

		set_arp(arp, RTE_ARP_OP_REQUEST);
		arp->arp_data = (struct rte_arp_ipv4){
			.arp_sha = iface->mac, .arp_sip = addr_v4(vip), .arp_tip = addr_v4(vip)};
		set_ether(mbuf, iface, &broadcast_mac, RTE_ETHER_TYPE_ARP);
		return;
	}
	write_na(rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, l3), all_nodes, vip->byte,
		&iface->mac, NA_OVERRIDE);
	set_ether(mbuf, iface, &all_nodes_mac, RTE_ETHER_TYPE_IPV6);
}
