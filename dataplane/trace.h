// SPDX-License-Identifier: BSD-3-Clause
// The way of single packets through a worker, noted stage by stage while a trace runs: capture.h's
// lanes carry what was noted. What it means in words is trace_text.c's, at the main lcore.
#pragma once

#include <rte_ether.h>
#include <stdint.h>

#include "capture.h"
#include "packet.h"

struct worker;

enum trace_point { // in this order, once a burst each, but for TRACE_OPENED
	TRACE_CLASSIFIED,
	TRACE_LOOKED_UP,
	TRACE_OPENED, // where a packet had no flow
	TRACE_REWRITTEN,
	TRACE_SENDING, // everything but transmit is done
	TRACE_DONE,
};

struct trace_header { // as it stands in the packet
	struct addr src, dst;
	in_port_t src_port, dst_port; // network order
	uint8_t family;               // 0: no IP
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint16_t length;
};

struct trace_flow {
	bool known;
	uint8_t direction, state, mode;
	uint32_t endpoint; // slot
	struct addr vip;
	in_port_t vip_port; // network order
};

struct traced {
	struct record record;
	uint64_t tsc;
	uint16_t iface;
	bool handed; // by another worker
	bool handed_on;
	uint16_t to_worker;
	uint8_t next[TRACE_DONE + 1]; // enum packet_next at each point
	uint8_t drop;                 // enum drop; also of what was answered instead
	bool hit, opened;
	struct trace_header before, after;
	struct trace_flow flow;
	uint32_t listener; // slot, or SLOT_NONE
	bool routed;       // the rest is known
	uint16_t out_iface;
	struct addr neighbour;
	bool reachable;
	struct rte_ether_addr mac;
};

struct trace_burst {       // one a lane
	uint64_t followed; // packets of the burst under way, a bit each
	struct traced packets[PACKET_BURST];
};

_Static_assert(PACKET_BURST <= 64, "a bit a packet");

// Notes what has become of the burst in worker->packets by now.
void trace_burst(struct worker *worker, enum trace_point point, unsigned n);
