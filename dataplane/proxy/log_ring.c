// SPDX-License-Identifier: BSD-3-Clause
#include "log_ring.h"

struct log_ring *log_ring_new(void)
{
	return (struct log_ring *)record_ring_new(LOG_RING_BYTES);
}

static struct record_ring *records(struct log_ring *ring)
{
	return (struct record_ring *)ring;
}

void log_ring_free(struct log_ring *ring)
{
	record_ring_free(records(ring));
}

struct log_entry *log_ring_room(struct log_ring *ring, uint32_t text_bytes)
{
	uint32_t bytes = (uint32_t)sizeof(struct log_entry) + text_bytes;

	return bytes <= LOG_ENTRY_MAX ? record_ring_room(records(ring), bytes) : NULL;
}

void log_ring_put(struct log_ring *ring, struct log_entry *entry, uint32_t text_bytes)
{
	record_ring_put(
		records(ring), &entry->head, (uint32_t)sizeof(struct log_entry) + text_bytes);
}

struct log_entry *log_ring_first(struct log_ring *ring)
{
	return record_ring_first(records(ring));
}

void log_ring_drop(struct log_ring *ring, const struct log_entry *entry)
{
	record_ring_drop(records(ring), &entry->head);
}
