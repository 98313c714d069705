// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors about packets that we translated. The message quotes the packet as we sent it;
// whoever sent it to us must see it quoted as he sent it. So the flow is found by the quoted tuple
// turned round, as if its receiver had answered, and the other direction's tuple is written into
// the quote. And echo requests for a VIP, which become their replies.
#include "rewrite.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "flow_stage.h"

#define ECHO_TTL 64

struct quote {
	uint8_t *l3, *l4;
	unsigned l4_length; // bytes of l4 that are quoted
	uint8_t protocol;
};

// Reads the quoted header: hostile, as far as `end`.
static bool quote_parse(struct quote *quote, uint8_t *l3, const uint8_t *end, uint8_t family)
{
	unsigned left = (unsigned)(end - l3);

	quote->l3 = l3;
	if (family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
		unsigned header;

		if (left < sizeof(*ip) || ip->version_ihl >> 4 != 4)
			return false;
		header = (ip->version_ihl & 15u) * 4;
		if (header < sizeof(*ip) || left < header + 8 ||
			(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
			return false;
		quote->protocol = ip->next_proto_id;
		quote->l4 = l3 + header;
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;

		if (left < sizeof(*ip) + 8 || l3[0] >> 4 != 6)
			return false;
		quote->protocol = ip->proto;
		quote->l4 = l3 + sizeof(*ip);
		if (ip->proto == IPPROTO_FRAGMENT) { // only of a first fragment is anything known
			if (left < sizeof(*ip) + 16 || (quote->l4[2] | (quote->l4[3] & 0xf8)))
				return false;
			quote->protocol = quote->l4[0];
			quote->l4 += 8;
		}
	}
	quote->l4_length = (unsigned)(end - quote->l4);
	return true;
}

// The tuple of the quoted packet, as sent or turned round.
static struct flow_key quote_key(const struct quote *quote, uint8_t family, bool turned)
{
	const uint8_t *src = quote->l3 + (family == 4 ? offsetof(struct rte_ipv4_hdr, src_addr)
						      : offsetof(struct rte_ipv6_hdr, src_addr));
	const uint8_t *dst = src + (family == 4 ? 4 : 16);
	struct flow_key key = {turned ? dst : src, turned ? src : dst, 0, quote->protocol, family};

	memcpy(&key.ports, quote->l4, sizeof(key.ports));
	if (turned)
		key.ports = key.ports << 16 | key.ports >> 16;
	return key;
}

// The sum of the message, with ICMPv6's pseudo header (RFC 8200 section 8.1); extension headers do
// not count in it.
static uint16_t icmp_sum(const struct packet *packet)
{
	unsigned size = (unsigned)(packet->l3 + packet->length - packet->l4);
	uint64_t sum = rte_raw_cksum(packet->l4, size);

	if (packet->family == 6) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet->l3;

		sum += checksum_words(ip->src_addr, 32) + rte_cpu_to_be_16((uint16_t)size) +
		       RTE_BE16(IPPROTO_ICMPV6);
	}
	return checksum_fold(sum);
}

static void write_addresses(uint8_t *l3, uint8_t family, const uint8_t *src, const uint8_t *dst)
{
	if (family == 4) {
		memcpy(l3 + offsetof(struct rte_ipv4_hdr, src_addr), src, 4);
		memcpy(l3 + offsetof(struct rte_ipv4_hdr, dst_addr), dst, 4);
	} else {
		memcpy(l3 + offsetof(struct rte_ipv6_hdr, src_addr), src, 16);
		memcpy(l3 + offsetof(struct rte_ipv6_hdr, dst_addr), dst, 16);
	}
}

static void finish(struct packet *packet)
{
	uint16_t checksum = 0;

	if (packet->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet->l3;

		ip->time_to_live--;
		ip->total_length = rte_cpu_to_be_16(packet->length);
		packet->flags |= PACKET_IP_CHECKSUM;
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)packet->l3;

		ip->hop_limits--;
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(packet->length - sizeof(*ip)));
	}
	memcpy(packet->l4 + 2, &checksum, 2);
	checksum = (uint16_t)~icmp_sum(packet);
	memcpy(packet->l4 + 2, &checksum, 2);
	packet->next = PACKET_ROUTE;
}

