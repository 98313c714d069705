// SPDX-License-Identifier: BSD-3-Clause
// What the files share that fill in the channel's Stats. Main lcore.
#pragma once

#include "dataplane.h"

// Everything of one answer is freed together.
struct answer {
	struct answer_block *blocks; // the newest first
	unsigned char *next;         // in the newest that is shared
	size_t left;                 // there
	bool failed;
};

// stats_answer.c
void *answer_alloc(struct answer *answer, size_t size); // zeroed
void answer_free(struct answer *answer);
char *answer_text(const char *constant); // protobuf-c reads it only

// stats_http.c
void stats_http(
	const struct dataplane *dataplane, struct answer *answer, Sluice__Stats *stats, bool rules);
Sluice__HttpCounters *stats_http_endpoint(
	const struct dataplane *dataplane, struct answer *answer, uint32_t slot);
Sluice__HttpCounters *stats_http_pool(
	const struct dataplane *dataplane, struct answer *answer, const struct pool *pool);
// `http_numbers` of each endpoint of the pool.
void stats_http_members(const struct dataplane *dataplane, struct answer *answer,
	const struct pool *pool, Sluice__PoolStats *row);
Sluice__HttpCounters *stats_http_listener(
	const struct dataplane *dataplane, struct answer *answer, uint32_t slot);
