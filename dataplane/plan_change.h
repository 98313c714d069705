// SPDX-License-Identifier: BSD-3-Clause
// A transaction of the channel, checked and in C shapes, ready for tables_apply().
// Pure; hostile input. Main lcore only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fib.h"
#include "iface.h"
#include "reason.h"
#include "tables_http.h"

struct plan_endpoint {
	struct addr address;
	in_port_t port;
	uint16_t weight;
	uint8_t state;
	char *name;
};

struct plan_pool {
	char *name;
	uint8_t algorithm;
	uint32_t endpoint_count;
	struct plan_endpoint *endpoints; // sorted by address and port, no two equal
	struct plan_upstream *upstream;  // NULL: not the proxy's
};

struct plan_upstream {
	struct upstream_policy policy; // without `certificate`
	char *certificate;             // name, "" = none
};

struct plan_listener {
	struct addr vip;
	in_port_t port;
	uint8_t protocol;
	uint8_t mode;
	uint32_t affinity_s;
	char *service;
	char *pool;
	uint32_t source_count;
	struct prefix *sources;
	char *site; // NULL: layer 4; with it `pool` is ""
	bool tls;
	uint32_t proxy_protocol_count, trusted_count;
	struct prefix *proxy_protocol, *trusted;
};

struct plan_backend {
	char *pool;
	uint32_t weight;
};

struct plan_rule {
	enum route_kind kind;
	char *path, *object;
	uint32_t backend_count;
	struct plan_backend *backends;
	struct rule_policy policy; // strings NULL where there are none
};

struct plan_host {
	char *site, *name;
	uint32_t rule_count;
	struct plan_rule *rules;
};

struct plan_server_name {
	char *site, *name, *object;
	uint32_t certificate_count, backend_count;
	char **certificates;
	struct plan_backend *backends;
};

struct plan_bytes {
	const uint8_t *data;
	size_t length;
};

struct plan_certificate {
	char *name;
	struct plan_bytes chain, key, ocsp;
	struct tls_identity *identity; // read ahead; NULL: tables_apply() does
};

struct plan_host_key {
	char *site, *name;
};

struct plan_listener_key {
	struct addr vip;
	in_port_t port;
	uint8_t protocol;
};

struct plan_vip {
	struct addr address;
	bool owned;
	uint64_t ifaces;
};

struct plan_change {
	uint64_t base, generation;
	uint32_t vip_count, listener_count, pool_count, route_count;
	struct plan_vip *vips;
	struct plan_listener *listeners;
	struct plan_pool *pools;
	struct fib_route *routes; // iface is not set: the kernel finds it
	uint32_t vip_removed_count, listener_removed_count, pool_removed_count, route_removed_count;
	struct addr *vips_removed;
	struct plan_listener_key *listeners_removed;
	char **pools_removed;
	struct prefix *routes_removed;
	uint32_t site_count, host_count, server_name_count, certificate_count;
	struct http_site *sites; // slots are not set
	struct plan_host *hosts;
	struct plan_server_name *server_names;
	struct plan_certificate *certificates;
	uint32_t certificates_ahead; // so many were read ahead, or need not be
	uint32_t site_removed_count, host_removed_count, server_name_removed_count,
		certificate_removed_count;
	char **sites_removed;
	struct plan_host_key *hosts_removed, *server_names_removed;
	char **certificates_removed;
	// Kept by plan_change_decode(): what strings, endpoints and sources point into.
	void *message;
	struct plan_endpoint *all_endpoints;
	struct prefix *all_sources;
	struct plan_rule *all_rules;
	struct plan_backend *all_backends;
	struct plan_upstream *all_upstreams;
};

// From a serialized sluice.Transaction. `ifaces` gives the names that VIPs may refer to. NULL with
// every mistake in `reason` (at most 100).
struct plan_change *plan_change_decode(const uint8_t *bytes, size_t length,
	const struct iface *ifaces, unsigned iface_count, struct reason *reason);
void plan_change_free(struct plan_change *change);

// Reads at most so many of the change's certificates ahead of tables_apply(), to which it is left
// to say what is wrong with one. False: there are more. What was read is given back by
// tables_unprepare(), before plan_change_free().
bool tables_prepare(const struct tables_store *store, struct plan_change *change, unsigned most);
void tables_unprepare(struct plan_change *change);
// Builds the next snapshot and publishes it, or refuses (-EINVAL, -ENOMEM, -ESTALE when `base` is
// neither 0 nor the current generation) with the reason and changes nothing.
int tables_apply(
	struct tables_store *store, const struct plan_change *change, struct reason *reason);
// The routes of the current plan.
const struct fib_route *tables_routes(const struct tables *tables, uint32_t *count);
