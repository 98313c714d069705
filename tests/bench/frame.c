// SPDX-License-Identifier: BSD-3-Clause
// Templates, TCP segments and the checks; see frame.h. What is done for every packet of a
// measurement of packets per second is inline there.
#include "frame.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

static uint32_t sum_bytes(const uint8_t *bytes, unsigned length)
{
	uint32_t sum = 0;

	for (; length > 1; bytes += 2, length -= 2)
		sum += frame_load16(bytes);
	if (length)
		sum += *bytes; // little-endian: the missing byte is the high one
	return sum;
}

static uint32_t pseudo_sum(const uint8_t *frame, unsigned family, uint8_t protocol, uint16_t length)
{
	uint32_t sum = family == 4 ? sum_bytes(frame + 26, 8) : sum_bytes(frame + 22, 32);

	return sum + rte_cpu_to_be_16(protocol) + rte_cpu_to_be_16(length);
}

// Ethernet and IP headers of client to VIP, the client's low bits and the checksum zero.
static void fill_headers(
	uint8_t *frame, const struct net *net, uint8_t protocol, uint16_t l4_length)
{
	memcpy(frame, &net->box, 6);
	memcpy(frame + 6, &net->ours, 6);
	if (net->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);

		frame_store16(frame + 12, RTE_BE16(RTE_ETHER_TYPE_IPV4));
		*ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45,
			.total_length = rte_cpu_to_be_16((uint16_t)(20 + l4_length)),
			.time_to_live = 64,
			.next_proto_id = protocol,
		};
		memcpy(&ip->dst_addr, net->vip, 4);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + 14);

		frame_store16(frame + 12, RTE_BE16(RTE_ETHER_TYPE_IPV6));
		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = RTE_BE32(0x60000000),
			.payload_len = rte_cpu_to_be_16(l4_length),
			.proto = protocol,
			.hop_limits = 64,
		};
		memcpy(ip->src_addr, net->client, 12);
		memcpy(ip->dst_addr, net->vip, 16);
	}
}

void frame_udp_template(struct frame_template *template, const struct net *net)
{
	const unsigned l4 = FRAME_L4(net->family);
	const uint16_t length = (uint16_t)(FRAME_BYTES - l4);
	uint8_t *udp = template->bytes + l4;

	memset(template, 0, sizeof *template);
	fill_headers(template->bytes, net, IPPROTO_UDP, length);
	frame_store16(udp + 2, net->vip_port);
	frame_store16(udp + 4, rte_cpu_to_be_16(length));
	for (unsigned i = l4 + 10; i < FRAME_BYTES; i++)
		template->bytes[i] = (uint8_t)i;
	template->ip_sum = sum_bytes(template->bytes + 14, 20);
	template->l4_sum = pseudo_sum(template->bytes, net->family, IPPROTO_UDP, length) +
			   sum_bytes(udp, length);
}

void frame_tcp_template(struct frame_template *template, const struct net *net)
{
	uint8_t *tcp = template->bytes + FRAME_L4(net->family);

	memset(template, 0, sizeof *template);
	fill_headers(template->bytes, net, IPPROTO_TCP, 20);
	frame_store16(tcp + 2, net->vip_port);
	tcp[12] = 5 << 4;
	frame_store16(tcp + 14, RTE_BE16(8192));
	for (unsigned i = 0; i < FRAME_TCP_EXCHANGE; i++)
		tcp[20 + i] = (uint8_t)('a' + i);
	template->ip_sum = sum_bytes(template->bytes + 14, 20);
}

// Sequence numbers, flags, lengths and checksums of a segment whose two ends are in place.
static uint16_t finish_segment(uint8_t *frame, unsigned family, const struct frame_segment *segment)
{
	const uint16_t length = (uint16_t)(20 + segment->payload);
	uint8_t *tcp = frame + FRAME_L4(family);

	frame_store32(tcp + 4, rte_cpu_to_be_32(segment->seq));
	frame_store32(tcp + 8, rte_cpu_to_be_32(segment->ack));
	tcp[13] = segment->flags;
	if (family == 4) {
		frame_store16(frame + 16, rte_cpu_to_be_16((uint16_t)(20 + length)));
		frame_store16(frame + 24, 0);
		frame_store16(frame + 24, frame_fold(sum_bytes(frame + 14, 20)));
	} else {
		frame_store16(frame + 18, rte_cpu_to_be_16(length));
	}
	frame_store16(tcp + 16, 0);
	frame_store16(tcp + 16, frame_fold(pseudo_sum(frame, family, IPPROTO_TCP, length) +
					   sum_bytes(tcp, length)));
	return (uint16_t)(FRAME_L4(family) + length);
}

uint16_t frame_tcp(uint8_t *frame, const struct frame_template *template, const struct net *net,
	uint32_t connection, const struct frame_segment *segment)
{
	memcpy(frame, template->bytes, sizeof template->bytes);
	frame_set_client(frame, net, net->family, connection);
	return finish_segment(frame, net->family, segment);
}

