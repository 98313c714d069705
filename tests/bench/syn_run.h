// SPDX-License-Identifier: BSD-3-Clause
// A flood of SYNs from clients that there are not to the VIP: each another client and port, none
// ever answered. At a rate, or as many as the box takes.
#pragma once

#include "link.h"

struct syn_order {
	double seconds;
	double rate;    // a second; 0 = as many as there is room for
	uint32_t first; // of the clients
	bool away;      // to a MAC that is not the box's: the generator's own cost, and no more
};

struct syn_result {
	double seconds;
	uint64_t sent;     // that the box's ring took
	uint64_t answered; // SYN-ACKs
	uint64_t reset;
	uint32_t next;
};

void syn_run(struct link *link, struct net *net, const struct syn_order *order,
	struct syn_result *result);
