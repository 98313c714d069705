// SPDX-License-Identifier: BSD-3-Clause
#include "record_ring.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LINE 64

struct record_ring {
	char *memory;
	uint32_t bytes;
	_Alignas(LINE) uint64_t put; // bytes ever
	uint64_t taken_seen;         // by who puts
	_Alignas(LINE) uint64_t taken;
};

static uint32_t whole_lines(uint32_t bytes)
{
	return (bytes + LINE - 1) / LINE * LINE;
}

struct record_ring *record_ring_new(uint32_t bytes)
{
	struct record_ring *ring = aligned_alloc(LINE, sizeof(*ring));

	if (!ring)
		return NULL;
	*ring = (struct record_ring){.bytes = bytes};
	ring->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ring->memory != MAP_FAILED)
		return ring;
	free(ring);
	return NULL;
}

void record_ring_free(struct record_ring *ring)
{
	if (!ring)
		return;
	munmap(ring->memory, ring->bytes);
	free(ring);
}

void *record_ring_room(struct record_ring *ring, uint32_t bytes)
{
	uint32_t lines = whole_lines(bytes);
	uint32_t at = (uint32_t)(ring->put % ring->bytes);
	uint32_t skip = ring->bytes - at < lines ? ring->bytes - at : 0;
	struct record *record;

	if (ring->put + skip + lines - ring->taken_seen > ring->bytes) {
		ring->taken_seen = __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE);
		if (ring->put + skip + lines - ring->taken_seen > ring->bytes)
			return NULL;
	}
	if (skip) {
		// A record's head fits in a line, so it fits in what is left.
		record = (struct record *)(ring->memory + at);
		record->bytes = skip;
		record->skip = true;
		__atomic_store_n(&ring->put, ring->put + skip, __ATOMIC_RELEASE);
		at = 0;
	}
	return ring->memory + at;
}

void record_ring_put(struct record_ring *ring, struct record *record, uint32_t bytes)
{
	record->bytes = whole_lines(bytes);
	record->skip = false;
	__atomic_store_n(&ring->put, ring->put + record->bytes, __ATOMIC_RELEASE);
}

void *record_ring_first(struct record_ring *ring)
{
	while (ring->taken != __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE)) {
		struct record *record = (struct record *)(ring->memory + ring->taken % ring->bytes);

		if (!record->skip)
			return record;
		record_ring_drop(ring, record);
	}
	return NULL;
}

void record_ring_drop(struct record_ring *ring, const struct record *record)
{
	__atomic_store_n(&ring->taken, ring->taken + record->bytes, __ATOMIC_RELEASE);
}