uint16_t frame_tcp_answer(
	uint8_t *frame, const struct net *net, const struct frame_segment *segment)
{
	uint8_t *payload = frame + FRAME_L4(net->family) + 20;

	frame_swap(frame, net->family);
	for (unsigned i = 0; i < segment->payload; i++)
		payload[i] = (uint8_t)('A' + i);
	return finish_segment(frame, net->family, segment);
}

struct frame_segment frame_segment(const uint8_t *frame, const struct net *net)
{
	const uint8_t *tcp = frame + FRAME_L4(net->family);
	const unsigned header = (unsigned)(tcp[12] >> 4) * 4;

	return (struct frame_segment){
		.seq = rte_be_to_cpu_32(frame_load32(tcp + 4)),
		.ack = rte_be_to_cpu_32(frame_load32(tcp + 8)),
		.flags = tcp[13],
		.payload = (uint8_t)(frame_length(frame, net) - FRAME_L4(net->family) - header),
	};
}

uint16_t frame_length(const uint8_t *frame, const struct net *net)
{
	return (uint16_t)(net->family == 4 ? 14 + rte_be_to_cpu_16(frame_load16(frame + 16))
					   : 54 + rte_be_to_cpu_16(frame_load16(frame + 18)));
}

// Is `address` one of the `count` that begin at `first`?
static bool in_range(const uint8_t *address, const uint8_t *first, unsigned family, uint32_t count)
{
	const unsigned low = family == 4 ? 0 : 12;

	return memcmp(address, first, low) == 0 &&
	       rte_be_to_cpu_32(frame_load32(address + low)) -
			       rte_be_to_cpu_32(frame_load32(first + low)) <
		       count;
}

static const char *check_sums(const uint8_t *frame, unsigned family)
{
	const uint8_t *l4 = frame + FRAME_L4(family);
	const uint8_t protocol = frame[family == 4 ? 23 : 20];
	uint16_t length;

	if (family == 4) {
		if (frame_fold(sum_bytes(frame + 14, 20)) != 0)
			return "IP checksum";
		length = (uint16_t)(rte_be_to_cpu_16(frame_load16(frame + 16)) - 20);
	} else {
		length = rte_be_to_cpu_16(frame_load16(frame + 18));
	}
	if (protocol == IPPROTO_UDP && frame_load16(l4 + 6) == 0)
		return "UDP checksum missing";
	if (frame_fold(pseudo_sum(frame, family, protocol, length) + sum_bytes(l4, length)) != 0)
		return protocol == IPPROTO_UDP ? "UDP checksum" : "TCP checksum";
	return NULL;
}

// One pass through a router takes one from the hop limit that was 64 when it was sent, or 63 when a
// pod sent back what it had received.
static const char *check_ends(
	const uint8_t *frame, const struct net *net, enum frame_kind kind, uint32_t flow)
{
	const unsigned family = net->family, size = family == 4 ? 4 : 16;
	const uint8_t *source = frame + (family == 4 ? 26 : 22), *destination = source + size;
	const uint8_t *l4 = frame + FRAME_L4(family);
	const uint8_t hops = frame[family == 4 ? 22 : 21];
	uint8_t client[128];
	uint16_t client_port;

	memcpy(client + (family == 4 ? 26 : 22), net->client, size);
	frame_set_client(client, net, family, flow);
	client_port = frame_load16(client + FRAME_L4(family));
	switch (kind) {
	case FRAME_TO_POD:
		if (!in_range(source, net->snat, family, net->snats))
			return "source address of what the pod got";
		if (rte_be_to_cpu_16(frame_load16(l4)) < 1024)
			return "source port of what the pod got";
		if (!in_range(destination, net->pod, family, net->pods))
			return "destination of what the pod got";
		return hops == 63 ? NULL : "hop limit of what the pod got";
	case FRAME_TO_CLIENT:
		if (memcmp(source, net->vip, size) != 0)
			return "source of what the client got";
		if (memcmp(destination, client + (family == 4 ? 26 : 22), size) != 0)
			return "destination address of what the client got";
		if (frame_load16(l4 + 2) != client_port)
			return "destination port of what the client got";
		return hops == 62 ? NULL : "hop limit of what the client got";
	case FRAME_MIRRORED:
		if (memcmp(source, client + (family == 4 ? 26 : 22), size) != 0 ||
			frame_load16(l4) != client_port)
			return "source of what was mirrored";
		return memcmp(destination, net->vip, size) == 0
			       ? NULL
			       : "destination of what was mirrored";
	case FRAME_OTHER:
		break;
	}
	return "kind of frame";
}

const char *frame_check(const uint8_t *frame, uint16_t length, const struct net *net,
	enum frame_kind kind, uint32_t flow)
{
	const unsigned minimum = FRAME_L4(net->family) + 8;
	const char *wrong;

	if (length < minimum || frame_length(frame, net) < minimum ||
		frame_length(frame, net) > length)
		return "length";
	if (memcmp(frame, &net->ours, 6) != 0)
		return "destination MAC";
	wrong = check_ends(frame, net, kind, flow);
	return wrong ? wrong : check_sums(frame, net->family);
}
