// SPDX-License-Identifier: BSD-3-Clause
// One end of a memif cable, in the server role, behind which a box is measured.
//
// One thread. A burst is BURST packets, as in testpmd and in the dataplane. What a run counts is in
// the caller; here are only the packets themselves and the neighbours.
#pragma once

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "frame.h"

#define BURST 32

struct link {
	uint16_t port;
	struct rte_mempool *pool;
	struct net nets[2]; // IPv4, IPv6
	bool served;        // answered while idle
};

struct burst {
	struct rte_mbuf *mbufs[2 * BURST];
	uint16_t count;
};

int link_open(struct link *link, uint16_t port, struct rte_mempool *pool);
// Sends all of it, waiting for room as long as the other end takes any; what it does not take for
// a second is freed, and counted in the result.
unsigned link_send(struct link *link, struct burst *burst);
// What is neither a measured packet nor its return: neighbours are answered, the rest is freed.
void link_other(struct link *link, struct net *net, struct rte_mbuf *mbuf);
// Answers neighbours, once over.
void link_serve(struct link *link);
// Asks who has the VIP until it is answered; 0, or -ETIMEDOUT.
int link_resolve(struct link *link, struct net *net, double seconds);
// An empty packet buffer, NULL when none is left.
struct rte_mbuf *link_buffer(struct link *link);
