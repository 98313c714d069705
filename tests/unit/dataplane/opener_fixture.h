// SPDX-License-Identifier: BSD-3-Clause
// An opener with a small plan and fib, for tests of open and rewrite: packets in, no worker.
//
// VIPs 192.0.2.10 and 2001:db8::10; TCP and UDP ports 80 (full NAT), 81 (DNAT), 82 (DSR), 84 (full
// NAT for 198.51.100.0/24 and 2001:db8:c::/64 only) and 85 (nobody there); pods 10.1.0.2, fd00:1::2
// behind interface 1, whose neighbours are known; clients behind interface 0.
#pragma once

#include "change_fixture.h"
#include "frame_fixture.h"
#include "open.h"

#define OPENER_CLIENT4 "198.51.100.7"
#define OPENER_CLIENT6 "2001:db8:c::7"
#define OPENER_VIP4    "192.0.2.10"
#define OPENER_VIP6    "2001:db8::10"
#define OPENER_POD4    "10.1.0.2"
#define OPENER_POD6    "fd00:1::2"
#define OPENER_OWN4    "10.1.0.1" // our address towards the pods
#define OPENER_OWN6    "fd00:1::1"

struct opener_fixture {
	struct rte_mempool *pool;
	struct tables_store *tables;
	struct fib *fib;
	struct owner_rule rule;
	struct open_sources sources;
	struct iface ifaces[2];
	struct opener opener;
};

struct opener_fixture *opener_fixture_new(uint16_t workers, uint32_t flows);
void opener_fixture_free(struct opener_fixture *fixture); // every buffer must be home
// As classify would have left it; the mbuf is the caller's.
struct packet opener_packet(struct opener_fixture *fixture, const struct frame_spec *spec);
