// SPDX-License-Identifier: BSD-3-Clause
// The objects we know, typed, with what is wrong with those we could not take.
//
// Sources (cluster/) fill it, plan/ reads it. Objects are known by kind and name, and belong to an
// origin, the file or the watch: all that one holds is said at once (model_replace). Of one object
// in two origins of a cluster that counts whose origin sorts first. No I/O, no clock. Loop thread.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "arena.h"
#include "told.h"

enum object_kind {
	OBJECT_SERVICE,
	OBJECT_ENDPOINT_SLICE,
	OBJECT_NODE,
	OBJECT_INGRESS,
	OBJECT_INGRESS_CLASS,
	OBJECT_SECRET,
};
#define OBJECT_KINDS (OBJECT_SECRET + 1)

enum service_type {
	SERVICE_CLUSTER_IP,
	SERVICE_NODE_PORT,
	SERVICE_LOAD_BALANCER,
	SERVICE_EXTERNAL_NAME,
};

enum family {
	FAMILY_NONE,
	FAMILY_V4,
	FAMILY_V6
};
enum family_policy {
	FAMILY_POLICY_NONE,
	FAMILY_SINGLE,
	FAMILY_PREFER_DUAL,
	FAMILY_REQUIRE_DUAL
};

struct label { // or annotation
	const char *key, *value;
};

// Head of every object. Everything in it, and the object itself, lives in its arena.
struct object {
	enum object_kind kind;
	const char *cluster, *namespace, *name, *uid; // namespace is "" for a Node
	int64_t created; // creationTimestamp, seconds of the epoch; INT64_MAX = not said
	unsigned line;   // in its file; 0 = not from a file
	unsigned label_count, annotation_count;
	const struct label *labels, *annotations; // only those that some part of us reads
	struct arena arena;
	uint64_t digest, told;       // see told.h; 0 = not known
	struct object_status status; // likewise
	const char *origin;          // this and what follows is the model's own
	bool stays;
	struct object *next_in_origin, *next_of_name, *next_in_bucket, *next_of_service;
};

struct service_port {
	const char *name;          // "" = unnamed
	const char *protocol_text; // as written, "SCTP"
	uint8_t protocol;          // IPPROTO_TCP, IPPROTO_UDP, or IPPROTO_SCTP
	uint16_t port;
	uint16_t node_port;      // 0 = none
	uint16_t target;         // 0: by name, or not said
	const char *target_name; // "" = by number, or not said
	unsigned line;
};

struct service {
	struct object object;
	enum service_type type;
	const char *class;     // loadBalancerClass; "" = none
	const char *requested; // loadBalancerIP; "" = none
	unsigned port_count;
	const struct service_port *ports;
	unsigned family_count; // ipFamilies
	enum family families[2];
	enum family_policy family_policy;
	bool client_ip_affinity;
	uint32_t affinity_s;
	bool publish_not_ready;
	bool local_only;      // externalTrafficPolicy: Local
	bool no_node_ports;   // allocateLoadBalancerNodePorts: false
	uint16_t health_port; // healthCheckNodePort; 0 = none
	bool has_sources;     // loadBalancerSourceRanges was given and not empty
	unsigned source_count;
	const char *const *sources; // as written: plan/ decides what a malformed one means
};

enum endpoint_condition { // absent conditions are already filled in as Kubernetes says
	ENDPOINT_IS_READY = 1 << 0,
	ENDPOINT_IS_SERVING = 1 << 1,
	ENDPOINT_IS_TERMINATING = 1 << 2,
};

struct slice_endpoint {
	struct addr address;
	uint8_t conditions; // enum endpoint_condition
	const char *node;   // "" = not said
	const char *name;   // of the pod, or the hostname; "" = neither said
};

struct slice_port {
	const char *name; // "" = unnamed
	uint8_t protocol;
	uint16_t port; // 0 = any
};

struct endpoint_slice {
	struct object object;
	const char *service; // its label kubernetes.io/service-name; "" = nobody's
	enum family family;  // FAMILY_NONE: of names (FQDN), not used
	unsigned port_count, endpoint_count;
	const struct slice_port *ports;
	const struct slice_endpoint *endpoints;
};

struct node {
	struct object object;
	unsigned pod_prefix_count, address_count;
	const struct prefix *pod_prefixes; // podCIDRs
	const struct addr *addresses;      // of type InternalIP
	bool not_ready;                    // its condition Ready is there and not True
	bool unschedulable;                // cordoned
	bool excluded; // label node.kubernetes.io/exclude-from-external-load-balancers
};

// Something that could not be taken, or (a warning) not as it was meant.
struct model_problem {
	const char *object; // "Service local/default/web", or the origin
	const char *where;  // "/etc/sluice/manifests/web.yaml:12", or ""
	const char *text;
	bool warning; // taken all the same
};

struct model_change { // the object of that name came, went, or was given again
	enum object_kind kind;
	const char *cluster, *namespace;
	const char *name; // of an EndpointSlice: its Service's, "" = nobody's
};

struct model;

struct model *model_new(void);
void model_free(struct model *model);

// A new object of this kind in an arena of its own, with its strings copied. NULL: out of memory.
struct object *object_new(
	enum object_kind kind, const char *cluster, const char *namespace, const char *name);
void object_free(struct object *object);             // only one that was never given to a model
const char *object_kind_name(enum object_kind kind); // "Service"
const char *object_annotation(const struct object *object, const char *key); // NULL = none
// "web.yaml:12", or "" when it is not from a file; in the arena given.
const char *object_where(const struct object *object, struct arena *arena);

// What an origin of a cluster says from now on: takes over `objects` (an array of `count`, of which
// the model keeps the objects and not the array) and copies `problems`. An object that is already
// of this origin (model_find_in) may be among them: it stays. -ENOMEM changes nothing and frees the
// new objects. `count` and `problem_count` of zero forget the origin.
int model_replace(struct model *model, const char *cluster, const char *origin,
	struct object *const *objects, size_t count, const struct model_problem *problems,
	size_t problem_count);
// Replaces only the problems of an origin; its objects stay what they are.
int model_set_problems(struct model *model, const char *cluster, const char *origin,
	const struct model_problem *problems, size_t problem_count);
// Forgets every origin of a cluster.
void model_forget(struct model *model, const char *cluster);

// The winning object of that name, or NULL.
const struct object *model_find(const struct model *model, enum object_kind kind,
	const char *cluster, const char *namespace, const char *name);
// The object of that name which came from this origin, winning or not, or NULL.
const struct object *model_find_in(const struct model *model, const char *origin,
	enum object_kind kind, const char *cluster, const char *namespace, const char *name);
size_t model_count(const struct model *model, enum object_kind kind);
// Fills `objects`, which has room for model_count(), sorted.
void model_list(const struct model *model, enum object_kind kind, const struct object **objects);
// The EndpointSlices of a Service, sorted by name, at most `most` of them; how many there are.
size_t model_slices(const struct model *model, const struct object *service,
	const struct endpoint_slice **slices, size_t most);

// How many changes there have been, of objects and of problems.
uint64_t model_changes(const struct model *model);
uint64_t model_problem_changes(const struct model *model);
// Visits the changes of objects since there were `since`, oldest first. False, and visits nothing,
// when that is too long ago to be known.
bool model_each_change(const struct model *model, uint64_t since,
	void (*visit)(const struct model_change *change, void *arg), void *arg);
// Every problem, those of duplicates included, in no particular order.
void model_each_problem(const struct model *model,
	void (*visit)(const struct model_problem *problem, void *arg), void *arg);
