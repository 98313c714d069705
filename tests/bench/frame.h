// SPDX-License-Identifier: BSD-3-Clause
// The frames that the generator sends, and the checks on those that come back.
//
// The generator is client, gateway, node and pod at once. A client's frame is made by copying a
// template and patching the client's address, port, a token and the checksums that follow from
// them; a pod's answer is what it received with the ends swapped, in place. Flow i is client
// address `client + (i & 0x3fff)`, port `10000 + (i >> 14)`.
// The token, the first two bytes of the UDP payload, names a sample that is checked and timed.
#pragma once

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_BYTES         64
#define FRAME_CLIENTS       0x4000 // a power of two
#define FRAME_CLIENT_SHIFT  14
#define FRAME_FIRST_PORT    10000
#define FRAME_TCP_EXCHANGE  16 // bytes of the request, and of the response
#define FRAME_TCP_MAX_BYTES (14 + 40 + 20 + FRAME_TCP_EXCHANGE)

enum {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16
};

// Addresses: 16 bytes each, an IPv4 one in the first four. All in network order.
struct net {
	uint8_t family;     // 4 or 6
	uint8_t client[16]; // the first; its low 14 bits are zero
	uint8_t vip[16];
	uint8_t pod[16];     // the first of `pods`
	uint8_t snat[16];    // the first of `snats`
	uint8_t peer[2][16]; // ours on the link: gateway to the clients, node of the pods
	uint32_t pods, snats;
	rte_be16_t vip_port, pod_port;
	struct rte_ether_addr ours, box;
};

struct frame_template {
	uint8_t bytes[FRAME_TCP_MAX_BYTES] __attribute__((aligned(64)));
	uint32_t ip_sum; // ones' complement sums with the patched fields zero
	uint32_t l4_sum;
};

enum frame_kind {
	FRAME_OTHER,
	FRAME_TO_CLIENT, // from the VIP
	FRAME_TO_POD,
	FRAME_MIRRORED, // to the VIP: what we sent, back from a box that only swaps MACs
};

#define FRAME_L4(family) ((family) == 4 ? 34u : 54u)

static inline uint16_t frame_load16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, 2);
	return value;
}

static inline uint32_t frame_load32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, 4);
	return value;
}

static inline void frame_store16(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, 2);
}

static inline void frame_store32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, 4);
}

static inline uint16_t frame_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

static inline enum frame_kind frame_classify(
	const uint8_t *frame, const struct net *net, unsigned family, uint8_t protocol)
{
	const unsigned l4 = FRAME_L4(family);

	if (frame_load16(frame + 12) != (family == 4 ? RTE_BE16(0x0800) : RTE_BE16(0x86dd)) ||
		frame[family == 4 ? 23 : 20] != protocol)
		return FRAME_OTHER;
	if (frame_load16(frame + l4) == net->vip_port)
		return FRAME_TO_CLIENT;
	if (frame_load16(frame + l4 + 2) == net->pod_port)
		return FRAME_TO_POD;
	return frame_load16(frame + l4 + 2) == net->vip_port ? FRAME_MIRRORED : FRAME_OTHER;
}

// The client's end of a flow, into a frame that was copied from a template. Returns what it adds to
// the checksums.
static inline uint32_t frame_set_client(
	uint8_t *frame, const struct net *net, unsigned family, uint32_t flow)
{
	const unsigned low = family == 4 ? 26 : 34; // the last four bytes of the source address
	uint32_t address = frame_load32(net->client + (family == 4 ? 0 : 12)) |
			   rte_cpu_to_be_32(flow & (FRAME_CLIENTS - 1));
	uint16_t port =
		rte_cpu_to_be_16((uint16_t)(FRAME_FIRST_PORT + (flow >> FRAME_CLIENT_SHIFT)));

	frame_store32(frame + low, address);
	frame_store16(frame + FRAME_L4(family), port);
	return (address & 0xffff) + (address >> 16) + port;
}

// A client's datagram of 64 bytes to the VIP.
static inline void frame_udp(uint8_t *frame, const struct frame_template *template,
	const struct net *net, unsigned family, uint32_t flow, uint16_t token)
{
	const unsigned l4 = FRAME_L4(family);
	uint32_t sum;
	uint16_t check;

	memcpy(frame, template->bytes, FRAME_BYTES);
	sum = frame_set_client(frame, net, family, flow);
	if (family == 4) {
		uint32_t ip_sum = template->ip_sum + sum - frame_load16(frame + l4);

		frame_store16(frame + 24, frame_fold(ip_sum));
	}
	frame_store16(frame + l4 + 8, token);
	check = frame_fold(template->l4_sum + sum + token);
	frame_store16(frame + l4 + 6, check ? check : 0xffff);
}

// Both ends swapped, in all three headers: sums stay as they are.
static inline void frame_swap(uint8_t *frame, unsigned family)
{
	const unsigned l4 = FRAME_L4(family);
	uint32_t ports = frame_load32(frame + l4);
	uint8_t macs[12];

	memcpy(macs, frame + 6, 6);
	memcpy(macs + 6, frame, 6);
	memcpy(frame, macs, 12);
	if (family == 4) {
		uint64_t addresses;

		memcpy(&addresses, frame + 26, 8);
		addresses = addresses << 32 | addresses >> 32;
		memcpy(frame + 26, &addresses, 8);
	} else {
		uint8_t source[16], destination[16];

		memcpy(source, frame + 22, 16);
		memcpy(destination, frame + 38, 16);
		memcpy(frame + 22, destination, 16);
		memcpy(frame + 38, source, 16);
	}
	frame_store32(frame + l4, ports << 16 | ports >> 16);
}

// What a TCP segment says beside its two ends.
struct frame_segment {
	uint32_t seq, ack; // host order
	uint8_t flags;
	uint8_t payload; // bytes
};

void frame_udp_template(struct frame_template *template, const struct net *net);
void frame_tcp_template(struct frame_template *template, const struct net *net);

// A client's segment to the VIP; returns the length of the frame.
uint16_t frame_tcp(uint8_t *frame, const struct frame_template *template, const struct net *net,
	uint32_t connection, const struct frame_segment *segment);
// Turns a received segment into its answer; returns the length of the frame.
uint16_t frame_tcp_answer(
	uint8_t *frame, const struct net *net, const struct frame_segment *segment);
// The segment in a frame of `length` bytes that frame_classify() knows.
struct frame_segment frame_segment(const uint8_t *frame, const struct net *net);
// The length by its IP header.
uint16_t frame_length(const uint8_t *frame, const struct net *net);

// Is this frame, of `length` bytes, right for where it was received: lengths, MACs, addresses,
// ports, hop limit, all checksums? `flow` is whose it must be (FRAME_TO_CLIENT and FRAME_MIRRORED).
// NULL when it is, else what is not.
const char *frame_check(const uint8_t *frame, uint16_t length, const struct net *net,
	enum frame_kind kind, uint32_t flow);
