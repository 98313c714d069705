// SPDX-License-Identifier: BSD-3-Clause
// How long a worker with idle = "adaptive" sleeps when nothing is there, so that packets come
// together as behind a NIC that moderates its interrupts: what is received, answered and sent at
// once costs a fraction of what one packet at a time does. Short where little comes or layer 4 is
// among it, longer the more segments end here, longest when all has been quiet.
#pragma once

#include <stdint.h>

struct nap {
	uint64_t window_cycles; // over which rates are counted
	uint64_t window_begin;
	uint64_t packets, segments; // at its begin
	uint64_t packets_before;    // at the nap before
	uint32_t more_ns;           // for the segments of the last window
};

struct nap_facts {
	uint64_t cycles;       // now
	uint64_t packets;      // received since the start
	uint64_t segments;     // of them the proxy's
	unsigned empty_rounds; // since the last that had something to do
};

void nap_begin(struct nap *nap, uint64_t cycles_per_second, const struct nap_facts *facts);
// After every round. Nanoseconds, 0: stay awake.
uint32_t nap_after(struct nap *nap, const struct nap_facts *facts);
