// SPDX-License-Identifier: BSD-3-Clause
// What the proxy serves: made of the Ingresses that are ours, the Services they name and the
// Secrets.
//
//	front.c        which Ingresses are ours; the address they share; what must be made again
//	front_knot.c   which Ingresses can have to do with each other
//	front_host.c   hosts and their rules, all Ingresses of a knot taken together
//	front_tls.c    which certificate for which name
//	front_certificate.c   the certificates that are used
//	front_pool.c   the endpoints of the Services that are named, as pools of the proxy
//
// Hosts and names of a knot are made again together when an Ingress of it, or a Secret or Service
// that one names, has changed; all of them when an IngressClass, the default certificate or the
// address has; a pool alone when its endpoints have.
#pragma once

#include "front_knot.h"
#include "ingress.h"

struct front_ingress { // one that is ours
	const struct ingress *ingress;
	const char *name;  // "cluster/namespace/name"
	const char *where; // of the part
	struct annotated annotated;
	const struct plan_policy *policy, *policy_plain; // without the rewrite
	const struct plan_policy *policy_root; // of / where it is sent elsewhere; NULL: it is not
	struct plan_ingress *row;
	const char *file; // "" = not from a file
	// What the last backend came to: mostly the next is the same.
	struct ingress_backend backend;
	const char *pool, *service;
};

struct proxied {            // a pool
	struct arena arena; // of the names
	const char *name, *service_name;
	const char *cluster, *namespace, *service;
	struct service_port port;
	struct plan_upstream upstream;
	enum algorithm algorithm;
	struct part *part;
	unsigned endpoint_count;
	bool waits, near_vips;
	unsigned uses;        // by knots
	struct proxied *next; // of the same service's bucket
};

struct host_draft {
	const char *name;
	unsigned rule_count;
	struct plan_rule *rules;
	bool has_default;
	bool regex; // all its paths are regular expressions
	struct host_draft *next;
};

struct rule_slot { // whose a place is
	struct host_draft *host;
	enum rule_kind kind;
	const char *path; // made normal
	size_t length;
	const struct front_ingress *owner;
	unsigned rule; // its index among the host's
};

struct name_draft { // for TLS
	const char *name;
	const struct front_ingress *owner; // NULL: the default's
	unsigned count;
	const struct secret *secrets[4]; // of different kinds of key
	const char *pool;
	struct name_draft *next;
};

struct front { // a knot, while it is made
	struct planner *p;
	struct front_knot *knot;
	unsigned count;
	struct front_ingress *ingresses; // in order of age
	size_t host_mask, rule_mask, rule_count, host_count;
	struct host_draft **hosts;
	struct rule_slot *rules;
	size_t name_mask, name_count;
	struct name_draft **names;
};

// Where in its file, for the beginning of a problem: "line 7: "; "" for what came from an API
// server.
#define FRONT_WHERE 24
const char *front_where(unsigned line, char text[static FRONT_WHERE]);

// front.c
bool front_name_fits(const struct front_member *member);
// front_host.c
size_t front_mask_for(size_t count); // of a table for so many
void front_hosts_make(struct front *f);
uint64_t front_hash(const char *text);
// front_tls.c
bool front_names_begin(struct front *f);
void front_proxy_secret(struct front *f, struct front_ingress *one);
void front_names_make(struct front *f);
void front_default_name_make(struct front *f);
const struct secret *front_secret(
	const struct planner *p, const char *cluster, const char *namespace, const char *name);
const struct secret *front_default_secret(const struct planner *p);
// front_certificate.c: the name of its row, which is there as long as a knot uses it; NULL: it
// cannot have one.
const char *front_use_certificate(struct front *f, const struct secret *secret);
bool front_certificates_serve(struct planner *p);
// True when all that refer to the Secret stay as they are, as they do when it is rotated.
bool front_certificate_changed(struct planner *p, const struct model_change *change);
void front_certificates_leave(struct planning *g, const struct front_knot *knot);
void front_certificates_clear(struct planning *g);
// front_pool.c
bool front_pools_begin(struct planner *p);
// The pool for a backend; "" when there is none, which is told.
const char *front_pool(
	struct front *f, struct front_ingress *ingress, const struct ingress_backend *backend);
bool front_pools_serve(struct planner *p);
void front_pools_leave(struct planning *g, const struct front_knot *knot);
void front_pools_clear(struct planning *g);
