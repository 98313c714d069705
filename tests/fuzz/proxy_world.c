// SPDX-License-Identifier: BSD-3-Clause
#include "proxy_world.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <stdlib.h>

static struct plan_rule rule_of(enum route_kind kind, const char *path, const char *rewrite)
{
	static struct plan_backend backend = {(char *)"p", 1};

	return (struct plan_rule){.kind = kind,
		.path = (char *)path,
		.object = (char *)"local/default/web",
		.backend_count = 1,
		.backends = &backend,
		.policy = {.connect_timeout_ms = 3000,
			.send_timeout_ms = 5000,
			.read_timeout_ms = 5000,
			.redirect_code = 308,
			.body_bytes = 100000,
			.retry_on = RETRY_ERROR | RETRY_TIMEOUT | RETRY_503,
			.retry_tries = 3,
			.rewrite = rewrite}};
}

static void plan(struct world *world)
{
	static struct http_site site = {.name = "main",
		.head_timeout_ms = 5000,
		.idle_timeout_ms = 5000,
		.body_timeout_ms = 5000,
		.head_bytes = 16384};
	static struct plan_upstream upstream = {.policy = {.tls_name = "",
							.hash_name = "",
							.idle_connections = 32,
							.idle_timeout_ms = 2000},
		.certificate = (char *)""};
	static struct prefix everybody;
	struct plan_rule rules[] = {rule_of(ROUTE_PREFIX, "/", NULL),
		rule_of(ROUTE_PATTERN, "/old/(.*)", "/new/$1?x=$1"),
		rule_of(ROUTE_PATTERN, "/away/(.*)", "https://b.example/$1")};
	struct plan_host host = {(char *)"main", (char *)"a.example", 3, rules};
	struct plan_change *change = change_new(0, 1);
	struct plan_listener *announced;

	change->sites = &site;
	change->site_count = 1;
	change->hosts = &host;
	change->host_count = 1;
	change_vip(change, network_ipv4.vip);
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	for (unsigned i = 0; i < 3; i++)
		change_endpoint(change, network_ipv4.pods[i], 8080, ENDPOINT_READY, 1);
	change_listener(change, network_ipv4.vip, IPPROTO_TCP, 80, "")->site = (char *)"main";
	announced = change_listener(change, network_ipv4.vip, IPPROTO_TCP, 81, "");
	announced->site = (char *)"main";
	announced->proxy_protocol = &everybody;
	announced->proxy_protocol_count = 1;
	if (prefix_parse(&everybody, network_ipv4.every) < 0 || world_apply(world, change))
		abort();
	announced->proxy_protocol = NULL;
	change_free(change);
}

struct world *proxy_world(struct rte_mempool *frames, struct rte_mempool *pool)
{
	struct world_settings settings = world_defaults;
	struct proxy_config config = {.connections = 256,
		.sessions = 64,
		.slices = 4096,
		.small_chunks = 512,
		.large_chunks = 128,
		.kept_chunks = 16,
		.idle_upstreams = 32,
		.pool = pool};
	struct world *world = world_new(&settings, frames, pool);
	struct worker *worker = world->workers[0];

	world_network(world);
	plan(world);
	worker->usec_scale = (uint64_t)(((__uint128_t)1000000 << 64) / rte_get_tsc_hz());
	world->rule.proxy_first = owner_proxy_part(&world->rule);
	config.rule = &world->rule;
	config.sources = &world->snat;
	config.transmitter = &worker->transmitter;
	config.drops = worker->counters.drops;
	worker->proxy = proxy_new(&config);
	if (!worker->proxy)
		abort();
	return world;
}
