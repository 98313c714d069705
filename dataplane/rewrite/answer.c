// SPDX-License-Identifier: BSD-3-Clause
// What we answer ourselves: TCP resets (RFC 9293 section 3.10.7.1), ICMP errors (RFC 792, RFC 1191,
// RFC 4443). They are bounded by a rate, so that a flood of bad packets does not become a flood of
// answers.
#include "rewrite.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "checksum.h"
#include "flow_stage.h"

#define ANSWER_BURST     1000
#define ANSWER_TTL       64
#define QUOTE_MAX_IPV4   (576 - 28) // RFC 1812 section 4.3.2.3
#define QUOTE_MAX_IPV6   (1280 - 48)
#define TICKS_PER_SECOND (1000000 / FLOW_TICK_US)

static bool may_answer(struct rewriter *rewriter)
{
	uint32_t now = rewriter->opener->flows->now;
	uint32_t elapsed = now - rewriter->answer_tick;

	if (elapsed) {
		uint64_t credit = rewriter->answer_credit +
				  (uint64_t)elapsed * REWRITE_ANSWERS_PER_SECOND / TICKS_PER_SECOND;

		rewriter->answer_credit = credit < ANSWER_BURST ? (uint32_t)credit : ANSWER_BURST;
		rewriter->answer_tick = now;
	}
	if (rewriter->answer_credit == 0) {
		rewriter->drops[DROP_ICMP_RATE]++;
		return false;
	}
	rewriter->answer_credit--;
	return true;
}

// An empty frame with an IP header from `src` to `dst` and room for `length` bytes behind it; NULL
// when there is no buffer. The packet then describes the new frame.
static uint8_t *begin(struct rewriter *rewriter, struct packet *answer, const struct flow_key *key,
	uint16_t length)
{
	uint16_t header =
		key->family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rewriter->pool);
	uint8_t *frame;

	if (!mbuf) {
		rewriter->drops[DROP_NO_BUFFER]++;
		return NULL;
	}
	frame = (uint8_t *)rte_pktmbuf_append(mbuf, RTE_ETHER_HDR_LEN + header + length);
	if (!frame) {
		rte_pktmbuf_free(mbuf);
		rewriter->drops[DROP_NO_BUFFER]++;
		return NULL;
	}
	*answer = (struct packet){
		.mbuf = mbuf,
		.l3 = frame + RTE_ETHER_HDR_LEN,
		.l4 = frame + RTE_ETHER_HDR_LEN + header,
		.length = (uint16_t)(header + length),
		.next = PACKET_ROUTE,
		.family = key->family,
		.protocol = key->protocol,
	};
	if (key->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)answer->l3;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = rte_cpu_to_be_16(answer->length),
			.packet_id = rte_cpu_to_be_16(rewriter->ip_id++),
			.time_to_live = ANSWER_TTL,
			.next_proto_id = key->protocol,
		};
		memcpy(&ip->src_addr, key->src, 4);
		memcpy(&ip->dst_addr, key->dst, 4);
		answer->flags = PACKET_IP_CHECKSUM;
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)answer->l3;

		ip->vtc_flow = RTE_BE32(0x60000000);
		ip->payload_len = rte_cpu_to_be_16(length);
		ip->proto = key->protocol;
		ip->hop_limits = ANSWER_TTL;
		memcpy(ip->src_addr, key->src, 16);
		memcpy(ip->dst_addr, key->dst, 16);
	}
	return answer->l4;
}

static uint16_t l4_checksum(const struct packet *packet)
{
	return packet->family == 4
		       ? rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)packet->l3, packet->l4)
		       : rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)packet->l3, packet->l4);
}

// The answer takes the place of what it answers, which is dropped.
static void replace(struct rewriter *rewriter, struct packet *packet, const struct packet *answer)
{
	uint16_t iface = packet->iface;
	enum drop drop = packet->drop;

	rewriter->drops[drop]++;
	if (unlikely(rewriter->lane != NULL))
		capture_drop(rewriter->lane, rewriter->ifaces[iface].port, packet->mbuf,
			packet->family, drop);
	rte_pktmbuf_free(packet->mbuf);
	*packet = *answer;
	packet->iface = iface;
	packet->drop = (uint8_t)drop;
}

static void write_reset(
	const struct packet *answer, uint32_t ports, uint32_t seq, uint32_t ack, uint8_t flags)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)answer->l4;

	memset(tcp, 0, sizeof(*tcp));
	memcpy(tcp, &ports, sizeof(ports));
	tcp->sent_seq = rte_cpu_to_be_32(seq);
	tcp->recv_ack = rte_cpu_to_be_32(ack);
	tcp->data_off = 5 << 4;
	tcp->tcp_flags = flags;
	tcp->cksum = l4_checksum(answer);
}

