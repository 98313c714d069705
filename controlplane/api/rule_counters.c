// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's rows of rules, found by the hash of what names them. See api_internal.h.
#include "api_internal.h"
#include "counters.h"
#include "index.h"

#include <stdlib.h>
#include <string.h>

struct rule_counters {
	Sluice__RuleStats *const *rules;
	struct index *by_name;
};

static uint64_t hash_of(const char *host, const char *path)
{
	return index_hash(index_hash(0, host), path);
}

struct rule_counters *rule_counters_new(const Sluice__Stats *stats)
{
	size_t count = stats ? stats->n_rules : 0;
	struct rule_counters *counters = calloc(1, sizeof(*counters));

	if (counters)
		counters->by_name = index_new(count);
	if (!counters || !counters->by_name) {
		free(counters);
		return NULL;
	}
	if (count)
		counters->rules = stats->rules;
	for (size_t i = 0; i < count; i++)
		index_add(counters->by_name,
			hash_of(counters->rules[i]->host, counters->rules[i]->path), i);
	return counters;
}

void rule_counters_free(struct rule_counters *counters)
{
	if (!counters)
		return;
	index_free(counters->by_name);
	free(counters);
}

const Sluice__HttpCounters *rule_counters_find(const struct rule_counters *counters,
	const struct plan_host *host, const struct plan_rule *rule)
{
	uint64_t hash = hash_of(host->name, rule->path);
	size_t at = 0, i;

	while (counters && index_next(counters->by_name, hash, &at, &i)) {
		const Sluice__RuleStats *row = counters->rules[i];

		if (strcmp(row->host, host->name) == 0 && strcmp(row->path, rule->path) == 0 &&
			row->kind == (Sluice__RuleKind)rule->kind)
			return row->counters;
	}
	return NULL;
}
