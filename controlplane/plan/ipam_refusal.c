// SPDX-License-Identifier: BSD-3-Clause
// Whether a Service may have an address, and why not: the pool it is in, and who is there already.
#include <string.h>

#include "vip_table.h"

const struct pool_settings *ipam_pool_of(
	const struct planner *p, const struct want *want, const struct addr *address)
{
	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		if (!ipam_may_use(p, want, i))
			continue;
		for (unsigned j = 0; j < pool->range_count; j++)
			if (range_contains(&pool->ranges[j], address))
				return pool;
	}
	return NULL;
}

bool ipam_may_give(const struct planner *p, const struct addr *address)
{
	static const struct want anybody;

	return ipam_pool_of(p, &anybody, address);
}

bool ipam_asks_for(const struct want *want, const struct addr *address)
{
	unsigned family = family_of(address);

	return want->family[family].requested &&
	       addr_compare(&want->family[family].request, address) == 0;
}

static bool same_namespace(const struct want *a, const struct want *b)
{
	const struct object *x = &a->service->object, *y = &b->service->object;

	return strcmp(x->namespace, y->namespace) == 0 && strcmp(x->cluster, y->cluster) == 0;
}

// Why `want` cannot be on the address beside `other`, or NULL.
static const char *objection(struct planner *p, const struct want *want, const struct want *other,
	const struct addr *address)
{
	bool same_cluster =
		strcmp(want->service->object.cluster, other->service->object.cluster) == 0;
	bool by_key = *want->share && same_cluster && strcmp(want->share, other->share) == 0;
	bool by_request = !*want->share && !*other->share && same_namespace(want, other) &&
			  ipam_asks_for(want, address) && ipam_asks_for(other, address);
	char text[ADDR_TEXT];

	// The Ingresses' address is for every Service that asks for it, and where sluice.conf says
	// which it is, for those that have it already.
	by_request |= (want->front || other->front) &&
		      (ipam_asks_for(want, address) || ipam_asks_for(other, address));
	if (!by_key && !by_request && other->front)
		return arena_format(&p->scratch,
			"%s is that of the Ingresses; to share it ask for it by "
			"metallb.io/loadBalancerIPs",
			addr_format(address, text));
	if (!same_cluster && !by_request)
		return arena_format(&p->scratch,
			"%s is held by Service %s, of another cluster; what several clusters serve "
			"together is said by `shares` in sluice.conf",
			addr_format(address, text), other->name);
	if (!by_key && !by_request)
		return arena_format(&p->scratch,
			"%s is held by Service %s; to share it give both the same annotation "
			"metallb.io/allow-shared-ip",
			addr_format(address, text), other->name);
	for (unsigned i = 0; i < want->port_count; i++)
		for (unsigned j = 0; j < other->port_count; j++)
			if (want->ports[i].port == other->ports[j].port &&
				want->ports[i].protocol == other->ports[j].protocol)
				return arena_format(&p->scratch, "%s port %u of %s is used by %s%s",
					want->ports[i].protocol == IPPROTO_TCP ? "TCP" : "UDP",
					want->ports[i].port, addr_format(address, text),
					other->front ? "the Ingresses" : "Service ",
					other->front ? "" : other->name);
	return NULL;
}

const char *ipam_refusal(struct planner *p, const struct want *want, const struct addr *address)
{
	const struct vip_row *row = *vip_slot(p, address);
	const char *why = NULL, *by = "";
	static const struct want anybody;
	char text[ADDR_TEXT];

	addr_format(address, text);
	if (!ipam_pool_of(p, want, address)) {
		const struct pool_settings *pool = ipam_pool_of(p, &anybody, address);

		if (!pool)
			return arena_format(&p->scratch, "%s is in no pool of sluice.conf", text);
		return want->pool && want->pool != pool
			       ? arena_format(&p->scratch, "%s is not in pool %s", text,
					 want->pool->name)
			       : arena_format(&p->scratch,
					 "%s is in pool %s, which is for other clusters, "
					 "namespaces or labels",
					 text, pool->name);
	}
	// Of several the first by name is told: in what order they came must not show.
	for (const struct holder *h = row ? row->holders : NULL; h; h = h->next) {
		const char *objects = objection(p, want, h->want, address);

		if (objects && (!why || strcmp(h->want->name, by) < 0)) {
			why = objects;
			by = h->want->name;
		}
	}
	if (!why && (!row || !row->holders) && p->vips->count >= SLUICE_VIPS_MAX)
		why = "there are as many VIPs as there can be";
	return why;
}
