// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's rows of rules, sorted once and found by what names them. See api_internal.h.
#include "api_internal.h"
#include "counters.h"

#include <stdlib.h>
#include <string.h>

struct rule_counters {
	size_t count;
	const Sluice__RuleStats *sorted[];
};

static int compare_rules(const void *left, const void *right)
{
	const Sluice__RuleStats *a = *(const Sluice__RuleStats *const *)left;
	const Sluice__RuleStats *b = *(const Sluice__RuleStats *const *)right;
	int order = strcmp(a->host, b->host);

	if (!order)
		order = strcmp(a->path, b->path);
	return order ? order : (int)a->kind - (int)b->kind;
}

struct rule_counters *rule_counters_new(const Sluice__Stats *stats)
{
	size_t count = stats ? stats->n_rules : 0;
	struct rule_counters *counters =
		calloc(1, sizeof(*counters) + count * sizeof(counters->sorted[0]));

	if (!counters)
		return NULL;
	counters->count = count;
	for (size_t i = 0; i < count; i++)
		counters->sorted[i] = stats->rules[i];
	if (count)
		qsort(counters->sorted, count, sizeof(void *), compare_rules);
	return counters;
}

void rule_counters_free(struct rule_counters *counters)
{
	free(counters);
}

const Sluice__HttpCounters *rule_counters_find(const struct rule_counters *counters,
	const struct plan_host *host, const struct plan_rule *rule)
{
	Sluice__RuleStats wanted = SLUICE__RULE_STATS__INIT;
	const Sluice__RuleStats *key = &wanted, *const * found;

	wanted.host = (char *)(uintptr_t)host->name;
	wanted.path = (char *)(uintptr_t)rule->path;
	wanted.kind = (Sluice__RuleKind)rule->kind;
	if (!counters || !counters->count)
		return NULL;
	found = bsearch(&key, counters->sorted, counters->count, sizeof(void *), compare_rules);
	return found ? (*found)->counters : NULL;
}
