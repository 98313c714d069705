// SPDX-License-Identifier: BSD-3-Clause
// Packets per second: datagrams from clients to the VIP, and back from whatever pod got them.
//
// A closed loop keeps `window` datagrams on their way: one that has come back to its client leaves
// again at once as the datagram of another flow, so the load is whatever the box can forward. With
// a rate, clients send at that rate whatever comes back, and times are taken. A box that only swaps
// MACs returns each datagram after one pass instead of two.
#pragma once

#include "histogram.h"
#include "link.h"

enum udp_mode {
	UDP_SWEEP,  // each flow once, every packet checked; until every one came back
	UDP_STEADY, // `seconds` in a closed loop, samples checked
	UDP_PACED,  // `seconds` at `rate`, samples timed
};

struct udp_order {
	enum udp_mode mode;
	uint32_t flows;
	uint32_t window;
	double seconds, warm_seconds;
	double rate;     // clients' datagrams a second
	uint32_t nap_us; // of UDP_PACED, while nothing is to be done; 0 = none
};

struct udp_result {
	double seconds;
	uint64_t forwarded;      // by the box, while measured: what came to pods and to clients
	uint64_t sent, lost;     // by clients; whole run
	uint64_t checked, wrong; // frames
	const char *wrong_what;  // of the first wrong one
	uint64_t mirrored;       // that came back with only their MACs swapped
	uint64_t missing;        // flows that never came back (UDP_SWEEP)
	uint64_t pods_seen;
	uint64_t refused;            // that the box's ring did not take
	uint64_t empty_polls, polls; // of the receive ring: how idle the generator was
	struct histogram latency;    // of one pass, nanoseconds
};

void udp_run(struct link *link, struct net *net, const struct udp_order *order,
	struct udp_result *result);
