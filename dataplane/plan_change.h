// SPDX-License-Identifier: BSD-3-Clause
// A transaction of the channel, checked and in C shapes, ready for tables_apply().
// Pure; hostile input. Main lcore only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fib.h"
#include "iface.h"
#include "reason.h"
#include "tables.h"

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
	// Kept by plan_change_decode(): what strings, endpoints and sources point into.
	void *message;
	struct plan_endpoint *all_endpoints;
	struct prefix *all_sources;
};

// From a serialized sluice.Transaction. `ifaces` gives the names that VIPs may refer to. NULL with
// every mistake in `reason` (at most 100).
struct plan_change *plan_change_decode(const uint8_t *bytes, size_t length,
	const struct iface *ifaces, unsigned iface_count, struct reason *reason);
void plan_change_free(struct plan_change *change);

// Builds the next snapshot and publishes it, or refuses (-EINVAL, -ENOMEM, -ESTALE when `base` is
// neither 0 nor the current generation) with the reason and changes nothing.
int tables_apply(
	struct tables_store *store, const struct plan_change *change, struct reason *reason);
// The routes of the current plan.
const struct fib_route *tables_routes(const struct tables *tables, uint32_t *count);
