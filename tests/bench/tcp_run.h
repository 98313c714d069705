// SPDX-License-Identifier: BSD-3-Clause
// New TCP connections per second: the generator is all clients and all servers.
//
// A connection is eight segments (STAGES in tcp_run.c): handshake, one request, one response, and
// both FINs. A closed loop keeps `window` connections open; when the last ACK of one has reached
// the pod, and not before, it counts, and the next one begins with an address and port not used
// before. Every segment that arrives must be the very next one of its connection, to the bit in
// flags, sequence numbers and length; of one connection in eight all else is checked as well.
#pragma once

#include "histogram.h"
#include "link.h"

struct tcp_order {
	uint32_t window; // a power of two
	uint32_t first; // number of the first connection: later runs go on where the last one ended
	double seconds, warm_seconds;
};

struct tcp_result {
	double seconds;
	uint64_t completed;      // while measured
	uint64_t forwarded;      // segments, while measured
	uint64_t begun, lost;    // connections; whole run
	uint64_t checked, wrong; // segments
	const char *wrong_what;
	uint64_t refused;
	uint64_t empty_polls, polls;
	uint32_t next;             // the first connection number not used
	struct histogram duration; // of a whole connection, nanoseconds
};

void tcp_run(struct link *link, struct net *net, const struct tcp_order *order,
	struct tcp_result *result);
