// SPDX-License-Identifier: BSD-3-Clause
#include "nap.h"

#include <rte_common.h>

#define AFTER      2 // empty rounds
#define SHORT_NS   20000
#define MANY       16 // packets since the nap before: there is more to come together
#define MANY_NS    60000
#define SEGMENT_NS 4000 // for each that comes in a window
#define MORE_NS    180000
#define OTHERS     8   // of so many packets more than one is not the proxy's: they wait for nothing
#define FADE       8   // of it a window, when less comes
#define QUIET      200 // empty rounds
#define MOST_NS    400000

#define WINDOWS_A_SECOND 1000

void nap_begin(struct nap *nap, uint64_t cycles_per_second, const struct nap_facts *facts)
{
	*nap = (struct nap){
		.window_cycles = cycles_per_second / WINDOWS_A_SECOND,
		.window_begin = facts->cycles,
		.packets = facts->packets,
		.segments = facts->segments,
		.packets_before = facts->packets,
	};
}

static void close_window(struct nap *nap, const struct nap_facts *facts)
{
	uint64_t elapsed = facts->cycles - nap->window_begin;
	uint64_t packets = facts->packets - nap->packets;
	uint64_t segments = facts->segments - nap->segments;
	uint64_t windows = elapsed / nap->window_cycles;
	uint64_t more_ns = RTE_MIN(segments / windows * SEGMENT_NS, (uint64_t)MORE_NS);

	// A pause of some windows is no sign that less comes from now on.
	nap->more_ns -= nap->more_ns / FADE;
	if ((packets - RTE_MIN(segments, packets)) * OTHERS > packets)
		nap->more_ns = 0;
	else
		nap->more_ns = RTE_MAX(nap->more_ns, (uint32_t)more_ns);
	nap->window_begin = facts->cycles;
	nap->packets = facts->packets;
	nap->segments = facts->segments;
}

uint32_t nap_after(struct nap *nap, const struct nap_facts *facts)
{
	uint32_t ns = SHORT_NS + nap->more_ns;

	if (facts->cycles - nap->window_begin >= nap->window_cycles)
		close_window(nap, facts);
	if (facts->empty_rounds < AFTER)
		return 0;
	if (facts->packets - nap->packets_before >= MANY)
		ns = RTE_MAX(ns, (uint32_t)MANY_NS);
	nap->packets_before = facts->packets;
	if (facts->empty_rounds > QUIET)
		ns += RTE_MIN(facts->empty_rounds - QUIET, (unsigned)MOST_NS / 1000) * 1000;
	return RTE_MIN(ns, (uint32_t)MOST_NS);
}
