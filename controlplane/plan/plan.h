// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane shall do, and why: plan = f(model, settings, leases).
//
// Pure: the same input gives the same plan, byte for byte, whatever the order in which objects
// came. Arrays are sorted by key. Each row names the object that caused it, for `explain` and `show
// problems`. A plan is immutable; the one before is kept until the next is published.
// Successive plans share what did not change: rows at the same address are the same, and when two
// plans have the same array, all of it is.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "plan_http.h"
#include "settings.h"

struct model;
struct planning;

enum endpoint_state {
	ENDPOINT_READY = 1,
	ENDPOINT_DRAINING = 2
}; // the numbers of channel.proto

struct plan_endpoint {
	struct addr address;
	uint16_t port; // host order
	uint16_t weight;
	enum endpoint_state state;
	char *name; // pod or node
};

struct plan_pool {
	// "cluster/namespace/service:tcp:80", for IPv6 with ":6" behind it; the proxy's:
	// "cluster/namespace/service:80:http", with more behind it where it is spoken with
	// otherwise
	char *name;
	enum algorithm algorithm;
	unsigned endpoint_count;
	struct plan_endpoint *endpoints;
	struct plan_check *check;             // how they are tried out; NULL = they are not
	const struct plan_upstream *upstream; // of the proxy's pools; NULL = of layer 4
};

struct plan_check { // by health/
	enum health_kind kind;
	uint32_t interval_ms, timeout_ms, rise, fall;
	uint16_t port; // 0 = the endpoint's own
	char *path, *host;
};

struct plan_listener {
	struct addr vip;
	uint8_t protocol; // IPPROTO_TCP, IPPROTO_UDP
	uint16_t port;    // host order
	char *service;    // "cluster/namespace/name"
	char *pool;
	enum mode mode;
	uint32_t affinity_s;
	unsigned source_count;
	struct prefix *sources;
	const struct plan_http_listener *http; // the proxy takes the connections; NULL = layer 4
};

struct plan_vip {
	struct addr address;
	char *pool; // of addresses, in sluice.conf; "" = a gateway of the pair's: no Service has it
	bool shared; // by more than one Service
	unsigned interface_count;
	char **interfaces;
	unsigned service_count;
	char **services;
};

struct plan_route {
	struct prefix to;
	struct addr via;
	char *node;
};

struct plan_cluster { // one that has told its nodes
	char *name;
	enum endpoint_mode asked, endpoints; // by sluice.conf; as it is: pod or nodeport
	char *why;
	unsigned node_count, nodes_ready;
};

enum problem_level {
	PROBLEM_WARNING,
	PROBLEM_ERROR
};

struct plan_problem {
	enum problem_level level;
	char *object; // "Service local/default/web", or a file
	char *where;  // "/etc/sluice/manifests/web.yaml:12", or ""
	char *text;   // what is wrong and how to mend it
};

// Which address a Service has: sticky, written down before it is used. Kept by store.c.
struct plan_lease {
	char *service; // "cluster/namespace/name"
	struct addr address;
};

struct plan {
	unsigned vip_count, listener_count, pool_count, route_count, problem_count, lease_count,
		cluster_count;
	struct plan_vip **vips;
	struct plan_listener **listeners;
	struct plan_pool **pools;
	struct plan_route **routes;
	struct plan_problem **problems;
	struct plan_cluster **clusters;
	unsigned site_count, host_count, server_name_count, certificate_count, ingress_count;
	struct plan_site **sites;
	struct plan_host **hosts;
	struct plan_server_name **server_names;
	struct plan_certificate **certificates;
	struct plan_ingress **ingresses;
	// Who is told where VIPs are is no matter of the plan: this is filled in when it is made.
	bool *owned; // by index in vips: answered for by this box; NULL = all; goes with the plan
	struct plan_lease *leases; // to be kept from now on, those of Services that are gone too
};

enum row_kind {
	ROW_VIP,
	ROW_LISTENER,
	ROW_POOL,
	ROW_ROUTE,
	ROW_PROBLEM,
	ROW_CLUSTER,
	ROW_SITE,
	ROW_HOST,
	ROW_SERVER_NAME,
	ROW_CERTIFICATE,
	ROW_INGRESS,
};
#define ROW_KINDS (ROW_INGRESS + 1)

struct plan_rows { // sorted by key
	unsigned count;
	void **list;
};

// By what a plan differs from the one before it; a row may be in both lists, made again.
struct plan_delta {
	bool all; // nobody knows: everything may differ
	struct plan_rows gone[ROW_KINDS], added[ROW_KINDS];
};

// `leases` are those of the last plan (or of the disk). NULL only when out of memory.
struct plan *plan_make(const struct model *model, const struct settings *settings,
	const struct plan_lease *leases, unsigned lease_count);
void plan_free(struct plan *plan); // also one of plan_next()

// The same plan at the cost of what has changed since the last one: what was made of objects that
// did not change is kept. Model, settings and leases that are others than before are told apart by
// their addresses.
struct planning *planning_new(void);
struct plan *plan_next(struct planning *planning, const struct model *model,
	const struct settings *settings, const struct plan_lease *leases, unsigned lease_count);
// Of the plan that was given last; with its rows, until the next is made or that plan is freed.
const struct plan_delta *planning_delta(const struct planning *planning);
// Who fails a check, asked while a plan is made; the answers are facts as the leases are. After
// planning_checks_changed() they may be others.
typedef bool (*plan_failed_fn)(
	const void *arg, const struct plan_check *check, const struct addr *address, uint16_t port);
void planning_ask_checks(struct planning *planning, plan_failed_fn failed, const void *arg);
void planning_checks_changed(struct planning *planning);
// Who shall get no new connections, asked likewise; after planning_drains_changed() others.
typedef bool (*plan_drained_fn)(const void *arg, const struct addr *address, uint16_t port);
void planning_ask_drains(struct planning *planning, plan_drained_fn drained, const void *arg);
void planning_drains_changed(struct planning *planning);
// Which clusters get nothing new, likewise; after a change of the answers, planning_forget().
typedef bool (*plan_cluster_drained_fn)(const void *arg, const char *cluster);
void planning_ask_cluster_drains(
	struct planning *planning, plan_cluster_drained_fn drained, const void *arg);
// Whether a Service of a cluster that nobody has given an address is given one by this box. One
// that waits for the other of a pair is asked for again after planning_gives_changed().
typedef bool (*plan_gives_fn)(void *arg);
void planning_ask_gives(struct planning *planning, plan_gives_fn gives, void *arg);
void planning_gives_changed(struct planning *planning);
// Nothing is taken from the plans before: the settings or the model are about to go.
void planning_forget(struct planning *planning);
void planning_free(struct planning *planning); // its plans stay until they are freed
// One line a row, by kind and key: for people, and for comparing plans.
void plan_print(const struct plan *plan, FILE *stream);
