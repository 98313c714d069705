// SPDX-License-Identifier: BSD-3-Clause
// What a flow says is done to the packet: addresses, ports and checksums for NAT, an outer header
// for DSR; ICMP errors are translated to the other side; what we answer ourselves (resets, ICMP
// errors, echo) is made here too. One context a worker, one thread.
#pragma once

#include <stdint.h>

#include "capture.h"
#include "fib.h"
#include "iface.h"
#include "open.h"
#include "packet.h"

struct rewriter {
	struct opener *opener;
	const struct iface *ifaces;
	struct rte_mempool *pool; // for what we answer ourselves
	uint64_t *drops; // counters by enum drop: for packets that are replaced by an answer
	struct capture_lane *lane; // NULL: no capture
	uint32_t answer_credit;    // answers that may be sent now
	uint32_t answer_tick;      // when credit was last given
	uint16_t ip_id;
	uint32_t deleted_before; // opener->deleted when this burst was looked up
};

#define REWRITE_ANSWERS_PER_SECOND 10000 // a worker

// Packets that are PACKET_REWRITE: follows state, counts, and writes the other side's header.
// Afterwards PACKET_TRANSMIT with the hop, PACKET_ROUTE, PACKET_FLOW (to be opened anew), or
// PACKET_DROP. The set of all packets' next steps.
uint32_t rewrite(struct rewriter *rewriter, struct packet *packets, unsigned n);

// The hop for packets of this flow in this direction, looked up when the cached one is old.
// HOP_NONE, with *iface set, when only the neighbour is missing.
enum drop rewrite_hop(const struct fib *fib, struct flow *flow, unsigned direction, uint16_t *hop,
	uint16_t *iface);

// Encapsulation (RFC 2003, RFC 2473). The packet's l3, length and family become the outer header's.
void rewrite_tunnel(struct rewriter *rewriter, struct packet *packet, const struct flow *flow);

// An ICMP error about a packet that we sent (RFC 792, RFC 4443; translated as RFC 5508 section 4
// asks): finds the flow by the quoted header. PACKET_ROUTE, PACKET_HAND, PACKET_HOST or
// PACKET_DROP.
void rewrite_icmp_error(struct rewriter *rewriter, struct packet *packet);
// An echo request becomes its reply when it is for a VIP, else it is the kernel's.
void rewrite_echo(struct rewriter *rewriter, struct packet *packet);

// Answers of our own. The packet's mbuf is replaced by the answer (PACKET_ROUTE) and what it was is
// counted as `drop`, which stays in the packet; when no answer may be sent (rate, buffers), it is
// only that drop.
void rewrite_reset(struct rewriter *rewriter, struct packet *packet, enum drop drop);
void rewrite_unreachable(struct rewriter *rewriter, struct packet *packet, enum drop drop);
void rewrite_time_exceeded(struct rewriter *rewriter, struct packet *packet);
void rewrite_too_big(struct rewriter *rewriter, struct packet *packet, uint16_t mtu);
// A reset to the client of a flow whose endpoint is gone, out of nothing: a new packet. False when
// there is no buffer.
bool rewrite_client_reset(
	struct rewriter *rewriter, const struct flow *flow, struct packet *packet);
