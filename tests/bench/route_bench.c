// SPDX-License-Identifier: BSD-3-Clause
// What the choice of a rule costs in the dataplane's live tables, by the number of hosts, each with
// 20 paths: hosts and paths are asked for at random, every answer is checked. `cycles` with ten
// hosts asked for, far apart in the tables; `cycles_all` with all of them, which are not all in the
// processor's caches then. Prints one JSON
// object with the cycles of the time-stamp counter a lookup, the median of many stretches, so that
// what else the machine does is not counted.
#include "change_fixture.h"
#include "tables_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x86intrin.h>

#define HOSTS_MOST 10000u
#define PATHS      20u
#define LOOKUPS    20000u
#define STRETCH    500u
#define TURNS      10u
#define STRETCHES  (TURNS * (LOOKUPS / STRETCH))

struct lookup {
	char host[40], path[40];
	size_t host_length, path_length;
	uint32_t expected; // number of the host
};

static struct lookup lookups[LOOKUPS];
static struct plan_host hosts[HOSTS_MOST];
static struct plan_rule rules[PATHS];
static char names[HOSTS_MOST][24], paths[PATHS][24];

static void must(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "route_bench: %s\n", what);
		exit(1);
	}
}

static struct tables_store *make(uint32_t count)
{
	static struct http_site site = {.name = "main", .head_bytes = 16384};
	static struct plan_backend backend = {(char *)"p", 1};
	static struct plan_upstream upstream = {
		.policy = {.tls_name = "", .hash_name = ""}, .certificate = (char *)""};
	struct tables_store *store = tables_store_new();
	struct plan_change *change = change_new(0, 1);
	struct reason reason = {0};

	for (uint32_t i = 0; i < PATHS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/team-%02u/service", i);
		rules[i] = (struct plan_rule){
			.kind = i % 4 == 3 ? ROUTE_EXACT : ROUTE_PREFIX,
			.path = paths[i],
			.object = (char *)"bench/default/web",
			.backend_count = 1,
			.backends = &backend,
			.policy = {.redirect_code = 308, .retry_tries = 3},
		};
	}
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "shop-%05u.example", i);
		hosts[i] = (struct plan_host){(char *)"main", names[i], PATHS, rules};
	}
	change->sites = &site;
	change->site_count = 1;
	change->hosts = hosts;
	change->host_count = count;
	change_vip(change, "192.0.2.1");
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_listener(change, "192.0.2.1", IPPROTO_TCP, 80, "")->site = (char *)"main";
	if (tables_apply(store, change, &reason))
		must(false, reason_text(&reason));
	change_free(change);
	return store;
}

static void ask(uint32_t count, uint32_t different)
{
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct lookup *l = &lookups[i];
		uint32_t path = (uint32_t)rand() % PATHS;

		l->expected = (uint32_t)rand() % different * (count / different);
		l->host_length =
			(size_t)snprintf(l->host, sizeof(l->host), "%s", names[l->expected]);
		l->path_length = (size_t)snprintf(l->path, sizeof(l->path), "%s%s", paths[path],
			rules[path].kind == ROUTE_PREFIX ? "/item/17" : "");
	}
}

static uint64_t stretch(const struct tables *tables, uint32_t from)
{
	uint64_t start = __rdtsc();

	for (uint32_t i = from; i < from + STRETCH; i++) {
		const struct lookup *l = &lookups[i];
		struct http_found found = tables_rule(tables, 0, l->host, l->host_length,
			(struct route_text){l->path, l->path_length});

		must((found.how == ROUTE_BY_PREFIX || found.how == ROUTE_BY_EXACT) &&
				memcmp(found.host->name, l->host, l->host_length) == 0,
			"a wrong rule");
	}
	return __rdtsc() - start;
}

static int by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static double median_cycles(const struct tables *tables)
{
	static uint64_t took[STRETCHES];
	uint64_t middle;

	for (uint32_t i = 0; i < STRETCHES; i++)
		took[i] = stretch(tables, i % (LOOKUPS / STRETCH) * STRETCH);
	qsort(took, STRETCHES, sizeof(took[0]), by_size);
	middle = took[STRETCHES / 2];
	return (double)middle / STRETCH;
}

int main(void)
{
	static const uint32_t counts[] = {10, 100, 1000, 10000};

	printf("{\"paths\": %u, \"hosts\": [", PATHS);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct tables_store *store = make(counts[i]);
		double few, all;

		ask(counts[i], 10);
		few = median_cycles(tables_current(store));
		ask(counts[i], counts[i]);
		all = median_cycles(tables_current(store));
		printf("%s{\"hosts\": %u, \"cycles\": %.1f, \"cycles_all\": %.1f}", i ? ", " : "",
			counts[i], few, all);
		tables_store_free(store);
	}
	printf("]}\n");
	return 0;
}
