// SPDX-License-Identifier: BSD-3-Clause
#include "log_ring.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LINE 64

struct log_ring {
	char *memory;
	_Alignas(LINE) uint64_t put; // bytes ever
	uint64_t taken_seen;         // by who puts
	_Alignas(LINE) uint64_t taken;
};

static uint32_t entry_bytes(uint32_t text_bytes)
{
	uint32_t bytes = (uint32_t)sizeof(struct log_entry) + text_bytes;

	return (bytes + LINE - 1) / LINE * LINE;
}

struct log_ring *log_ring_new(void)
{
	struct log_ring *ring = aligned_alloc(LINE, sizeof(*ring));

	if (!ring)
		return NULL;
	*ring = (struct log_ring){0};
	ring->memory = mmap(NULL, LOG_RING_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ring->memory != MAP_FAILED)
		return ring;
	free(ring);
	return NULL;
}

void log_ring_free(struct log_ring *ring)
{
	if (!ring)
		return;
	munmap(ring->memory, LOG_RING_BYTES);
	free(ring);
}

struct log_entry *log_ring_room(struct log_ring *ring, uint32_t text_bytes)
{
	uint32_t bytes = entry_bytes(text_bytes);
	uint32_t at = (uint32_t)(ring->put % LOG_RING_BYTES);
	uint32_t skip = LOG_RING_BYTES - at < bytes ? LOG_RING_BYTES - at : 0;
	struct log_entry *entry;

	if (bytes > LOG_ENTRY_MAX)
		return NULL;
	if (ring->put + skip + bytes - ring->taken_seen > LOG_RING_BYTES) {
		ring->taken_seen = __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE);
		if (ring->put + skip + bytes - ring->taken_seen > LOG_RING_BYTES)
			return NULL;
	}
	if (skip) {
		// An entry's head fits in a line, so it fits in what is left.
		entry = (struct log_entry *)(ring->memory + at);
		entry->bytes = skip;
		entry->skip = true;
		__atomic_store_n(&ring->put, ring->put + skip, __ATOMIC_RELEASE);
		at = 0;
	}
	return (struct log_entry *)(ring->memory + at);
}

void log_ring_put(struct log_ring *ring, struct log_entry *entry, uint32_t text_bytes)
{
	entry->bytes = entry_bytes(text_bytes);
	entry->skip = false;
	__atomic_store_n(&ring->put, ring->put + entry->bytes, __ATOMIC_RELEASE);
}

struct log_entry *log_ring_first(struct log_ring *ring)
{
	while (ring->taken != __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE)) {
		struct log_entry *entry =
			(struct log_entry *)(ring->memory + ring->taken % LOG_RING_BYTES);

		if (!entry->skip)
			return entry;
		log_ring_drop(ring, entry);
	}
	return NULL;
}

void log_ring_drop(struct log_ring *ring, const struct log_entry *entry)
{
	__atomic_store_n(&ring->taken, ring->taken + entry->bytes, __ATOMIC_RELEASE);
}
