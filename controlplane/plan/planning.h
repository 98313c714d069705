// SPDX-License-Identifier: BSD-3-Clause
// What is kept from one plan for the next: what each Service asked for and was given, the rows made
// of it, and the tables of all rows. For plan.c.
//
// A row that is not in the newest plan any more may be in older ones that somebody still holds. It
// knows the first and the last plan that had it, and goes when none of those is left; not before
// the next plan, though, for who follows the plans is told of rows that went (struct plan_delta).
// So a plan costs nothing but the tables that changed, and one that is held for long keeps its own
// rows alone, not those of all that came after it.
#pragma once

#include "plan_internal.h"

struct node_digest { // what the plan reads of a cluster's nodes
	char *cluster;
	uint64_t digest;
	bool node_ports; // its endpoint mode
};

#define FRONT_BUCKETS 1024
#define MISSED_MAX    64

struct front_kept {
	bool made, whole;       // whole: all Ingresses are one knot (front_knot.h)
	struct object *address; // the Service that asks for the address
	bool got[FAMILIES];     // and what it has
	struct addr addresses[FAMILIES];
	struct front_tie **ties; // Ingresses by what they have to do with
	size_t tie_mask;
	struct front_knot *site; // what all Ingresses have in common; NULL: there are none
	unsigned tie_count, ours, rules, hosts, secrets; // Ingresses, and at most what they come to
	struct proxied **buckets;                        // pools, by the name of their Service
	bool waiting[FRONT_BUCKETS];   // some pool of the bucket waits, or has gone
	bool near_vips[FRONT_BUCKETS]; // some pool of it has or had an endpoint where VIPs are
				       // given
	struct front_certificate **certificates, *changed_certificates;
	unsigned certificate_count;
};

struct row_heap {
	struct plan_rows rows;
	size_t room;
};

struct kept_plan { // one that was given out
	struct plan plan;
	struct planning *planning;
	uint64_t number;
	struct kept_plan *older, *newer;
	struct part *held; // retired, and still its own
};

struct planning {
	const struct model *model; // NULL: nothing is kept
	const struct settings *settings;
	uint64_t changes_seen, problems_seen;

	size_t want_mask; // buckets - 1
	struct want **want_buckets;
	unsigned want_count;
	struct want **by_age;
	bool ages_sorted;
	unsigned dnat_counts[2]; // of Services in mode dnat: without and with client affinity
	bool dnat_mixed;         // both, when the last plan was made
	bool squeezed;           // the last plan was
	unsigned endpoint_count, listener_count;

	unsigned node_count, digest_count;
	const struct object **nodes;
	struct node_digest *digests;

	// Of ipam.c; of clusters and their nodes; problems of the model.
	struct part *addresses, *routes, *objects;
	unsigned lease_count;
	struct plan_lease *leases;
	bool leases_moved; // the last plan's are not those it was made with
	// For ipam_few.c: nobody wants for anything but the addresses `missed`, or `misses_any`
	// that becomes free; rows and leases of those placed since `addresses` was made; where free
	// addresses began; leases of those who are gone.
	bool settled, misses_any;
	unsigned missed_count;
	struct addr missed[MISSED_MAX];
	struct part *few, *lease_memory;
	unsigned few_count, remembered_count;
	struct cursor *cursors;

	struct plan_rows tables[ROW_KINDS];
	struct part *table_memory[ROW_KINDS];
	struct row_heap gone[ROW_KINDS], added[ROW_KINDS]; // while a plan is made

	struct front_kept front;

	plan_failed_fn failed; // NULL: nobody does
	const void *failed_arg;
	bool checks_changed;
	plan_drained_fn drained; // NULL: nobody is
	const void *drained_arg;
	bool drains_changed;
	plan_cluster_drained_fn cluster_drained; // NULL: none is
	const void *cluster_drained_arg;
	plan_gives_fn gives; // NULL: it does
	void *gives_arg;
	bool gives_changed;

	uint64_t number; // of the newest plan
	bool cleared;    // what was kept, since the newest plan was given
	struct plan_delta delta;
	struct kept_plan *oldest, *newest;
	struct part *retired,
		**retired_tail; // by the number of the last plan that has them; not yet told of
	bool orphan;            // goes with its last plan
};

// Wants by name.
struct want *planning_find(const struct planning *g, const char *name);
bool planning_put(struct planning *g, struct want *want); // instead of one of that name
void planning_drop(struct planning *g, struct want *want);
// Is it in endpoint mode nodeport?
bool planning_node_ports(const struct planning *g, const char *cluster);
// The rows of a part come or go with the plan being made; a part that goes is retired.
bool planning_add(struct planning *g, struct part *part);
bool planning_remove(struct planning *g, struct part *part);
// One row of the addresses goes; its part stays.
bool planning_remove_vip(struct planning *g, struct plan_vip *vip);
// The list of leases is in that memory from now on; NULL: in that of the addresses.
void planning_keep_leases(struct planning *g, struct part *memory);
// All addresses go.
bool planning_remove_addresses(struct planning *g);
// A plan is about to be made: what differs from the one before begins with nothing.
void planning_begin(struct planning *g);
// The tables of the next plan. False: out of memory.
bool planning_tabulate(struct planning *g);
struct plan *planning_give(struct planning *g);
// Keeps nothing; the plans given out stay.
void planning_clear(struct planning *g);

// The steps of a plan, in order. False: out of memory, but of step_ask_changed(), which also says
// so when nobody knows any more what has changed.
bool step_ask_all(struct planner *p); // ask.c
bool step_ask_changed(struct planner *p);
bool step_ask_front(struct planner *p, const struct service *service); // NULL: of no address
bool step_front_ask(struct planner *p);                                // front.c
bool step_front(struct planner *p);
void front_clear(struct planning *g);
// front_pool.c
void front_pools_wait(struct planner *p, bool only_near_vips);
unsigned front_endpoint_count(const struct planning *g);
bool front_service_changed(struct planner *p, const struct model_change *change);
// front.c: an Ingress, an IngressClass or a Secret.
bool front_object_changed(struct planner *p, const struct model_change *change);
bool step_assign(struct planner *p); // assign.c
void shares_link(struct planner *p); // share.c: who leads whom
// What that Service of the cluster is served together by; NULL: by itself.
const struct share_settings *share_find(const struct settings *settings, const char *cluster,
	const char *namespace, const char *service);
bool step_nodes(struct planner *p);    // serve.c
void clusters_make(struct planner *p); // node_port.c
bool step_serve(struct planner *p);
void leases_sort(struct plan_lease *leases, unsigned count);
// plan.c: from now on problems and rows are those of a new part, which then takes a place.
bool part_begin(struct planner *p);
bool part_replace(struct planner *p, struct part **place);
