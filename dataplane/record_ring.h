// SPDX-License-Identifier: BSD-3-Clause
// Records of different lengths on their way from one thread to another. One thread puts, one takes;
// neither ever waits: what finds no room is lost, which the caller counts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// What every record begins with.
struct record {
	uint32_t bytes; // all of it, to the next
	bool skip;      // none: the ring's end
};

struct record_ring;

// `bytes`: a power of two. Its memory costs nothing until it is touched. NULL: no memory.
struct record_ring *record_ring_new(uint32_t bytes);
void record_ring_free(struct record_ring *ring);
// Room for a record of so many bytes; NULL: the ring is full.
void *record_ring_room(struct record_ring *ring, uint32_t bytes);
// It may be shorter than the room that was asked for.
void record_ring_put(struct record_ring *ring, struct record *record, uint32_t bytes);
void *record_ring_first(struct record_ring *ring); // NULL: there is none
void record_ring_drop(struct record_ring *ring, const struct record *record);
