// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane counted, found by key, and as JSON. Pure; of one answer of the dataplane,
// which must outlive it.
#pragma once

#include "plan.h"
#include "publish.h"
#include "text_out.h"

#include <jansson.h>
#include <stdbool.h>

// The counters of listeners and endpoints, found by key. NULL counters when there are none.
struct counters;
struct counters *counters_new(const Sluice__Stats *stats); // NULL = out of memory
const Sluice__Counters *counters_listener(
	const struct counters *counters, const struct plan_listener *listener);
const Sluice__PoolStats *counters_pool_stats(const struct counters *counters, const char *pool);
const Sluice__ListenerStats *counters_listener_stats(
	const struct counters *counters, const struct plan_listener *listener);

// What a VIP, a listener, a pool or an endpoint carries: flows of layer 4, and what ends in the
// proxy, whose requests and answers count as bytes.
struct carried {
	uint64_t flows, flows_created;
	uint64_t packets_in, bytes_in;
	uint64_t packets_out, bytes_out;
	uint64_t requests, requests_open; // answered; without an answer now
};

// Of the i-th endpoint of a pool, whose row this is. False: none are known.
bool counters_endpoint(const Sluice__PoolStats *found, const struct plan_pool *pool, unsigned i,
	struct carried *out);
void counters_free(struct counters *counters);
// Adds; no part is nothing.
void counters_add(Sluice__Counters *sum, const Sluice__Counters *part);
// Adds what there is: either may be NULL.
void carried_add(
	struct carried *sum, const Sluice__Counters *flows, const Sluice__HttpCounters *http);
// "flows", "packets_in", ... ; nulls when carried is NULL.
void carried_json(json_t *row, const struct carried *carried);
void carried_text(struct text *text, const struct carried *carried, bool brief);
// Answered: 1xx is no answer yet.
uint64_t http_counters_requests(const Sluice__HttpCounters *counters);

// Those of rules.
struct rule_counters;
struct rule_counters *rule_counters_new(const Sluice__Stats *stats); // NULL = out of memory
const Sluice__HttpCounters *rule_counters_find(const struct rule_counters *counters,
	const struct plan_host *host, const struct plan_rule *rule);
void rule_counters_free(struct rule_counters *counters);

// "requests", "responses", ... ; nulls when counters is NULL.
void http_counters_json(json_t *row, const Sluice__HttpCounters *counters);
