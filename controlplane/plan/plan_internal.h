// SPDX-License-Identifier: BSD-3-Clause
// One plan being made. The steps, in order, each in a file of its own; plan.c calls them:
//
//	want.c      Services that are ours -> what each asks for
//	ipam.c      who gets which address
//	listener.c  listeners on those addresses, and with pool.c the endpoints behind them
//	route.c     routes to the pods of nodes
//
// Wants are in order of age (creationTimestamp, then cluster/namespace/name): who comes first wins
// what only one can have. What a step gave is kept (planning.h) and made again when what it was
// made of has changed.
#pragma once

#include "limits.h"
#include "model.h"
#include "part.h"
#include "plan.h"
#include "settings.h"

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

// A Service that is ours. What it asks for lies in its own memory, but for `service` and
// `slices`, which are the model's.
struct want {
	struct arena arena;
	const struct service *service;
	const char *name; // "local/default/web"
	int64_t created;
	unsigned line; // of the object, as its problems tell it
	const char *origin;
	enum mode mode;
	enum algorithm algorithm;
	unsigned port_count; // the ports we can serve
	struct service_port *ports;
	unsigned weight_count;
	const struct weight *weights;
	const struct endpoint_slice **slices; // only while it is being made
	unsigned slice_count;
	const char *share;                // key of metallb.io/allow-shared-ip, "" = none
	const struct pool_settings *pool; // the only one asked for, NULL = any
	unsigned open_count;
	bool *open;   // by pool: it is for Services like this one; NULL: all are
	bool refused; // asks for what cannot be: gets nothing new
	struct {      // by family
		bool wanted, required, requested, got;
		bool failed; // the request could not be met
		bool waits;  // for the other box of the pair to give it one
		bool had;    // before this plan, and which
		struct addr request, address, before;
	} family[FAMILIES];
	bool by_client_ip; // affinity
	bool proxied;      // its endpoints are the proxy's
	bool front;        // of the Ingresses, which come after all Services
	bool placing;      // it is new or asks for something else: among planner.placing
	bool in_want;      // it has not all that it asks for, and was perhaps told so
	bool denied;       // malformed source ranges: nobody gets in
	unsigned source_count;
	const struct prefix *sources;

	const struct share_settings *share_group; // of Services of several clusters; NULL = none
	struct want *leader; // the one of them that is asked and served for all; NULL = this

	struct part *told;   // what is wrong with it
	struct part *served; // its listeners and pools
	unsigned endpoint_count, listener_count;
	struct plan_check *check; // NULL: none
	bool asks_nodes;          // its nodes say by themselves whether they have a pod
	bool near_vips;           // some endpoint lies where VIPs are given
	bool lease_changed;       // since it was made
	bool waits;               // to be served anew
	struct part *next_served;
	uint64_t made_for; // number of the plan
	struct want *next; // in its bucket
};

struct planner {
	struct planning *kept;
	const struct model *model;
	const struct settings *settings;
	struct arena scratch; // gone with the planner
	struct part *part;    // what is being made
	struct arena *arena;  // of the part
	unsigned want_count;
	struct want **wants; // in order of age
	size_t node_count;
	const struct object **nodes; // sorted by cluster and name
	unsigned lease_count;
	const struct plan_lease *leases; // sorted by service and address
	struct vip_table *vips;
	const struct plan_rows *vip_rows; // sorted
	struct plan_lease *next_leases;
	unsigned next_lease_count;
	unsigned endpoint_count, listener_count, route_count; // of all parts
	bool reassign, nodes_changed, dnat_changed;           // what must be made again
	struct want **placing; // those that may get another address than before
	unsigned placing_count;
	struct addr *left; // what those had that are gone
	unsigned left_count;
	bool want_ended; // one in want is gone
	bool squeezed;   // there was no room for all endpoints or listeners
	struct owner_rules *rules;
	bool front_changed;          // all that the proxy serves must be made again
	struct front_member **loose; // Ingresses that must (front_knot.h)
	unsigned loose_count;
};

// want.c
bool want_is_ours(const struct planner *p, const struct service *service);
struct want *want_make(struct planner *p, const struct service *service);
void want_free(struct want *want);
// Of one that asks for nothing but endpoints for the proxy.
struct want *want_make_proxied(struct planner *p, const struct service *service);
// Nothing that ipam.c looks at differs.
bool want_asks_same(const struct want *a, const struct want *b);
int want_compare_ages(const void *left, const void *right); // pointers to pointers
// The slices of the Service, in scratch.
void want_find_slices(struct planner *p, struct want *want);
// check.c
void check_read(struct planner *p, struct want *want);
// ipam.c
void ipam_assign(struct planner *p);
// ipam_few.c: the same where nobody but planner.placing can get anything else than before. False:
// it cannot be told, and nothing has changed.
bool ipam_few(struct planner *p);
// Before anybody is placed; and when all are: keeps who is in want, and of what.
void ipam_few_begin(struct want *want);
void ipam_few_keep(struct planner *p);
// Its cluster says another address than it has, and it may be that one.
bool ipam_is_elsewhere(const struct want *want);
const struct plan_lease *ipam_lease(
	const struct planner *p, const struct want *want, unsigned family);
// Some pool of addresses has it.
bool ipam_may_give(const struct planner *p, const struct addr *address);
bool ipam_has_family(const struct planner *p, const struct want *want, unsigned family);
// listener.c
void listeners_make(struct planner *p, struct want *want);
// Without them no two Services are looked at together.
struct owner_rules *owner_rules_make(struct planner *p);
// pool.c
struct plan_pool *pool_make(
	struct planner *p, struct want *want, const struct service_port *port, unsigned family);
// front.c
void front_listeners_make(struct planner *p, struct want *want);
// route.c
void routes_make(struct planner *p);
// plan.c
void problem_add(struct planner *p, enum problem_level level, const struct object *object,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

// Its status says which address it has, to everybody; a file's does not.
static inline bool want_is_of_api(const struct want *want)
{
	return want->line == 0 && !want->front;
}

static inline unsigned family_of(const struct addr *address)
{
	return addr_is_v4(address) ? V4 : V6;
}

static inline const char *family_name(unsigned family)
{
	return family == V4 ? "IPv4" : "IPv6";
}
