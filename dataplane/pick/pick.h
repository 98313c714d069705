// SPDX-License-Identifier: BSD-3-Clause
// New flow -> endpoint. Pure: a pool, a key and this worker's own state in, a member index out.
//
// A kind is a `const struct pick_kind`, one file each, listed in pick.c. Kinds that remember
// something between picks keep it in struct pick_state, one a worker and pool slot, zeroed at
// first. No allocation, no lock. Kinds only choose among the first pool->ready_count members.
#pragma once

#include <stdint.h>

#include "tables.h"

struct pick_state {
	uint32_t next;  // how many picks were made, and where the first one was
	uint32_t begun; // 0 until the first pick: it decides where this worker begins
};

struct pick_key {
	uint64_t tuple;  // what is hashed, or chance, for kinds of the proxy; else a hash of client
			 // address, client port, vip, port: the same on any box
	uint64_t client; // hash of the client address alone: the same on any box
};

struct pick_load { // this worker's flows, or requests, an endpoint slot
	const uint32_t *flows;
	uint32_t count;
	const uint32_t *latency_us; // moving averages, likewise; NULL outside the proxy
};

struct pick_kind {
	const char *name;
	uint32_t (*pick)(const struct pool *pool, const struct pick_key *key,
		struct pick_state *state, const struct pick_load *load);
};

// A member index below pool->ready_count, or UINT32_MAX when no member is ready.
uint32_t pick_endpoint(const struct pool *pool, const struct pick_key *key,
	struct pick_state *state, const struct pick_load *load);
