// SPDX-License-Identifier: BSD-3-Clause
// Where a packet goes next: the kernel's routes and neighbours, mirrored.
//
// A fib is immutable. host/ builds a new one whenever netlink tells of a change and publishes it
// through one pointer; workers read it (RCU by quiescent state) and cache what they found by
// `generation`. A hop's index stays the same from one fib to the next as long as its interface and
// address do; what a hop says (MAC, state) may change without a new generation.
// Longest prefix match (RFC 1812 section 5.2.4.3), IPv4 and IPv6 in one table.
#pragma once

#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define HOP_NONE 0     // index of no hop
#define HOP_MAX  65535 // most hops

enum hop_state {
	HOP_UNRESOLVED, // neighbour not known yet; ask host/ to resolve it
	HOP_REACHABLE,  // mac is valid
	HOP_FAILED,     // the kernel gave up for now
};

struct hop {
	struct rte_ether_addr mac; // of the neighbour
	uint16_t iface;
	uint8_t state; // enum hop_state
	struct addr address;
};

enum fib_result {
	FIB_HOP,       // *hop is set
	FIB_NEIGHBOUR, // on the link of *iface, or a gateway there, but not among the hops: resolve
		       // *via
	FIB_LOCAL,  // one of the appliance's own addresses
	FIB_NONE,   // no route
	FIB_REJECT, // blackhole, unreachable, prohibit, or out of an interface that is not ours
};

struct fib_answer {
	enum fib_result result;
	uint16_t hop;
	uint16_t iface;
	struct addr via; // the neighbour's address
};

struct fib_route {
	struct prefix to;
	struct addr via; // zero = on the link
	uint16_t iface;
	enum fib_result result; // FIB_HOP (towards iface, via), FIB_LOCAL or FIB_REJECT
};

struct fib_neighbour {
	struct addr address;
	uint16_t iface;
	uint8_t state; // enum hop_state
	struct rte_ether_addr mac;
};

struct fib_source { // an address of an interface
	struct addr address;
	uint16_t iface;
};

struct fib {
	uint64_t edition;    // one more with every fib that is built: its address may come again
	uint32_t generation; // changes with the routes, the source addresses and the set of hops
	uint32_t hop_count;  // entries in hops, the first is HOP_NONE
	struct hop *hops;
	// the rest is fib.c's own
	struct fib_tables *tables;
};

// Builds a fib. `previous` (may be NULL) gives the indices to keep. NULL when out of memory.
struct fib *fib_build(const struct fib *previous, const struct fib_route *routes,
	unsigned route_count, const struct fib_neighbour *neighbours, unsigned neighbour_count,
	const struct fib_source *sources, unsigned source_count);
void fib_free(struct fib *fib);

// Hot only for new flows. Never fails; fills every field that the result gives meaning to.
struct fib_answer fib_lookup(const struct fib *fib, const struct addr *to);
// The hop of this neighbour, or HOP_NONE. An address of the link may be a neighbour of several
// interfaces, so no route tells which one is meant.
uint16_t fib_hop(const struct fib *fib, uint16_t iface, const struct addr *address);
bool fib_is_local(const struct fib *fib, const struct addr *address);
// The address of `iface` to use as source towards `to` (same subnet first, then any of the family).
// Returns false when the interface has none of that family.
bool fib_source(const struct fib *fib, uint16_t iface, const struct addr *to, struct addr *source);
