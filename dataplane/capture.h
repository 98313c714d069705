// SPDX-License-Identifier: BSD-3-Clause
// Frames that somebody wants to see, copied on their way: one lane a worker, of which it has a
// pointer while a capture runs and NULL else, so that all it costs then is a look at that pointer,
// a burst. A worker never waits: what finds no room is lost, and counted.
//
// Lanes are the main lcore's, which makes them, takes what is in them, and frees them when every
// worker has been quiescent (capture_request.c).
#pragma once

#include <rte_mbuf.h>
#include <stdint.h>

#include "capture_filter.h"
#include "drop.h"
#include "limits.h"
#include "record_ring.h"

#define CAPTURE_RING_BYTES (1u << 22) // a lane
#define CAPTURE_FRAME_MAX  (SLUICE_MTU_MAX + 128)
#define CAPTURE_LANES      (SLUICE_WORKERS_MAX + 1) // the last is the main lcore's

struct captured {
	struct record record;
	uint8_t stage; // enum capture_stage
	uint8_t drop;  // enum drop
	uint16_t port; // its index
	uint16_t length, kept;
	uint64_t tsc;
	uint8_t frame[];
};

struct trace_burst;

struct capture_lane {
	const struct capture_filter *filter;
	struct record_ring *ring;
	uint32_t left; // so many more are wanted at most
	// NULL: frames. Else the way of packets is noted, and no frames are (trace.h).
	struct trace_burst *burst;
	uint64_t lost;
} __rte_cache_aligned;

struct capture {
	struct capture_filter filter;
	struct capture_lane lanes[CAPTURE_LANES];
};

// Those of a burst that fit. They stay the caller's.
void capture_frames(struct capture_lane *lane, enum capture_stage stage, uint16_t port,
	struct rte_mbuf *const *mbufs, unsigned n);
// One that is dropped, before it is freed. `family` 4 or 6: its Ethernet header may not be written
// yet; its type is then.
void capture_drop(struct capture_lane *lane, uint16_t port, struct rte_mbuf *mbuf, uint8_t family,
	enum drop drop);
