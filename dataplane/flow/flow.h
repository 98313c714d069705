// SPDX-License-Identifier: BSD-3-Clause
// Flows: one record a connection, found from either direction.
//
// Each worker has a table of its own, and a flow, both directions of it, belongs to one worker.
// A record is two cache lines; for IPv4 the first alone is touched on the packet's way. The index
// is made of buckets of one cache line: eight 16-bit signatures compared at once, eight record
// numbers; two candidate buckets a key. Times are in ticks of FLOW_TICK_US.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define FLOW_TICK_US 1024
#define FLOW_NONE    UINT32_MAX

enum flow_state {
	FLOW_FREE,
	FLOW_TCP_SYN, // SYN seen from the client, not yet answered and acknowledged
	FLOW_TCP_ESTABLISHED,
	FLOW_TCP_FIN,    // one side has closed
	FLOW_TCP_CLOSED, // both have, or a reset was seen: kept a moment for what is still on the
			 // way
	FLOW_TCP_RESET,  // its endpoint is gone; the client is told at every segment
	FLOW_UDP_NEW,    // not answered yet
	FLOW_UDP,
	FLOW_AFFINITY, // no connection of ours: remembers a client's endpoint (sessionAffinity:
		       // ClientIP), or who talks to an endpoint past its VIPs
	FLOW_STATE_COUNT,
};

const char *flow_state_name(enum flow_state state);

// What `show flows` asks for and gets.
struct flow_filter {
	uint32_t limit;
	uint8_t protocol; // 0 = any
	bool by_client, by_vip, by_endpoint;
	struct addr client, vip, endpoint;
	in_port_t vip_port; // network order; 0 = any
	bool clear;         // they are ended, and none is listed
};

struct flow_view {
	uint16_t worker;
	uint8_t protocol;
	uint8_t mode;      // enum mode
	uint8_t state;     // enum flow_state
	const char *phase; // of a client's connection that ends in the proxy; NULL: it is a flow
	struct addr client, vip, endpoint, source;
	in_port_t client_port, vip_port, endpoint_port, source_port; // network order
	uint32_t idle_ms, expires_ms;
	uint64_t packets;
};
