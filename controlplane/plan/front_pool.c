// SPDX-License-Identifier: BSD-3-Clause
// The endpoints of the Services that Ingresses name: one pool for each port and for each manner of
// speaking with it. They are not the pools of layer 4, and hold one family alone.
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define BUCKETS FRONT_BUCKETS

static unsigned bucket_of(const char *service_name)
{
	return (unsigned)(front_hash(service_name) & (BUCKETS - 1));
}

static struct proxied **bucket(const struct planning *g, const char *service_name)
{
	return &g->front.buckets[bucket_of(service_name)];
}

static uint64_t add(uint64_t hash, const void *bytes, size_t count)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return (hash ^ count) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t digest(const struct plan_upstream *u, enum algorithm algorithm)
{
	const uint32_t numbers[] = {algorithm, u->tls, u->tls_verify, u->proxy_protocol,
		u->hash_key, u->idle_connections, u->idle_timeout_ms};
	const char *const texts[] = {u->hash_name, u->tls_name, u->certificate};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		hash = (hash ^ numbers[i]) * UINT64_C(0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		hash = add(hash, texts[i], strlen(texts[i]));
	if (u->ca_pem_length)
		hash = add(hash, u->ca_pem, u->ca_pem_length);
	return hash ^ hash >> 32;
}

static char *pool_name(struct front *f, const struct front_ingress *ingress, const char *service,
	uint16_t port, const struct plan_upstream *upstream)
{
	struct annotated plain;
	uint64_t own = digest(upstream, ingress->annotated.algorithm);

	annotations_default(&f->p->settings->ingress, &plain);
	if (own == digest(&plain.upstream, plain.algorithm))
		return arena_format(&f->p->scratch, "%s:%u:http", service, port);
	return arena_format(
		&f->p->scratch, "%s:%u:http-%08x", service, port, (unsigned)(uint32_t)own);
}

static bool copy_upstream(struct proxied *one, const struct plan_upstream *from)
{
	uint8_t *ca = arena_take(&one->arena, from->ca_pem_length + 1);

	one->upstream = *from;
	one->upstream.hash_name = arena_copy(&one->arena, from->hash_name);
	one->upstream.tls_name = arena_copy(&one->arena, from->tls_name);
	one->upstream.certificate = arena_copy(&one->arena, from->certificate);
	one->upstream.ca = "";
	if (ca && from->ca_pem_length)
		memcpy(ca, from->ca_pem, from->ca_pem_length);
	one->upstream.ca_pem = ca;
	return ca;
}

static struct proxied *make(const struct object *service, const char *service_name,
	const char *name, const struct plan_upstream *upstream)
{
	struct proxied *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->name = arena_copy(&one->arena, name);
	one->service_name = arena_copy(&one->arena, service_name);
	one->cluster = arena_copy(&one->arena, service->cluster);
	one->namespace = arena_copy(&one->arena, service->namespace);
	one->service = arena_copy(&one->arena, service->name);
	one->waits = true;
	if (copy_upstream(one, upstream) && !one->arena.failed)
		return one;
	arena_clear(&one->arena);
	free(one);
	return NULL;
}

// The port as it is now; its texts are those of a Service that may go.
static void set_port(struct proxied *one, const struct service_port *port)
{
	if (one->port.name && strcmp(one->port.name, port->name) == 0 &&
		one->port.port == port->port && one->port.target == port->target &&
		one->port.node_port == port->node_port)
		return;
	one->port = *port;
	one->port.name = arena_copy(&one->arena, port->name);
	one->port.target_name = "";
	one->waits = true;
}

static const struct service_port *find_port(
	const struct service *service, const struct ingress_backend *backend)
{
	for (unsigned i = 0; i < service->port_count; i++) {
		const struct service_port *port = &service->ports[i];

		if (port->protocol != IPPROTO_TCP)
			continue;
		if (*backend->port_name ? strcmp(port->name, backend->port_name) == 0
					: port->port == backend->port)
			return port;
	}
	return NULL;
}

static void tell(struct front *f, const struct front_ingress *ingress,
	const struct ingress_backend *backend, const char *what)
{
	char line[FRONT_WHERE];

	front_where(backend->line, line);
	if (backend->resource)
		problem_add(f->p, PROBLEM_ERROR, &ingress->ingress->object,
			"%sthe backend is a resource, which is not supported; requests for it are "
			"answered 503",
			line);
	else if (*backend->port_name)
		problem_add(f->p, PROBLEM_ERROR, &ingress->ingress->object,
			"%sbackend Service %s port %s: %s; requests for it are answered 503", line,
			backend->service, backend->port_name, what);
	else
		problem_add(f->p, PROBLEM_ERROR, &ingress->ingress->object,
			"%sbackend Service %s port %u: %s; requests for it are answered 503", line,
			backend->service, backend->port, what);
}

static struct proxied *find_or_make(struct front *f, struct front_ingress *ingress,
	const struct service *service, const char *service_name, uint16_t port)
{
	struct front_knot *knot = f->knot;
	struct proxied **slot = bucket(f->p->kept, service_name), *one = *slot;
	const struct plan_upstream *upstream = &ingress->annotated.upstream;
	const char *name = pool_name(f, ingress, service_name, port, upstream);

	knot->pools = arena_grow(&knot->arena, knot->pools, knot->pool_count, sizeof(*knot->pools));
	if (!name || !knot->pools)
		return NULL;
	while (one && strcmp(one->name, name) != 0)
		one = one->next;
	if (!one) {
		one = make(&service->object, service_name, name, upstream);
		if (!one)
			return NULL;
		one->algorithm = ingress->annotated.algorithm;
		f->p->kept->front.waiting[bucket_of(service_name)] = true;
		one->next = *slot;
		*slot = one;
	}
	one->uses++;
	knot->pools[knot->pool_count++] = one;
	return one;
}

const char *front_pool(
	struct front *f, struct front_ingress *ingress, const struct ingress_backend *backend)
{
	const struct object *object = &ingress->ingress->object;
	const struct service *service;
	const struct service_port *port;
	struct proxied *one;
	char *name;

	if (backend->resource) {
		tell(f, ingress, backend, "");
		return "";
	}
	name = arena_format(
		&f->p->scratch, "%s/%s/%s", object->cluster, object->namespace, backend->service);
	if (!name) {
		f->p->scratch.failed = true;
		return "";
	}
	service = (const struct service *)model_find(
		f->p->model, OBJECT_SERVICE, object->cluster, object->namespace, backend->service);
	port = service ? find_port(service, backend) : NULL;
	if (!service)
		tell(f, ingress, backend, "there is no such Service");
	else if (service->type == SERVICE_EXTERNAL_NAME)
		tell(f, ingress, backend, "the Service is of type ExternalName, which has no pods");
	else if (!port)
		tell(f, ingress, backend, "the Service has no such TCP port");
	if (!port || service->type == SERVICE_EXTERNAL_NAME)
		return "";
	one = find_or_make(f, ingress, service, name, port->port);
	if (!one) {
		f->p->scratch.failed = true;
		return "";
	}
	set_port(one, port);
	f->p->kept->front.waiting[bucket_of(name)] |= one->waits;
	return arena_copy(f->p->arena, one->name);
}

static void wait(
	struct front_kept *kept, unsigned at, const char *service_name, bool only_near_vips)
{
	for (struct proxied *one = kept->buckets[at]; one; one = one->next) {
		if ((service_name && strcmp(one->service_name, service_name) != 0) ||
			(only_near_vips && !one->near_vips))
			continue;
		one->waits = true;
		kept->waiting[at] = true;
	}
}

void front_pools_wait(struct planner *p, bool only_near_vips)
{
	struct front_kept *kept = &p->kept->front;

	for (unsigned i = 0; kept->buckets && i < BUCKETS; i++)
		if (!only_near_vips || kept->near_vips[i])
			wait(kept, i, NULL, only_near_vips);
}

void front_pools_leave(struct planning *g, const struct front_knot *knot)
{
	for (unsigned i = 0; i < knot->pool_count; i++) {
		struct proxied *one = knot->pools[i];

		one->uses--;
		g->front.waiting[bucket_of(one->service_name)] |= !one->uses;
	}
}

unsigned front_endpoint_count(const struct planning *g)
{
	unsigned count = 0;

	for (unsigned i = 0; g->front.buckets && i < BUCKETS; i++)
		for (const struct proxied *one = g->front.buckets[i]; one; one = one->next)
			count += one->endpoint_count;
	return count;
}

bool front_service_changed(struct planner *p, const struct model_change *change)
{
	struct front_kept *kept = &p->kept->front;
	const struct share_settings *share;
	char *name;

	if (!kept->made || !kept->buckets)
		return true;
	name = arena_format(
		&p->scratch, "%s/%s/%s", change->cluster, change->namespace, change->name);
	if (!name)
		return false;
	wait(kept, bucket_of(name), name, false);
	if (change->kind == OBJECT_SERVICE && !knots_named_changed(p, change))
		return false;
	share = share_find(p->settings, change->cluster, change->namespace, change->name);
	for (unsigned i = 0; share && i < share->cluster_count; i++) {
		name = arena_format(&p->scratch, "%s/%s", share->clusters[i].name, share->service);
		if (!name)
			return false;
		wait(kept, bucket_of(name), name, false);
	}
	return true;
}

static bool has_endpoints(const struct want *want, enum family family)
{
	for (unsigned i = 0; i < want->slice_count; i++)
		if (want->slices[i]->family == family && want->slices[i]->endpoint_count)
			return true;
	return false;
}

static unsigned family_to_use(const struct want *want)
{
	const struct service *service = want->service;
	bool v6_first = service->family_count && service->families[0] == FAMILY_V6;

	if (has_endpoints(want, v6_first ? FAMILY_V6 : FAMILY_V4))
		return v6_first ? V6 : V4;
	return has_endpoints(want, v6_first ? FAMILY_V4 : FAMILY_V6) != v6_first ? V6 : V4;
}

static void fill(struct planner *p, struct proxied *one, struct want *want)
{
	struct plan_pool *pool = pool_make(p, want, &one->port, family_to_use(want));
	struct plan_upstream *upstream = arena_take(p->arena, sizeof(*upstream));
	uint8_t *ca = arena_take(p->arena, one->upstream.ca_pem_length + 1);
	unsigned ready = 0;

	if (!pool || !upstream || !ca)
		return;
	*upstream = one->upstream;
	upstream->hash_name = arena_copy(p->arena, one->upstream.hash_name);
	upstream->tls_name = arena_copy(p->arena, one->upstream.tls_name);
	upstream->certificate = arena_copy(p->arena, one->upstream.certificate);
	if (upstream->ca_pem_length)
		memcpy(ca, one->upstream.ca_pem, upstream->ca_pem_length);
	upstream->ca_pem = ca;
	pool->name = arena_copy(p->arena, one->name);
	pool->upstream = upstream;
	for (unsigned i = 0; i < pool->endpoint_count; i++)
		ready += pool->endpoints[i].state == ENDPOINT_READY;
	if (!ready)
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"port %u has no ready endpoint: requests that Ingresses send there are "
			"answered 503",
			one->port.port);
}

