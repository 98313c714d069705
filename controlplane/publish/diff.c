// SPDX-License-Identifier: BSD-3-Clause
// The difference between two plans as a transaction of the channel. Pure, any thread.
//
// The rows of each kind are sorted by key, and the two lists are walked together: a row only in the
// old plan is removed, a row that is new or not the same is sent whole. What successive plans share
// is passed over by its address, without being looked at: a difference costs by its size.
// The messages borrow names and addresses from the plans; everything else lies in an arena that
// goes all at once.
#include "publish.h"

#include "diff_internal.h"

#include <stdlib.h>
#include <string.h>

void *difference_take(struct difference *d, size_t bytes)
{
	return arena_take(&d->arena, bytes);
}

// protobuf-c has no const: what it is given here is only ever packed.
ProtobufCBinaryData difference_address(const struct addr *addr)
{
	ProtobufCBinaryData data;

	data.data = (uint8_t *)(uintptr_t)addr_bytes(addr, &data.len);
	return data;
}

Sluice__Prefix *difference_prefix(struct difference *d, const struct prefix *prefix)
{
	Sluice__Prefix *message = difference_take(d, sizeof(*message));

	if (!message)
		return NULL;
	sluice__prefix__init(message);
	message->address = difference_address(&prefix->addr);
	message->length = prefix->length;
	return message;
}

static unsigned shared(
	const struct row_list *from, unsigned i, const struct row_list *to, unsigned j)
{
	const char *const *old = (const char *const *)from->rows + i;
	const char *const *new = (const char *const *)to->rows + j;
	unsigned most = from->count - i < to->count - j ? from->count - i : to->count - j, n = 0;

	while (n < most && old[n] == new[n])
		n++;
	return n;
}

void difference_walk(struct difference *d, const struct row_kind_of *kind, struct row_list from,
	struct row_list to)
{
	const void *const *old = from.rows, *const *new = to.rows;
	unsigned i = 0, j = 0, same;
	bool ok = old != new;

	while (ok && (i < from.count || j < to.count)) {
		int order = i == from.count ? 1
			    : j == to.count ? -1
					    : kind->compare(old[i], new[j]);

		if (order < 0) {
			ok = kind->remove(d, old[i++]);
		} else if (order > 0) {
			ok = kind->add(d, new[j++]);
		} else {
			if (old[i] != new[j] && !kind->equal(old[i], new[j]))
				ok = kind->add(d, new[j]);
			i++;
			j++;
			same = shared(&from, i, &to, j);
			i += same;
			j += same;
		}
	}
	// Not ok is out of memory, which the arena remembers.
}

static int vip_compare(const void *a, const void *b)
{
	const struct plan_vip *x = a, *y = b;

	return addr_compare(&x->address, &y->address);
}

static bool vip_equal(const void *a, const void *b)
{
	const struct plan_vip *x = a, *y = b;

	if (x->interface_count != y->interface_count)
		return false;
	for (unsigned i = 0; i < x->interface_count; i++)
		if (strcmp(x->interfaces[i], y->interfaces[i]) != 0)
			return false;
	return true;
}

static int vip_compare_pointed(const void *a, const void *b)
{
	return vip_compare(*(const void *const *)a, *(const void *const *)b);
}

static bool vip_owned(const struct plan *plan, const struct plan_vip *vip)
{
	struct plan_vip **found;

	if (!plan->owned)
		return true;
	found = bsearch(&vip, plan->vips, plan->vip_count, sizeof(vip), vip_compare_pointed);
	return found && plan->owned[found - plan->vips];
}

static bool vip_add(struct difference *d, const void *row)
{
	const struct plan_vip *vip = row;
	Sluice__Vip *message = difference_take(d, sizeof(*message));

	if (!message)
		return false;
	sluice__vip__init(message);
	message->address = difference_address(&vip->address);
	message->ports = vip->interfaces;
	message->n_ports = vip->interface_count;
	message->owned = vip_owned(d->to, vip);
	d->transaction.vips[d->transaction.n_vips++] = message;
	return true;
}

static bool vip_remove(struct difference *d, const void *row)
{
	const struct plan_vip *vip = row;

	d->transaction.vips_removed[d->transaction.n_vips_removed++] =
		difference_address(&vip->address);
	return true;
}

static int listener_compare(const void *a, const void *b)
{
	const struct plan_listener *x = a, *y = b;
	int order = addr_compare(&x->vip, &y->vip);

	if (!order)
		order = (int)x->protocol - (int)y->protocol;
	return order ? order : (int)x->port - (int)y->port;
}