static void quote_checksum(const struct quote *quote, uint16_t delta)
{
	unsigned at = quote->protocol == IPPROTO_UDP ? offsetof(struct rte_udp_hdr, dgram_cksum)
						     : offsetof(struct rte_tcp_hdr, cksum);
	uint16_t checksum;

	if (quote->l4_length < at + 2)
		return;
	memcpy(&checksum, quote->l4 + at, 2);
	if (quote->protocol == IPPROTO_UDP && checksum == 0)
		return;
	checksum = checksum_apply(checksum, delta);
	if (quote->protocol == IPPROTO_UDP && checksum == 0)
		checksum = 0xffff;
	memcpy(quote->l4 + at, &checksum, 2);
}

static void translate(struct packet *packet, const struct quote *quote, const struct flow *flow,
	unsigned direction)
{
	struct flow_key sent = flow_record_key(flow, !direction); // as its sender knows it

	write_addresses(quote->l3, packet->family, sent.src, sent.dst);
	memcpy(quote->l4, &sent.ports, sizeof(sent.ports));
	quote_checksum(quote, direction ? (uint16_t)~flow->delta_l4 : flow->delta_l4);
	if (packet->family == 4) {
		struct rte_ipv4_hdr *inner = (struct rte_ipv4_hdr *)quote->l3;

		inner->hdr_checksum = 0;
		inner->hdr_checksum =
			(uint16_t)~rte_raw_cksum(inner, (size_t)(quote->l4 - quote->l3));
	}
	write_addresses(packet->l3, packet->family, sent.dst, sent.src);
	finish(packet);
}

// An error about our tunnel to an endpoint: the client gets it about what it sent (RFC 2003
// section 4), with an MTU that leaves room for the outer header.
static void untunnel(struct packet *packet, const struct quote *outer, const struct quote *inner)
{
	struct flow_key client = quote_key(inner, packet->family, false);
	unsigned header = (unsigned)(inner->l3 - outer->l3);
	uint8_t *mtu = packet->l4 + (packet->family == 4 ? 6 : 4);
	bool too_big =
		packet->family == 4 ? packet->l4[0] == 3 && packet->l4[1] == 4 : packet->l4[0] == 2;
	uint8_t src[16], dst[16];
	unsigned length = packet->family == 4 ? 4 : 16;

	memcpy(src, client.dst, length);
	memcpy(dst, client.src, length);
	if (too_big && packet->family == 4) {
		unsigned value = (unsigned)mtu[0] << 8 | mtu[1];

		value = value > header + SLUICE_MTU_MIN ? value - header : SLUICE_MTU_MIN;
		mtu[0] = (uint8_t)(value >> 8);
		mtu[1] = (uint8_t)value;
	} else if (too_big) {
		uint32_t value;

		memcpy(&value, mtu, 4);
		value = rte_be_to_cpu_32(value);
		value = rte_cpu_to_be_32(value > header + 1280 ? value - header : 1280);
		memcpy(mtu, &value, 4);
	}
	memmove(outer->l3, inner->l3, (size_t)(packet->l3 + packet->length - inner->l3));
	packet->length = (uint16_t)(packet->length - header);
	rte_pktmbuf_trim(packet->mbuf, (uint16_t)header);
	write_addresses(packet->l3, packet->family, src, dst);
	finish(packet);
}

// The endpoint answered the client directly, so it has sent what this is about: it gets the message
// as it is, the way it gets everything of this flow.
static void direct_answer(struct rewriter *rewriter, struct packet *packet, const struct flow *flow)
{
	packet->next = PACKET_ROUTE;
	rewrite_tunnel(rewriter, packet, flow);
}

// A router sends an error to whom the quote names as sender, and nowhere else (RFC 5927); and no
// error is sent about an error that has come to the end of its way.
static bool may_go_on(struct packet *packet, const struct quote *quote)
{
	struct flow_key about = quote_key(quote, packet->family, false);
	struct flow_key own = flow_packet_key(packet);
	uint8_t ttl = packet->family == 4 ? ((const struct rte_ipv4_hdr *)packet->l3)->time_to_live
					  : ((const struct rte_ipv6_hdr *)packet->l3)->hop_limits;

	if (memcmp(about.src, own.dst, packet->family == 4 ? 4 : 16) != 0)
		packet_drop(packet, DROP_ICMP_INNER);
	else if (ttl <= 1)
		packet_drop(packet, DROP_TTL_EXPIRED);
	else
		return true;
	return false;
}

