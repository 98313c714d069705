// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane counted, found by key, and as JSON. Pure; of one answer of the dataplane,
// which must outlive it.
#pragma once

#include "plan.h"
#include "publish.h"

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
// Of the i-th endpoint of a pool. False: none are known.
bool counters_endpoint(const struct counters *counters, const struct plan_pool *pool, unsigned i,
	Sluice__Counters *out);
void counters_free(struct counters *counters);
// Adds; no part is nothing.
void counters_add(Sluice__Counters *sum, const Sluice__Counters *part);
// "flows", "packets_in", ... ; nulls when counters is NULL.
void counters_json(json_t *row, const Sluice__Counters *counters);

// Those of rules.
struct rule_counters;
struct rule_counters *rule_counters_new(const Sluice__Stats *stats); // NULL = out of memory
const Sluice__HttpCounters *rule_counters_find(const struct rule_counters *counters,
	const struct plan_host *host, const struct plan_rule *rule);
void rule_counters_free(struct rule_counters *counters);

// "requests", "responses", ... ; nulls when counters is NULL.
void http_counters_json(json_t *row, const Sluice__HttpCounters *counters);
