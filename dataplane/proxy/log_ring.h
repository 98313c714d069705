// SPDX-License-Identifier: BSD-3-Clause
// A worker's records for the access log, on their way to who writes them. One thread puts, one
// takes; neither ever waits: what finds no room is lost, which the caller counts. A record_ring.h
// of entries.
#pragma once

#include "access_log.h"
#include "addr.h"
#include "record_ring.h"

#include <stdbool.h>

#define LOG_RING_BYTES (1u << 22)
#define LOG_TEXT_MAX   2816
#define LOG_ENTRY_MAX  4096

// The texts of `record` lie in `text`, or live for ever; vip and upstream are still to be written
// out, from the addresses.
struct log_entry {
	struct record head;
	struct addr vip, upstream;
	struct access_record record;
	char text[];
};

struct log_ring;

struct log_ring *log_ring_new(void); // NULL: no memory
void log_ring_free(struct log_ring *ring);
// Room for an entry of so many bytes of text, at most; NULL: the ring is full.
struct log_entry *log_ring_room(struct log_ring *ring, uint32_t text_bytes);
void log_ring_put(struct log_ring *ring, struct log_entry *entry, uint32_t text_bytes);
struct log_entry *log_ring_first(struct log_ring *ring); // NULL: there is none
void log_ring_drop(struct log_ring *ring, const struct log_entry *entry);
