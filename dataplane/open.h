// SPDX-License-Identifier: BSD-3-Clause
// A packet without a flow: whose is it? Listener, owner, allowed client, endpoint, source port, and
// then a flow is opened. One a worker, one thread; no allocation, no lock.
#pragma once

#include <stdint.h>

#include "fib.h"
#include "flow_table.h"
#include "owner.h"
#include "packet.h"
#include "pick.h"
#include "tables.h"

#define OPEN_SOURCES_MAX 1024 // source addresses a family

// One a worker and endpoint slot. Written by the worker alone, read by anyone.
struct endpoint_counters {
	uint64_t created;
	uint64_t packets[2], bytes[2]; // by direction
	uint32_t source_cursor;        // full NAT: where the search for a source port goes on
} __rte_cache_aligned;

// Full NAT's source addresses (network order). Shared by the workers, immutable.
struct open_sources {
	uint32_t v4_count, v6_count;
	uint32_t v4[OPEN_SOURCES_MAX];
	struct addr v6[OPEN_SOURCES_MAX];
};

struct opener {
	const struct tables *tables; // of this burst
	const struct fib *fib;
	struct flow_table *flows;
	const struct owner_rule *rule;
	const struct open_sources *sources;
	uint16_t worker;
	uint64_t rss_ports;                 // bit i: DPDK port i hashes with our key
	struct endpoint_counters *counters; // by endpoint slot
	uint32_t *load;                     // flows now, by endpoint slot
	struct pick_state *pick_states;     // by pool slot
	uint32_t deleted; // flows deleted: pointers found before a change of this may be stale
};

// For a packet that flow_lookup() left as PACKET_FLOW. Afterwards it is PACKET_REWRITE (a flow was
// opened or found), PACKET_PROXY, PACKET_HAND (hop is the owner), PACKET_HOST, or PACKET_DROP.
void open_flow(struct opener *opener, struct packet *packet);
// Whose is the flow of a packet with this tuple? The worker's number; `ours` is set when it is a
// packet for a VIP, a source address of ours or a kept client at all.
uint16_t open_owner(const struct opener *opener, const struct flow_key *key, bool *ours);
// Is the packet's destination one of the addresses that full NAT sends from?
bool open_is_source(const struct opener *opener, const struct flow_key *key);

// What open_flow() would do with the first packet of this tuple (TCP: a SYN), without doing it.
struct open_preview {
	const struct listener *listener; // NULL: none
	bool ours;                       // a packet for a VIP, or of an endpoint's to us
	uint16_t worker;                 // whose it is
	enum drop drop;
	const struct endpoint *endpoint; // NULL: none, or the proxy chooses one
	bool remembered;                 // by the client's affinity
	bool certain;                    // the next one does not depend on what comes before it
};

// `opener` is that of the worker that preview->worker says, so it is called for any, and again for
// that one. Another thread may ask: then the worker's own state may be a moment old.
struct open_preview open_preview(const struct opener *opener, const struct flow_key *key);

// RFC 1122 section 3.2.1.3, RFC 4291 section 2.7: no host sends from these to another network.
// (Loopback and mapped addresses of IPv6 do not pass classify.)
bool open_source_impossible(const struct flow_key *key);

// To be called when a flow's state has changed, and before it is deleted: keeps `load` right.
void open_account(struct opener *opener, struct flow *flow);
void open_delete(struct opener *opener, struct flow *flow);