void rewrite_reset(struct rewriter *rewriter, struct packet *packet, enum drop drop)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)packet->l4;
	struct flow_key key = flow_packet_key(packet);
	struct flow_key back = {
		key.dst, key.src, key.ports << 16 | key.ports >> 16, IPPROTO_TCP, key.family};
	struct packet answer;
	uint32_t payload;

	packet_drop(packet, drop);
	if ((packet->flags & PACKET_NO_L4) || (packet->tcp_flags & RTE_TCP_RST_FLAG) ||
		!may_answer(rewriter) || !begin(rewriter, &answer, &back, sizeof(*tcp)))
		return;
	payload = (uint32_t)(packet->l3 + packet->length - packet->l4) - (tcp->data_off >> 4) * 4u;
	if (packet->tcp_flags & RTE_TCP_ACK_FLAG)
		write_reset(
			&answer, back.ports, rte_be_to_cpu_32(tcp->recv_ack), 0, RTE_TCP_RST_FLAG);
	else
		write_reset(&answer, back.ports, 0,
			rte_be_to_cpu_32(tcp->sent_seq) + payload +
				!!(packet->tcp_flags & RTE_TCP_SYN_FLAG) +
				!!(packet->tcp_flags & RTE_TCP_FIN_FLAG),
			RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	replace(rewriter, packet, &answer);
}

bool rewrite_client_reset(struct rewriter *rewriter, const struct flow *flow, struct packet *packet)
{
	struct flow_key key = flow_record_key(flow, 0);
	struct flow_key back = {
		key.dst, key.src, key.ports << 16 | key.ports >> 16, IPPROTO_TCP, key.family};

	if (!begin(rewriter, packet, &back, sizeof(struct rte_tcp_hdr)))
		return false;
	write_reset(packet, back.ports, flow->ack, 0, RTE_TCP_RST_FLAG);
	return true;
}

// An ICMP error about this packet, to its sender. `info` is the second word of the message.
static void icmp_error(struct rewriter *rewriter, struct packet *packet, enum drop drop,
	uint16_t type_code, uint32_t info)
{
	struct flow_key key = flow_packet_key(packet);
	uint16_t most = packet->family == 4 ? QUOTE_MAX_IPV4 : QUOTE_MAX_IPV6;
	uint16_t quote = packet->length < most ? packet->length : most;
	uint16_t size = (uint16_t)(quote + 8);
	struct addr sender, own;
	struct packet answer;
	struct flow_key back = {key.dst, key.src, 0,
		packet->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, packet->family};
	uint8_t *icmp;

	packet_drop(packet, drop);
	addr_from_bytes(&sender, key.src, key.family == 4 ? 4 : 16);
	// What a port does not take its own host refuses, all else a router on the way.
	if (drop != DROP_NO_LISTENER && drop != DROP_NO_ENDPOINT &&
		fib_source(rewriter->opener->fib, packet->iface, &sender, &own))
		back.src = key.family == 4 ? own.byte + 12 : own.byte;
	if ((packet->flags & PACKET_NO_L4) || !may_answer(rewriter) ||
		!begin(rewriter, &answer, &back, size))
		return;
	icmp = answer.l4;
	icmp[0] = (uint8_t)(type_code >> 8);
	icmp[1] = (uint8_t)type_code;
	memset(icmp + 2, 0, 2);
	info = rte_cpu_to_be_32(info);
	memcpy(icmp + 4, &info, 4);
	memcpy(icmp + 8, packet->l3, quote);
	if (packet->family == 4) {
		uint16_t checksum = (uint16_t)~rte_raw_cksum(icmp, size);

		memcpy(icmp + 2, &checksum, 2);
	} else {
		uint16_t checksum = l4_checksum(&answer);

		memcpy(icmp + 2, &checksum, 2);
	}
	replace(rewriter, packet, &answer);
}

void rewrite_unreachable(struct rewriter *rewriter, struct packet *packet, enum drop drop)
{
	icmp_error(rewriter, packet, drop, packet->family == 4 ? 0x0303 : 0x0104, 0);
}

void rewrite_time_exceeded(struct rewriter *rewriter, struct packet *packet)
{
	icmp_error(rewriter, packet, DROP_TTL_EXPIRED, packet->family == 4 ? 0x0b00 : 0x0300, 0);
}

void rewrite_too_big(struct rewriter *rewriter, struct packet *packet, uint16_t mtu)
{
	icmp_error(rewriter, packet, DROP_TOO_BIG, packet->family == 4 ? 0x0304 : 0x0200, mtu);
}
