// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors about segments that we sent (RFC 1191, RFC 8201, RFC 5927): the path's MTU, and who
// cannot be reached. The quoted header was found whole, and the message's checksum right, before.
#include <netinet/in.h>
#include <rte_ip.h>
#include <string.h>

#include "proxy_parts.h"

#define ICMP_HEADER     8
#define V4_UNREACHABLE  3
#define V4_TOO_BIG_CODE 4
#define V6_UNREACHABLE  1
#define V6_TOO_BIG      2

// What we sent, by its quoted beginning. False: it is no TCP, or not enough of it.
static bool quoted(const struct packet *packet, struct tcp_tuple *tuple, uint32_t *seq)
{
	const uint8_t *ip = packet->l4 + ICMP_HEADER, *end = packet->l3 + packet->length, *l4;
	uint16_t ports[2];
	uint32_t number;

	if (packet->family == 4) {
		const struct rte_ipv4_hdr *header = (const struct rte_ipv4_hdr *)ip;

		l4 = ip + (header->version_ihl & 15u) * 4;
		if (header->next_proto_id != IPPROTO_TCP || end - l4 < 8)
			return false;
		addr_from_bytes(&tuple->local, (const uint8_t *)&header->src_addr, 4);
		addr_from_bytes(&tuple->remote, (const uint8_t *)&header->dst_addr, 4);
	} else {
		const struct rte_ipv6_hdr *header = (const struct rte_ipv6_hdr *)ip;

		l4 = ip + sizeof(*header);
		if (header->proto != IPPROTO_TCP || end - l4 < 8)
			return false;
		addr_from_bytes(&tuple->local, header->src_addr, 16);
		addr_from_bytes(&tuple->remote, header->dst_addr, 16);
	}
	memcpy(ports, l4, sizeof(ports));
	memcpy(&number, l4 + 4, sizeof(number));
	tuple->local_port = ntohs(ports[0]);
	tuple->remote_port = ntohs(ports[1]);
	*seq = ntohl(number);
	return true;
}

static uint16_t mtu_told(const struct packet *packet)
{
	uint32_t word;

	memcpy(&word, packet->l4 + 4, sizeof(word));
	word = ntohl(word);
	return packet->family == 4 ? (uint16_t)word : (uint16_t)RTE_MIN(word, (uint32_t)UINT16_MAX);
}

bool proxy_icmp(struct proxy *proxy, struct packet *packet)
{
	bool v4 = packet->family == 4;
	uint8_t type = packet->l4[0], code = packet->l4[1];
	struct tcp_tuple tuple;
	uint32_t seq;

	if (!quoted(packet, &tuple, &seq) || !tcp_has(proxy->tcp, &tuple))
		return false;
	if (v4 ? type == V4_UNREACHABLE && code == V4_TOO_BIG_CODE : type == V6_TOO_BIG)
		tcp_too_big(proxy->tcp, &tuple, seq, mtu_told(packet));
	else if (type == (v4 ? V4_UNREACHABLE : V6_UNREACHABLE))
		tcp_unreachable(proxy->tcp, &tuple, seq);
	rte_pktmbuf_free(packet->mbuf);
	packet->next = PACKET_TAKEN;
	return true;
}
