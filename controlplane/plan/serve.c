// SPDX-License-Identifier: BSD-3-Clause
// Step 3: listeners and pools of the Services that wait for it, and routes.
#include <stdlib.h>
#include <string.h>

#include "planning.h"

static uint64_t add_bytes(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 32;
}

static uint64_t add_text(uint64_t hash, const char *text)
{
	return add_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

// All that any step reads of a node: two that give the same are the same to us. What a kubelet
// writes every few minutes is not among it.
static uint64_t add_node(uint64_t hash, const struct node *node)
{
	const struct object *object = &node->object;

	hash = add_text(add_text(hash, object->name), object->origin);
	hash = add_bytes(hash, &object->created, sizeof(object->created));
	hash = add_bytes(hash, &object->line, sizeof(object->line));
	hash = add_text(hash, object_annotation(object, "sluice.dev/weight"));
	hash = add_bytes(hash, &node->not_ready, sizeof(node->not_ready));
	hash = add_bytes(hash, &node->unschedulable, sizeof(node->unschedulable));
	hash = add_bytes(hash, &node->excluded, sizeof(node->excluded));
	for (unsigned i = 0; i < node->address_count; i++)
		hash = add_bytes(hash, node->addresses[i].byte, sizeof(node->addresses[i].byte));
	for (unsigned i = 0; i < node->pod_prefix_count; i++) {
		hash = add_bytes(hash, node->pod_prefixes[i].addr.byte, 16);
		hash = add_bytes(hash, &node->pod_prefixes[i].length, 1);
	}
	return hash;
}

// The digest of each cluster, in the order of their names, as the nodes are.
static struct node_digest *digest(struct planner *p, unsigned *count)
{
	struct node_digest *list = calloc(p->node_count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list && i < p->node_count; i++) {
		const struct object *node = p->nodes[i];

		if (i == 0 || strcmp(p->nodes[i - 1]->cluster, node->cluster) != 0)
			list[(*count)++].cluster = strdup(node->cluster);
		list[*count - 1].digest =
			add_node(list[*count - 1].digest, (const struct node *)node);
	}
	return list;
}

static const struct node_digest *find_digest(
	const struct node_digest *list, unsigned count, const char *cluster)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i].cluster && strcmp(list[i].cluster, cluster) == 0)
			return &list[i];
	return NULL;
}

static void free_digests(struct node_digest *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(list[i].cluster);
	free(list);
}

static bool same_digest(const struct planning *g, const struct node_digest *list, unsigned count,
	const char *cluster)
{
	const struct node_digest *a = find_digest(g->digests, g->digest_count, cluster);
	const struct node_digest *b = find_digest(list, count, cluster);

	return (!a && !b) || (a && b && a->digest == b->digest);
}

// The nodes as they are now. Their Services wait when they differ to us; sets *changed then.
static bool look_at_nodes(struct planner *p, bool *changed)
{
	struct planning *g = p->kept;
	struct node_digest *list;
	unsigned count;

	p->node_count = model_count(p->model, OBJECT_NODE);
	free(g->nodes);
	g->nodes = calloc(p->node_count + 1, sizeof(struct object *));
	if (!g->nodes)
		return false;
	g->node_count = (unsigned)p->node_count;
	model_list(p->model, OBJECT_NODE, g->nodes);
	p->nodes = g->nodes;
	list = digest(p, &count);
	if (!list)
		return false;
	for (unsigned i = 0; i < g->want_count; i++) {
		struct want *want = g->by_age[i];

		want->waits =
			want->waits || !same_digest(g, list, count, want->service->object.cluster);
	}
	*changed = count != g->digest_count;
	for (unsigned i = 0; i < count; i++)
		*changed = *changed || !same_digest(g, list, count, list[i].cluster);
	if (*changed) { // else what is known of the clusters stays
		free_digests(g->digests, g->digest_count);
		g->digests = list;
		g->digest_count = count;
	} else {
		free_digests(list, count);
	}
	return true;
}

