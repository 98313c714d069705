// SPDX-License-Identifier: BSD-3-Clause
// The flow table of one worker: record, index, timers. One thread; no allocation after
// flow_table_new.
//
// A record is two cache lines. The first holds all that an IPv4 packet needs: the tuples as they
// arrive from either side (the header to write for one direction is the other direction's tuple,
// turned round), checksum deltas, hops, state. The second holds IPv6 addresses.
//
// The index: buckets of one line, eight 16-bit signatures and eight (record, direction) numbers. A
// key has two buckets; it goes to the first while that has room to spare, else to the emptier one.
// `spilled` counts keys of this first bucket that live in their second, so that a miss mostly costs
// one line (two-choice hashing with overflow marks).
//
// Timers: a wheel of lists; a record is looked at when its list's time comes and put off if it was
// seen since. Closed connections wait in a list of their own, oldest first, so that they can be
// taken early when room is needed. Those that a reset has closed wait in another one, longer: the
// reset may be a stranger's, and its connection goes on when it was quiet (RFC 7857 section 2.2).
#pragma once

#include <rte_common.h>
#include <stdint.h>

#include "flow.h"
#include "settings.h"

#define FLOW_BUCKET_KEYS 8
#define FLOW_WHEEL_SLOTS 1024
#define FLOW_WHEEL_TICKS 128 // a slot; 131 ms
#define FLOW_LIST_CLOSED FLOW_WHEEL_SLOTS
#define FLOW_LIST_RESET  (FLOW_WHEEL_SLOTS + 1)
#define FLOW_LISTS       (FLOW_WHEEL_SLOTS + 2)

enum flow_flag {
	FLOW_V6 = 1 << 0,
	FLOW_ONE_WAY = 1 << 1, // only the client's direction is in the index (DSR, affinity)
	FLOW_FIN_0 = 1 << 2,   // the client has closed
	FLOW_FIN_1 = 1 << 3,   // the endpoint has closed
	FLOW_RST_0 = 1 << 4,   // the client has reset
	FLOW_RST_1 = 1 << 5,
	FLOW_COUNTED = 1 << 6, // counts as a flow of its endpoint
	FLOW_ANSWERED = 1 << 7,
};

struct flow {
	struct {
		uint32_t src, dst; // network order
	} v4[2];
	union {
		struct {
			uint16_t src, dst; // network order
		};
		uint32_t both;
	} l4[2];
	uint32_t seen; // tick of the last packet
	uint8_t protocol;
	uint8_t flags;               // enum flow_flag
	uint8_t state;               // enum flow_state
	uint8_t mode;                // enum mode
	uint16_t delta_l3, delta_l4; // for packets from the client; the complement for the others
	uint32_t endpoint;           // slot
	uint16_t hop[2];             // for packets of each direction
	uint16_t fib_generation;     // that `hop` is of, its low 16 bits
	uint16_t list;               // the timer list it is in: a slot of the wheel, or FLOW_LIST_*
	uint32_t packets;
	uint32_t ack;        // TCP: what the client last acknowledged, host order
	uint32_t next, prev; // in a timer list; `next` also in the list of the free
	struct {
		uint8_t src[16], dst[16];
	} v6[2];
} __rte_cache_aligned;

_Static_assert(sizeof(struct flow) == 128, "two cache lines a flow");

struct flow_bucket {
	uint16_t signature[FLOW_BUCKET_KEYS]; // 0 = empty
	uint32_t entry[FLOW_BUCKET_KEYS];     // record << 1 | direction
	uint16_t spilled;
	uint8_t used;
} __rte_cache_aligned;

_Static_assert(sizeof(struct flow_bucket) == 64, "one cache line a bucket");

// A tuple as it arrives. Addresses point into a header, or anywhere.
struct flow_key {
	const uint8_t *src, *dst; // 4 or 16 bytes
	uint32_t ports;           // as on the wire
	uint8_t protocol;
	uint8_t family; // 4 or 6
};

struct flow_list {
	uint32_t first, last;
};

struct flow_table {
	struct flow_bucket *buckets;
	struct flow *records;
	uint32_t bucket_count;
	uint32_t capacity;
	uint32_t used;
	uint32_t free;      // first of the free list
	uint32_t untouched; // records from here on were never used
	uint64_t seed[2];
	uint32_t now;                       // tick, set by the worker once a burst
	uint32_t wheel_tick;                // the wheel has been turned to here
	uint32_t timeout[FLOW_STATE_COUNT]; // ticks
	struct flow_list lists[FLOW_LISTS]; // the wheel, the closed, the reset
	size_t bytes;                       // memory of records and buckets
};

// Memory comes from huge pages when the process has them. NULL when there is none.
struct flow_table *flow_table_new(
	uint32_t capacity, uint64_t seed, const struct timeouts_settings *timeouts);
void flow_table_free(struct flow_table *table);

// A record with everything zero, or NULL when all are in use (flow_oldest_closed() may then be
// given up). The caller fills keys, protocol, flags, state, mode, and calls flow_insert().
struct flow *flow_new(struct flow_table *table);
// Puts the record into index and timers. False (and the record is free again) when there is no
// room.
bool flow_insert(struct flow_table *table, struct flow *flow);
// Takes it out of everything.
void flow_delete(struct flow_table *table, struct flow *flow);
// The oldest closed connection, or NULL.
struct flow *flow_oldest_closed(struct flow_table *table);
// To be called when the state has changed to one with another timeout or list.
void flow_rearm(struct flow_table *table, struct flow *flow);
// The next record whose time is over, or NULL; looks at no more than `budget` records a call. The
// caller deletes it.
struct flow *flow_expired(struct flow_table *table, unsigned *budget);
// Any record by number, for sweeps and dumps; NULL when it is free.
struct flow *flow_at(struct flow_table *table, uint32_t index);
uint32_t flow_expires_ticks(const struct flow_table *table, const struct flow *flow);

struct flow *flow_find(
	const struct flow_table *table, const struct flow_key *key, uint8_t *direction);
// Key of a record's direction; points into the record.
struct flow_key flow_record_key(const struct flow *flow, unsigned direction);
void flow_set_key(struct flow *flow, unsigned direction, const struct flow_key *key);
