// SPDX-License-Identifier: BSD-3-Clause
// What a worker's proxy counts. Written by the worker alone, read by anyone.
#pragma once

#include "limits.h"
#include "refusal.h"

#include <stdint.h>

struct http_counters {         // of a listener, a rule, an endpoint, or all
	uint64_t responses[5]; // 1xx to 5xx
	uint64_t bytes_in, bytes_out;
	uint64_t retries;
	uint64_t latency[SLUICE_LATENCY_BUCKETS + 1];
	uint64_t latency_sum_us;
	int64_t open; // requests now. Last: it outlives what the others are of, until they end
};

struct proxy_stats {
	uint64_t accepted, connections;     // of clients: ever, now
	uint64_t upstreams, idle_upstreams; // now
	uint64_t requests;
	uint64_t log_lines, log_lost; // lost: no room, or above the rate
	uint64_t refusals[HTTP_REFUSAL_COUNT];
	struct http_counters all;
	struct http_counters *listeners, *rules, *endpoints; // by slot
};
