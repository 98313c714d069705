// SPDX-License-Identifier: BSD-3-Clause
// What is known of a packet between two stages: one cache line, filled by classify/, read and
// marked by the stages after it. A worker has an array of them, one burst long; nothing here
// outlives the burst but the mbuf.
//
// Rule: a packet has exactly one owner and ends once: sent, held, handed over, or dropped by name.
// The stage that takes the mbuf sets `next` to PACKET_TAKEN.
#pragma once

#include <rte_common.h>
#include <rte_mbuf.h>
#include <stdint.h>

#include "drop.h"

#define PACKET_BURST 64

enum packet_next {
	PACKET_FLOW,       // TCP or UDP: find its flow
	PACKET_FRAGMENT,   // an IP fragment: find its ports first
	PACKET_ICMP_ERROR, // about a packet of ours, perhaps: find that one's flow
	PACKET_ECHO,       // echo request: for a VIP, perhaps
	PACKET_NEIGHBOUR,  // ARP or neighbour solicitation: for a VIP, perhaps
	PACKET_REWRITE,    // flow and direction are known
	PACKET_ROUTE,      // ours to send, to where its destination address says
	PACKET_TRANSMIT,   // ours to send, to `hop`
	PACKET_HAND,       // another worker's: `hop` says whose
	PACKET_PROXY,      // of a TCP connection that ends here
	PACKET_HOST,       // not ours: the kernel's
	PACKET_DROP,       // with `drop`
	PACKET_TAKEN,      // the mbuf is no longer this packet's
};

enum packet_flag {
	PACKET_HANDED = 1 << 0,       // another worker gave it to us: we own its flow
	PACKET_IS_FRAGMENT = 1 << 1,  // any fragment
	PACKET_NO_L4 = 1 << 2,        // a fragment but the first: no l4 header
	PACKET_NEW_ID = 1 << 3,       // `ip_id` replaces the identification
	PACKET_IP_CHECKSUM = 1 << 4,  // the IPv4 header's checksum is to be made when it is sent
	PACKET_TCP_CHECKSUM = 1 << 5, // the segment's, likewise
	PACKET_RUN = 1 << 6,          // segments in one (port.h, PORT_TX_RUN)
};

// A set of next steps, a bit each: what a stage leaves behind it in a burst.
#define PACKET_STEP(next) (1u << (next))

struct packet {
	struct rte_mbuf *mbuf;
	uint8_t *l3;
	uint8_t *l4;
	uint64_t hash; // of the tuple, in this worker's flow table
	struct flow *flow;
	uint32_t ports;  // source and destination as they stand on the wire
	uint32_t ip_id;  // see PACKET_NEW_ID; network order, 16 bits for IPv4
	uint16_t length; // from l3 to the end
	uint16_t iface;  // received on
	uint16_t hop;
	uint8_t next;   // enum packet_next
	uint8_t drop;   // enum drop
	uint8_t family; // 4 or 6
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t direction; // 0: from the client, 1: from the endpoint
	uint8_t flags;     // enum packet_flag
};

_Static_assert(sizeof(struct packet) <= RTE_CACHE_LINE_SIZE, "a packet is one cache line");

// What goes with an mbuf from one thread to another, in the mbuf's private area.
enum note_kind {
	NOTE_PROCESS,  // a packet for the owner of its flow
	NOTE_FRAGMENT, // for the worker that keeps the fragments of its datagram
	NOTE_TRANSMIT, // a whole frame, to be sent out of `iface`
	NOTE_HOST,     // for the kernel, as received on `iface`
};

struct note {
	uint32_t ports;
	uint32_t ip_id;
	uint16_t iface;
	uint8_t kind;  // enum note_kind
	uint8_t flags; // enum packet_flag, to be taken over
};

static inline struct note *packet_note(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}

static inline void packet_drop(struct packet *packet, enum drop drop)
{
	packet->next = PACKET_DROP;
	packet->drop = (uint8_t)drop;
}
