// SPDX-License-Identifier: BSD-3-Clause
// One plan being made. The steps, in order, each in a file of its own; plan.c calls them:
//
//	want.c      Services that are ours -> what each asks for
//	ipam.c      who gets which address
//	listener.c  listeners on those addresses, and with pool.c the endpoints behind them
//	route.c     routes to the pods of nodes
//
// Wants are in order of age (creationTimestamp, then cluster/namespace/name): who comes first wins
// what only one can have.
#pragma once

#include "limits.h"
#include "part.h"
#include "model.h"
#include "plan.h"

#define SERVICE_CLASS "sluice.dev/appliance"

enum {
	V4,
	V6,
	FAMILIES
}; // index of a family

struct weight {              // of sluice.dev/weights
	struct addr address; // all zeros: of a node
	const char *node;
	uint16_t weight;
};

struct want { // a Service that is ours
	const struct service *service;
	const char *name; // "local/default/web"
	enum mode mode;
	enum algorithm algorithm;
	unsigned port_count; // the ports we can serve
	const struct service_port **ports;
	unsigned weight_count;
	const struct weight *weights;
	const struct endpoint_slice **slices;
	unsigned slice_count;
	const char *share;                // key of metallb.io/allow-shared-ip, "" = none
	const struct pool_settings *pool; // the only one allowed, NULL = any
	bool refused;                     // asks for what cannot be: gets nothing new
	struct {                          // by family
		bool wanted, required, requested, got;
		bool failed; // the request could not be met
		struct addr request, address;
	} family[FAMILIES];
	bool denied; // malformed source ranges: nobody gets in
	unsigned source_count;
	const struct prefix *sources;
};

struct planner {
	const struct model *model;
	const struct settings *settings;
	struct arena scratch; // gone with the planner
	struct part *part;    // what is being made
	struct arena *arena;  // of the part
	struct plan *plan;
	unsigned want_count;
	struct want *wants;
	size_t node_count;
	const struct object **nodes; // sorted by cluster and name
	unsigned lease_count;
	const struct plan_lease *leases; // sorted by service and address
	struct vip_table *vips;
	unsigned endpoint_count, listener_count, route_count; // of all parts
};

// want.c
void wants_make(struct planner *p, const struct object **services, size_t service_count,
	const struct endpoint_slice **slices, size_t slice_count);
// ipam.c
void ipam_assign(struct planner *p);
bool ipam_is_vip(const struct planner *p, const struct addr *address);
const struct plan_lease *ipam_lease(
	const struct planner *p, const struct want *want, unsigned family);
bool ipam_has_family(const struct planner *p, const struct want *want, unsigned family);
// listener.c
void listeners_make(struct planner *p);
// pool.c
struct plan_pool *pool_make(struct planner *p, const struct want *want,
	const struct service_port *port, unsigned family);
// route.c
void routes_make(struct planner *p);
// plan.c
void problem_add(struct planner *p, enum problem_level level, const struct object *object,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

static inline unsigned family_of(const struct addr *address)
{
	return addr_is_v4(address) ? V4 : V6;
}

static inline const char *family_name(unsigned family)
{
	return family == V4 ? "IPv4" : "IPv6";
}