static bool listener_equal(const void *a, const void *b)
{
	const struct plan_listener *x = a, *y = b;

	if (strcmp(x->service, y->service) != 0 || strcmp(x->pool, y->pool) != 0 ||
		x->mode != y->mode || x->affinity_s != y->affinity_s ||
		x->source_count != y->source_count)
		return false;
	if (!http_listener_equal(x->http, y->http))
		return false;
	for (unsigned i = 0; i < x->source_count; i++)
		if (x->sources[i].length != y->sources[i].length ||
			addr_compare(&x->sources[i].addr, &y->sources[i].addr) != 0)
			return false;
	return true;
}

static bool listener_add(struct difference *d, const void *row)
{
	const struct plan_listener *listener = row;
	Sluice__Listener *message = difference_take(d, sizeof(*message));
	Sluice__Prefix **sources =
		difference_take(d, (listener->source_count + 1) * sizeof(void *));

	if (!message || !sources)
		return false;
	sluice__listener__init(message);
	message->vip = difference_address(&listener->vip);
	message->protocol = (Sluice__L4Protocol)listener->protocol;
	message->port = listener->port;
	message->service = listener->service;
	message->pool = listener->pool;
	message->mode = (Sluice__Mode)listener->mode;
	message->affinity_s = listener->affinity_s;
	message->sources = sources;
	for (unsigned i = 0; i < listener->source_count; i++) {
		sources[i] = difference_prefix(d, &listener->sources[i]);
		if (!sources[i])
			return false;
	}
	message->n_sources = listener->source_count;
	if (listener->http) {
		message->mode = SLUICE__MODE__MODE_NONE;
		message->http = http_listener_message(d, listener->http);
		if (!message->http)
			return false;
	}
	d->transaction.listeners[d->transaction.n_listeners++] = message;
	return true;
}

static bool listener_remove(struct difference *d, const void *row)
{
	const struct plan_listener *listener = row;
	Sluice__ListenerKey *message = difference_take(d, sizeof(*message));

	if (!message)
		return false;
	sluice__listener_key__init(message);
	message->vip = difference_address(&listener->vip);
	message->protocol = (Sluice__L4Protocol)listener->protocol;
	message->port = listener->port;
	d->transaction.listeners_removed[d->transaction.n_listeners_removed++] = message;
	return true;
}

