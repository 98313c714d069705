// SPDX-License-Identifier: BSD-3-Clause
// Knots: Ingresses that have hosts in common, directly or through others, and what they gave. Only
// those of one knot can have anything to do with each other, so a knot is made again alone.
//
// Each Ingress is known by the names it has to do with: its own, its hosts', those of the Secrets
// and Services it refers to. Who has to do with something that changed is loosened: its knot goes,
// with all that it gave, and its Ingresses wait; then they are tied anew, with those that they have
// hosts in common with now.
//
// The limits on hosts, rules and certificates hold for all knots together. When they may be
// reached, it matters who comes first: then all Ingresses are one knot.
#pragma once

#include "planning.h"

struct front;

struct front_knot {
	struct part *part;
	struct arena arena; // of the lists
	unsigned member_count, certificate_count, pool_count;
	struct front_member **members;
	struct front_certificate **certificates; // each as often as it is used
	struct proxied **pools;                  // likewise
};

struct front_member { // an Ingress
	char *cluster, *namespace, *name;
	struct front_knot *knot; // NULL: it waits to be tied
	unsigned link_count;
	struct front_link *links;
	unsigned rules; // at most
	bool ours, loose, changed, tied;
};

// All Ingresses of the model, to be tied.
bool knots_know_all(struct planner *p);
// An Ingress came, went, or is another one.
bool knots_ingress_changed(struct planner *p, const struct model_change *change);
// A Secret or a Service: those that refer to it wait to be tied.
bool knots_named_changed(struct planner *p, const struct model_change *change);
// Who else has to be tied with those that wait; kept->ours is right again.
bool knots_gather(struct planner *p);
// There may be more than there is room for.
bool knots_may_be_full(const struct front_kept *kept);
// Those that wait become knots; `whole`: one.
bool knots_tie(struct planner *p, bool whole);
void knots_clear(struct planning *g);
// What a knot gave goes.
void knot_undo(struct planning *g, struct front_knot *knot);
// front.c: the rows of these Ingresses, as the knot's part.
bool front_make(struct planner *p, struct front_knot *knot);
