// SPDX-License-Identifier: BSD-3-Clause
#include "proxy_world.h"

#include "proxy_parts.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

static struct plan_rule rule_of(enum route_kind kind, const char *path, const char *rewrite)
{
	static struct plan_backend backend = {(char *)"p", 1}, sealed = {(char *)"s", 1};

	return (struct plan_rule){.kind = kind,
		.path = (char *)path,
		.object = (char *)"local/default/web",
		.backend_count = 1,
		.backends = strcmp(path, "/sealed") == 0 ? &sealed : &backend,
		.policy = {.connect_timeout_ms = 3000,
			.send_timeout_ms = 5000,
			.read_timeout_ms = 5000,
			.redirect_code = 308,
			.body_bytes = 100000,
			.retry_on = RETRY_ERROR | RETRY_TIMEOUT | RETRY_503,
			.retry_tries = 3,
			.rewrite = rewrite}};
}

static void plan(struct world *world, const char *chain, const char *key)
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
	static struct plan_upstream sealed;
	static struct prefix everybody;
	struct plan_rule rules[] = {rule_of(ROUTE_PREFIX, "/", NULL),
		rule_of(ROUTE_PATTERN, "/old/(.*)", "/new/$1?x=$1"),
		rule_of(ROUTE_PATTERN, "/away/(.*)", "https://b.example/$1"),
		rule_of(ROUTE_PREFIX, "/sealed", NULL)};
	struct plan_host host = {(char *)"main", (char *)"a.example", 4, rules};
	struct plan_certificate certificate = {.name = (char *)"c",
		.chain = {(const uint8_t *)chain, strlen(chain)},
		.key = {(const uint8_t *)key, strlen(key)}};
	char *certificates[] = {certificate.name};
	struct plan_server_name name = {.site = (char *)"main",
		.name = (char *)"a.example",
		.object = (char *)"",
		.certificate_count = 1,
		.certificates = certificates};
	struct plan_change *change = change_new(0, 1);
	struct plan_listener *announced, *secure;

	change->sites = &site;
	change->site_count = 1;
	change->hosts = &host;
	change->host_count = 1;
	change_vip(change, network_ipv4.vip);
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN)->upstream = &upstream;
	for (unsigned i = 0; i < 3; i++)
		change_endpoint(change, network_ipv4.pods[i], 8080, ENDPOINT_READY, 1);
	sealed = upstream;
	sealed.policy.tls = true;
	change_pool(change, "s", ALGORITHM_ROUND_ROBIN)->upstream = &sealed;
	for (unsigned i = 0; i < 3; i++)
		change_endpoint(change, network_ipv4.pods[i], 8443, ENDPOINT_READY, 1);
	change->certificates = &certificate;
	change->certificate_count = 1;
	change->server_names = &name;
	change->server_name_count = 1;
	change_listener(change, network_ipv4.vip, IPPROTO_TCP, 80, "")->site = (char *)"main";
	secure = change_listener(change, network_ipv4.vip, IPPROTO_TCP, 443, "");
	secure->site = (char *)"main";
	secure->tls = true;
	announced = change_listener(change, network_ipv4.vip, IPPROTO_TCP, 81, "");
	announced->site = (char *)"main";
	announced->proxy_protocol = &everybody;
	announced->proxy_protocol_count = 1;
	if (prefix_parse(&everybody, network_ipv4.every) < 0 || world_apply(world, change))
		abort();
	announced->proxy_protocol = NULL;
	change_free(change);
}

struct world *proxy_world(
	struct rte_mempool *frames, struct rte_mempool *pool, const char *chain, const char *key)
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
	plan(world, chain, key);
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

static uint32_t in_use(const struct pieces *pieces)
{
	uint32_t free_ones = 0;

	for (void *piece = pieces->free; piece; piece = *(void **)piece)
		free_ones++;
	return pieces->used - free_ones;
}

bool proxy_world_idle(const struct world *world)
{
	const struct proxy *proxy = world->workers[0]->proxy;
	uint32_t connections, waits, blocks;

	tcp_usage(proxy->tcp, &connections, &waits, &blocks);
	return !connections && !waits && !blocks && !proxy->stats.connections &&
	       !proxy->stats.upstreams;
}

const char *proxy_world_left(const struct world *world)
{
	const struct proxy *proxy = world->workers[0]->proxy;

	if (in_use(&proxy->sessions) || in_use(&proxy->upstreams))
		return "no session and no upstream is left";
	if (in_use(&proxy->slices) || in_use(&proxy->small) || in_use(&proxy->large) ||
		in_use(&proxy->kept))
		return "no slice and no chunk is left";
	for (uint32_t i = 0; i < 8; i++)
		if (proxy->load[i])
			return "no request is under way";
	return NULL;
}