static bool serve(struct planner *p, struct proxied *one)
{
	struct want *want;
	const struct service *service = (const struct service *)model_find(
		p->model, OBJECT_SERVICE, one->cluster, one->namespace, one->service);

	p->endpoint_count -= one->endpoint_count;
	one->endpoint_count = 0;
	one->waits = false;
	if (!part_begin(p))
		return false;
	want = service ? want_make_proxied(p, service) : NULL;
	if (want) {
		check_read(p, want);
		want->algorithm = one->algorithm;
		want->share_group =
			share_find(p->settings, one->cluster, one->namespace, one->service);
		if (want->share_group && want->algorithm == ALGORITHM_ROUND_ROBIN)
			want->algorithm = ALGORITHM_WEIGHTED; // the shares are weights
		want_find_slices(p, want);
		fill(p, one, want);
		one->near_vips = want->near_vips;
		p->kept->front.near_vips[bucket_of(one->service_name)] |= one->near_vips;
		one->endpoint_count = want->endpoint_count;
	}
	want_free(want);
	return part_replace(p, &one->part) && (want || !service);
}

static bool drop(struct planner *p, struct proxied *one)
{
	bool ok = planning_remove(p->kept, one->part);

	p->endpoint_count -= one->endpoint_count;
	arena_clear(&one->arena);
	free(one);
	return ok;
}

bool front_pools_begin(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;

	if (!kept->buckets)
		kept->buckets = calloc(BUCKETS, sizeof(struct proxied *));
	return kept->buckets;
}

bool front_pools_serve(struct planner *p)
{
	struct planning *g = p->kept;
	bool ok = true;

	for (unsigned i = 0; g->front.buckets && i < BUCKETS; i++) {
		if (!g->front.waiting[i])
			continue;
		g->front.waiting[i] = false;
		for (struct proxied **at = &g->front.buckets[i]; *at;) {
			struct proxied *one = *at;

			if (!one->uses) {
				*at = one->next;
				ok = drop(p, one) && ok;
				continue;
			}
			if (one->waits)
				ok = serve(p, one) && ok;
			at = &one->next;
		}
	}
	g->endpoint_count = p->endpoint_count;
	return ok;
}

void front_pools_clear(struct planning *g)
{
	for (unsigned i = 0; g->front.buckets && i < BUCKETS; i++)
		while (g->front.buckets[i]) {
			struct proxied *one = g->front.buckets[i];

			g->front.buckets[i] = one->next;
			planning_remove(g, one->part);
			arena_clear(&one->arena);
			free(one);
		}
	free(g->front.buckets);
}
