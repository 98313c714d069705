// SPDX-License-Identifier: BSD-3-Clause
// What a lookup of a route costs with 100 and with 10,000 hosts of 20 paths each: random hosts and
// paths among the busy ones, each one's rule known beforehand. With all of 10,000 hosts equally
// busy it is the memory's latency that is seen, as no cache holds so much. Prints a line for each;
// ends with 1 where one is wrong.
#include "clock.h"
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATHS   20
#define LOOKUPS 1000000
#define TURNS   3

static struct route_rule *rules_new(uint32_t hosts)
{
	struct route_rule *rules = calloc((size_t)hosts * PATHS, sizeof(*rules));

	if (!rules)
		return NULL;
	for (uint32_t i = 0; i < hosts * PATHS; i++) {
		char *host, *path;

		if (asprintf(&host, "app-%u.team-%u.example.com", i / PATHS, i / PATHS % 7) < 0 ||
			asprintf(&path, "/api/v%u/resource-%u", i % 3, i % PATHS) < 0)
			return NULL;
		rules[i] = (struct route_rule){
			.host = host, .path = path, .kind = ROUTE_PREFIX, .target = i};
	}
	return rules;
}

// Requests made beforehand, so that only looking up is measured.
struct request {
	char host[48], path[56];
	uint8_t host_length, path_length;
	uint32_t target;
};

static void make_requests(
	struct request *requests, uint32_t count, const struct route_rule *rules, uint32_t total)
{
	uint32_t seed = 1;

	for (uint32_t i = 0; i < count; i++) {
		struct request *it = &requests[i];

		seed = seed * 1664525 + 1013904223;
		it->target = (uint32_t)((uint64_t)seed * total >> 32);
		it->host_length =
			(uint8_t)snprintf(it->host, sizeof(it->host), "%s", rules[it->target].host);
		it->path_length = (uint8_t)snprintf(
			it->path, sizeof(it->path), "%s/items/4711", rules[it->target].path);
	}
}

static int measure(uint32_t hosts, uint32_t busy)
{
	enum {
		REQUESTS = 65536
	};
	struct request *requests = calloc(REQUESTS, sizeof(*requests));
	struct route_rule *rules = rules_new(hosts);
	struct reason reason = {0};
	struct route_table *table;
	usec_t best = UINT64_MAX, built;
	uint32_t wrong = 0;

	if (!requests || !rules)
		return 1;
	make_requests(requests, REQUESTS, rules, busy * PATHS);
	built = clock_now_us();
	if (route_build(&table, rules, hosts * PATHS, &reason))
		return 1;
	built = clock_now_us() - built;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		usec_t start = clock_now_us(), took;

		for (uint32_t i = 0; i < LOOKUPS; i++) {
			const struct request *it = &requests[i % REQUESTS];

			wrong += route_lookup(table, it->host, it->host_length, it->path,
					 it->path_length)
					 .target != it->target;
		}
		took = clock_now_us() - start;
		best = took < best ? took : best;
	}
	printf("%u hosts, %u paths each, %u hosts busy: %.0f ns a lookup, built in %.1f ms, %u "
	       "wrong\n",
		hosts, PATHS, busy, (double)best * 1000 / LOOKUPS, (double)built / 1000, wrong);
	route_free(table);
	for (uint32_t i = 0; i < hosts * PATHS; i++) {
		free((char *)rules[i].host);
		free((char *)rules[i].path);
	}
	free(rules);
	free(requests);
	return wrong || reason.count;
}

int main(void)
{
	return measure(100, 100) | measure(10000, 100) | measure(10000, 10000);
}