static void no_flow(struct rewriter *rewriter, struct packet *packet, const struct flow_key *key)
{
	struct opener *opener = rewriter->opener;
	struct flow_key own = flow_packet_key(packet);
	struct addr dst;
	bool ours;
	uint16_t owner;

	if (opener->rule->workers > 1 && !(packet->flags & PACKET_HANDED)) {
		owner = open_owner(opener, key, &ours);
		if (ours && owner != opener->worker) {
			packet->next = PACKET_HAND;
			packet->hop = owner;
			return;
		}
	}
	addr_from_bytes(&dst, own.dst, own.family == 4 ? 4 : 16);
	if (tables_vip(opener->tables, &dst))
		packet_drop(packet, DROP_ICMP_NO_FLOW);
	else
		packet->next = PACKET_HOST;
}

void rewrite_icmp_error(struct rewriter *rewriter, struct packet *packet)
{
	const uint8_t *end = packet->l3 + packet->length;
	const uint8_t tunnel = packet->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	struct quote quote, inner;
	struct flow_key key;
	struct flow *flow;
	uint8_t direction;

	if (!quote_parse(&quote, packet->l4 + 8, end, packet->family)) {
		packet_drop(packet, DROP_ICMP_INNER);
		return;
	}
	if (icmp_sum(packet) != 0xffff) {
		packet_drop(packet, DROP_ICMP_CHECKSUM);
		return;
	}
	if (quote.protocol == tunnel && quote_parse(&inner, quote.l4, end, packet->family)) {
		key = quote_key(&inner, packet->family, false);
		flow = flow_find(rewriter->opener->flows, &key, &direction);
		if (!flow || flow->mode != MODE_DSR)
			no_flow(rewriter, packet, &key);
		else if (may_go_on(packet, &quote))
			untunnel(packet, &quote, &inner);
		return;
	}
	if (quote.protocol != IPPROTO_TCP && quote.protocol != IPPROTO_UDP) {
		packet->next = PACKET_HOST;
		return;
	}
	key = quote_key(&quote, packet->family, true);
	flow = flow_find(rewriter->opener->flows, &key, &direction);
	if (!flow)
		no_flow(rewriter, packet, &key);
	else if (!may_go_on(packet, &quote))
		return;
	else if (flow->mode == MODE_DSR)
		direct_answer(rewriter, packet, flow);
	else
		translate(packet, &quote, flow, direction);
}

void rewrite_echo(struct rewriter *rewriter, struct packet *packet)
{
	struct flow_key key = flow_packet_key(packet);
	struct addr dst;
	uint8_t source[16];
	size_t length = packet->family == 4 ? 4 : 16;
	uint16_t before, after, checksum;

	addr_from_bytes(&dst, key.dst, length);
	if (!tables_vip(rewriter->opener->tables, &dst)) {
		packet->next = PACKET_HOST;
		return;
	}
	if (open_source_impossible(&key)) {
		packet_drop(packet, DROP_IP_SOURCE);
		return;
	}
	// Of fragments, which are answered one by one, nobody has the whole message.
	if (!(packet->flags & PACKET_IS_FRAGMENT) && icmp_sum(packet) != 0xffff) {
		packet_drop(packet, DROP_ICMP_CHECKSUM);
		return;
	}
	memcpy(source, key.src, length);
	memcpy(packet->l3 + (key.src - packet->l3), key.dst, length);
	memcpy(packet->l3 + (key.dst - packet->l3), source, length);
	if (packet->family == 4) {
		((struct rte_ipv4_hdr *)packet->l3)->time_to_live = ECHO_TTL;
		packet->flags |= PACKET_IP_CHECKSUM;
	} else {
		((struct rte_ipv6_hdr *)packet->l3)->hop_limits = ECHO_TTL;
	}
	packet->next = PACKET_ROUTE;
	if (packet->flags & PACKET_NO_L4)
		return;
	// Source and destination changed places, which no checksum notices; the type did change.
	memcpy(&before, packet->l4, 2);
	packet->l4[0] = packet->family == 4 ? RTE_IP_ICMP_ECHO_REPLY : 129;
	memcpy(&after, packet->l4, 2);
	memcpy(&checksum, packet->l4 + 2, 2);
	checksum = checksum_apply(checksum, checksum_delta(before, after));
	memcpy(packet->l4 + 2, &checksum, 2);
}