static int pool_compare(const void *a, const void *b)
{
	const struct plan_pool *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool pool_equal(const void *a, const void *b)
{
	const struct plan_pool *x = a, *y = b;

	if (x->algorithm != y->algorithm || x->endpoint_count != y->endpoint_count ||
		!upstream_equal(x->upstream, y->upstream))
		return false;
	for (unsigned i = 0; i < x->endpoint_count; i++) {
		const struct plan_endpoint *e = &x->endpoints[i], *f = &y->endpoints[i];

		if (addr_compare(&e->address, &f->address) != 0 || e->port != f->port ||
			e->weight != f->weight || e->state != f->state ||
			strcmp(e->name, f->name) != 0)
			return false;
	}
	return true;
}

static bool pool_add(struct difference *d, const void *row)
{
	const struct plan_pool *pool = row;
	Sluice__Pool *message = difference_take(d, sizeof(*message));
	Sluice__Endpoint **list = difference_take(d, (pool->endpoint_count + 1) * sizeof(void *));
	Sluice__Endpoint *endpoints =
		difference_take(d, (pool->endpoint_count + 1) * sizeof(*endpoints));

	if (!message || !list || !endpoints)
		return false;
	sluice__pool__init(message);
	message->name = pool->name;
	message->algorithm = (Sluice__Algorithm)pool->algorithm;
	message->endpoints = list;
	message->n_endpoints = pool->endpoint_count;
	for (unsigned i = 0; i < pool->endpoint_count; i++) {
		const struct plan_endpoint *endpoint = &pool->endpoints[i];

		sluice__endpoint__init(&endpoints[i]);
		endpoints[i].address = difference_address(&endpoint->address);
		endpoints[i].port = endpoint->port;
		endpoints[i].weight = endpoint->weight;
		endpoints[i].state = (Sluice__EndpointState)endpoint->state;
		endpoints[i].name = endpoint->name;
		list[i] = &endpoints[i];
	}
	if (pool->upstream) {
		message->upstream = upstream_message(d, pool->upstream);
		if (!message->upstream)
			return false;
	}
	d->transaction.pools[d->transaction.n_pools++] = message;
	return true;
}

static bool pool_remove(struct difference *d, const void *row)
{
	const struct plan_pool *pool = row;

	d->transaction.pools_removed[d->transaction.n_pools_removed++] = pool->name;
	return true;
}

static int route_compare(const void *a, const void *b)
{
	const struct plan_route *x = a, *y = b;
	int order = addr_compare(&x->to.addr, &y->to.addr);

	return order ? order : (int)x->to.length - (int)y->to.length;
}

static bool route_equal(const void *a, const void *b)
{
	const struct plan_route *x = a, *y = b;

	return addr_compare(&x->via, &y->via) == 0;
}

static bool route_add(struct difference *d, const void *row)
{
	const struct plan_route *route = row;
	Sluice__Route *message = difference_take(d, sizeof(*message));

	if (!message)
		return false;
	sluice__route__init(message);
	message->prefix = difference_prefix(d, &route->to);
	message->via = difference_address(&route->via);
	d->transaction.routes[d->transaction.n_routes++] = message;
	return message->prefix;
}

static bool route_remove(struct difference *d, const void *row)
{
	const struct plan_route *route = row;
	Sluice__Prefix *message = difference_prefix(d, &route->to);

	d->transaction.routes_removed[d->transaction.n_routes_removed++] = message;
	return message;
}

// VIPs that are the same rows but change hands.
static void add_moved(struct difference *d, const struct plan *from, const struct plan *to)
{
	unsigned i = 0;

	for (unsigned j = 0; (from->owned || to->owned) && j < to->vip_count; j++) {
		const struct plan_vip *vip = to->vips[j];

		while (i < from->vip_count && vip_compare(from->vips[i], vip) < 0)
			i++;
		if (i == from->vip_count || vip_compare(from->vips[i], vip) != 0 ||
			!vip_equal(from->vips[i], vip)) // new, or told already
			continue;
		if ((!from->owned || from->owned[i]) != (!to->owned || to->owned[j]))
			vip_add(d, vip);
	}
}

static const struct row_kind_of vip_rows = {vip_compare, vip_equal, vip_add, vip_remove};
static const struct row_kind_of listener_rows = {
	listener_compare, listener_equal, listener_add, listener_remove};
static const struct row_kind_of pool_rows = {pool_compare, pool_equal, pool_add, pool_remove};
static const struct row_kind_of route_rows = {route_compare, route_equal, route_add, route_remove};

struct difference *publish_diff(
	const struct plan *from, const struct plan *to, uint64_t base, uint64_t generation)
{
	static const struct plan nothing;
	struct difference *d = calloc(1, sizeof(*d));
	Sluice__Transaction *t;

	if (!d)
		return NULL;
	if (!from)
		from = &nothing;
	d->to = to;
	t = &d->transaction;
	sluice__transaction__init(t);
	t->since = base;
	t->generation = generation;
	t->vips = difference_take(d, (to->vip_count + 1) * sizeof(void *));
	t->listeners = difference_take(d, (to->listener_count + 1) * sizeof(void *));
	t->pools = difference_take(d, (to->pool_count + 1) * sizeof(void *));
	t->routes = difference_take(d, (to->route_count + 1) * sizeof(void *));
	t->vips_removed = difference_take(d, (from->vip_count + 1) * sizeof(*t->vips_removed));
	t->listeners_removed = difference_take(d, (from->listener_count + 1) * sizeof(void *));
	t->pools_removed = difference_take(d, (from->pool_count + 1) * sizeof(void *));
	t->routes_removed = difference_take(d, (from->route_count + 1) * sizeof(void *));
	if (!d->arena.failed) {
		difference_walk(d, &vip_rows, (struct row_list){from->vips, from->vip_count},
			(struct row_list){to->vips, to->vip_count});
		add_moved(d, from, to);
		difference_walk(d, &listener_rows,
			(struct row_list){from->listeners, from->listener_count},
			(struct row_list){to->listeners, to->listener_count});
		difference_walk(d, &pool_rows, (struct row_list){from->pools, from->pool_count},
			(struct row_list){to->pools, to->pool_count});
		difference_walk(d, &route_rows, (struct row_list){from->routes, from->route_count},
			(struct row_list){to->routes, to->route_count});
		difference_http(d, from, to);
	}
	if (d->arena.failed) {
		difference_free(d);
		return NULL;
	}
	return d;
}

const Sluice__Transaction *difference_transaction(const struct difference *difference)
{
	return &difference->transaction;
}

bool difference_empty(const struct difference *difference)
{
	const Sluice__Transaction *t = &difference->transaction;

	return !t->n_vips && !t->n_listeners && !t->n_pools && !t->n_routes && !t->n_vips_removed &&
	       !t->n_listeners_removed && !t->n_pools_removed && !t->n_routes_removed &&
	       !t->n_sites && !t->n_hosts && !t->n_server_names && !t->n_certificates &&
	       !t->n_sites_removed && !t->n_hosts_removed && !t->n_server_names_removed &&
	       !t->n_certificates_removed;
}

void difference_free(struct difference *difference)
{
	if (!difference)
		return;
	arena_clear(&difference->arena);
	free(difference);
}