bool step_nodes(struct planner *p)
{
	struct planning *g = p->kept;
	bool changed = false;

	if (p->nodes_changed && !look_at_nodes(p, &changed))
		return false;
	p->nodes = g->nodes;
	p->node_count = g->node_count;
	if (changed)
		front_pools_wait(p, false);
	if (!changed && g->routes)
		return true;
	if (!part_begin(p))
		return false;
	clusters_make(p);
	routes_make(p);
	return part_replace(p, &g->routes);
}

// Rules that Services have in common only bind when there are both kinds of them; then all are
// looked at together, in order of age.
static bool look_at_rules(struct planner *p)
{
	struct planning *g = p->kept;
	bool mixed = g->dnat_counts[0] && g->dnat_counts[1], any = p->dnat_changed;

	for (unsigned i = 0; mixed && !any && i < g->want_count; i++)
		any = g->by_age[i]->waits && g->by_age[i]->mode == MODE_DNAT;
	if (mixed)
		p->rules = owner_rules_make(p);
	for (unsigned i = 0; (mixed ? any : g->dnat_mixed) && i < g->want_count; i++)
		g->by_age[i]->waits |= g->by_age[i]->mode == MODE_DNAT;
	g->dnat_mixed = mixed;
	return !mixed || p->rules;
}

static bool serve(struct planner *p, struct want *want)
{
	p->endpoint_count -= want->endpoint_count;
	p->listener_count -= want->listener_count;
	want->endpoint_count = want->listener_count = 0;
	want->near_vips = false;
	if (!part_begin(p))
		return false;
	want->next_served = p->part;
	want_find_slices(p, want);
	listeners_make(p, want);
	want->slices = NULL;
	want->slice_count = 0;
	return !p->part->arena.failed && !p->scratch.failed;
}

static bool serve_waiting(struct planner *p)
{
	struct planning *g = p->kept;
	bool ok;

	for (unsigned i = 0; i < g->want_count; i++)
		if (g->by_age[i]->leader && g->by_age[i]->waits)
			g->by_age[i]->leader->waits = true;
	ok = look_at_rules(p);
	for (unsigned i = 0; ok && i < g->want_count; i++)
		if (g->by_age[i]->waits)
			ok = serve(p, g->by_age[i]);
	return ok;
}

// There is not room for everything: then it matters who comes first.
static bool serve_all(struct planner *p)
{
	struct planning *g = p->kept;

	for (unsigned i = 0; i < g->want_count; i++) {
		struct want *want = g->by_age[i];

		part_free(want->next_served);
		want->next_served = NULL;
		want->waits = true;
		want->endpoint_count = want->listener_count = 0;
	}
	p->endpoint_count = front_endpoint_count(g); // those come last, and have theirs already
	p->listener_count = 0;
	p->squeezed = false;
	return serve_waiting(p);
}

bool step_serve(struct planner *p)
{
	struct planning *g = p->kept;
	bool ok;

	for (unsigned i = 0; (g->checks_changed || g->drains_changed) && i < g->want_count; i++)
		g->by_age[i]->waits |=
			g->drains_changed || g->by_age[i]->check || g->by_age[i]->asks_nodes;
	if (g->checks_changed || g->drains_changed)
		front_pools_wait(p, false);
	g->checks_changed = g->drains_changed = false;
	ok = g->squeezed || serve_waiting(p);

	if (ok && (g->squeezed || p->squeezed))
		ok = serve_all(p);
	for (unsigned i = 0; i < g->want_count; i++) {
		struct want *want = g->by_age[i];

		if (!want->next_served)
			continue;
		p->part = want->next_served;
		want->next_served = NULL;
		want->waits = false;
		ok = part_replace(p, &want->served) && ok;
	}
	g->squeezed = p->squeezed;
	g->endpoint_count = p->endpoint_count;
	g->listener_count = p->listener_count;
	return ok;
}
