// SPDX-License-Identifier: BSD-3-Clause
#include "change_fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *block)
{
	if (!block)
		abort();
	return block;
}

// One more, zeroed, at the end of an array whose room doubles at powers of two.
static void *append(void **array, uint32_t *count, size_t size)
{
	char *block = *array;

	if ((*count & (*count - 1)) == 0)
		block = must(realloc(block, (*count ? 2 * (size_t)*count : 1) * size));
	*array = block;
	memset(block + *count * size, 0, size);
	return block + (*count)++ * size;
}

struct addr address_of(const char *text)
{
	struct addr addr;

	if (addr_parse(&addr, text) < 0) {
		fprintf(stderr, "no address: %s\n", text);
		abort();
	}
	return addr;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(&prefix, text) < 0) {
		fprintf(stderr, "no prefix: %s\n", text);
		abort();
	}
	return prefix;
}

struct plan_change *change_new(uint64_t base, uint64_t generation)
{
	struct plan_change *change = must(calloc(1, sizeof(*change)));

	change->base = base;
	change->generation = generation;
	return change;
}

void change_free(struct plan_change *change)
{
	for (uint32_t i = 0; i < change->pool_count; i++) {
		for (uint32_t k = 0; k < change->pools[i].endpoint_count; k++)
			free(change->pools[i].endpoints[k].name);
		free(change->pools[i].endpoints);
		free(change->pools[i].name);
	}
	for (uint32_t i = 0; i < change->listener_count; i++) {
		free(change->listeners[i].service);
		free(change->listeners[i].pool);
		free(change->listeners[i].sources);
	}
	for (uint32_t i = 0; i < change->pool_removed_count; i++)
		free(change->pools_removed[i]);
	free(change->vips);
	free(change->listeners);
	free(change->pools);
	free(change->routes);
	free(change->vips_removed);
	free(change->listeners_removed);
	free(change->pools_removed);
	free(change->routes_removed);
	free(change);
}

struct plan_vip *change_vip(struct plan_change *change, const char *address)
{
	struct plan_vip *vip =
		append((void **)&change->vips, &change->vip_count, sizeof(*change->vips));

	*vip = (struct plan_vip){address_of(address), true, UINT64_MAX};
	return vip;
}

struct plan_pool *change_pool(struct plan_change *change, const char *name, uint8_t algorithm)
{
	struct plan_pool *pool =
		append((void **)&change->pools, &change->pool_count, sizeof(*change->pools));

	pool->name = must(strdup(name));
	pool->algorithm = algorithm;
	return pool;
}

static bool before(const struct plan_endpoint *a, const struct plan_endpoint *b)
{
	int order = addr_compare(&a->address, &b->address);

	return order ? order < 0 : ntohs(a->port) < ntohs(b->port);
}

struct plan_endpoint *change_endpoint(struct plan_change *change, const char *address,
	uint16_t port, uint8_t state, uint16_t weight)
{
	struct plan_pool *pool = &change->pools[change->pool_count - 1];
	struct plan_endpoint *at =
		append((void **)&pool->endpoints, &pool->endpoint_count, sizeof(*pool->endpoints));
	struct plan_endpoint next = {
		address_of(address), htons(port), weight, state, must(strdup(address))};

	for (; at > pool->endpoints && before(&next, &at[-1]); at--)
		at[0] = at[-1];
	*at = next;
	return at;
}

struct plan_listener *change_listener(struct plan_change *change, const char *vip, uint8_t protocol,
	uint16_t port, const char *pool)
{
	struct plan_listener *listener = append(
		(void **)&change->listeners, &change->listener_count, sizeof(*change->listeners));

	listener->vip = address_of(vip);
	listener->port = htons(port);
	listener->protocol = protocol;
	listener->mode = MODE_FULL_NAT;
	listener->service = must(strdup("local/default/web"));
	listener->pool = must(strdup(pool));
	return listener;
}

void change_source(struct plan_listener *listener, const char *prefix)
{
	struct prefix *source = append(
		(void **)&listener->sources, &listener->source_count, sizeof(*listener->sources));

	*source = prefix_of(prefix);
}

struct fib_route *change_route(struct plan_change *change, const char *to, const char *via)
{
	struct fib_route *route =
		append((void **)&change->routes, &change->route_count, sizeof(*change->routes));

	route->to = prefix_of(to);
	route->via = address_of(via);
	return route;
}

void change_remove_vip(struct plan_change *change, const char *address)
{
	struct addr *removed = append((void **)&change->vips_removed, &change->vip_removed_count,
		sizeof(*change->vips_removed));

	*removed = address_of(address);
}

void change_remove_pool(struct plan_change *change, const char *name)
{
	char **removed = append((void **)&change->pools_removed, &change->pool_removed_count,
		sizeof(*change->pools_removed));

	*removed = must(strdup(name));
}

void change_remove_listener(
	struct plan_change *change, const char *vip, uint8_t protocol, uint16_t port)
{
	struct plan_listener_key *removed = append((void **)&change->listeners_removed,
		&change->listener_removed_count, sizeof(*change->listeners_removed));

	*removed = (struct plan_listener_key){address_of(vip), htons(port), protocol};
}

void change_remove_route(struct plan_change *change, const char *to)
{
	struct prefix *removed = append((void **)&change->routes_removed,
		&change->route_removed_count, sizeof(*change->routes_removed));

	*removed = prefix_of(to);
}
