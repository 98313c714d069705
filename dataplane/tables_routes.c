// SPDX-License-Identifier: BSD-3-Clause
// The routes in a change of the tables: one sorted array, made anew when any of them changes. They
// are as many as nodes, so nothing cleverer is needed.
#include "tables_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_prefix(const struct prefix *a, const struct prefix *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (int)a->length - (int)b->length;
}

static int compare_routes(const void *a, const void *b)
{
	return compare_prefix(
		&((const struct fib_route *)a)->to, &((const struct fib_route *)b)->to);
}

static bool route_same(const struct fib_route *a, const struct fib_route *b)
{
	return compare_routes(a, b) == 0 && a->result == b->result && a->iface == b->iface &&
	       addr_compare(&a->via, &b->via) == 0;
}

static struct fib_route *route_find(
	struct fib_route *routes, uint32_t count, const struct prefix *to)
{
	struct fib_route key = {.to = *to};

	return count ? bsearch(&key, routes, count, sizeof(*routes), compare_routes) : NULL;
}

// Marks what leaves by a result that no route has, and closes the gaps.
#define ROUTE_LEAVES 0xff

static uint32_t take_away(struct build *build, struct fib_route *routes, uint32_t count)
{
	const struct plan_change *change = build->change;
	uint32_t left = 0;
	char text[PREFIX_TEXT];

	for (uint32_t i = 0; i < change->route_removed_count; i++) {
		struct fib_route *route = route_find(routes, count, &change->routes_removed[i]);

		if (route)
			route->result = ROUTE_LEAVES;
		else
			build_mistake(build, "route %s: to be removed, but not in the plan",
				prefix_format(&change->routes_removed[i], text));
	}
	for (uint32_t i = 0; i < change->route_count; i++) {
		struct fib_route *route = route_find(routes, count, &change->routes[i].to);

		if (route && route->result == ROUTE_LEAVES)
			build_mistake(build, "route %s: both set and removed",
				prefix_format(&change->routes[i].to, text));
		else if (route)
			route->result = ROUTE_LEAVES;
	}
	for (uint32_t i = 0; i < count; i++)
		if (routes[i].result != ROUTE_LEAVES)
			routes[left++] = routes[i];
	return left;
}

void routes_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;
	uint32_t count = change->base ? before->route_count : 0;
	struct fib_route *routes;
	uint32_t same = 0;
	char text[PREFIX_TEXT];

	if (change->base && !change->route_count && !change->route_removed_count)
		return;
	routes = edit_make(&build->edit, (count + change->route_count + 1) * sizeof(*routes));
	if (!routes)
		return;
	if (count)
		memcpy(routes, before->routes, count * sizeof(*routes));
	count = take_away(build, routes, count);
	if (change->route_count)
		memcpy(routes + count, change->routes, change->route_count * sizeof(*routes));
	count += change->route_count;
	qsort(routes, count, sizeof(*routes), compare_routes);
	for (uint32_t i = 0; i < count; i++) {
		if (i && compare_routes(&routes[i - 1], &routes[i]) == 0)
			build_mistake(
				build, "route %s: named twice", prefix_format(&routes[i].to, text));
		same += i < before->route_count && route_same(&routes[i], &before->routes[i]);
	}
	if (count > SLUICE_ROUTES_MAX)
		build_mistake(build, "routes: %u, at most %u can be", count, SLUICE_ROUTES_MAX);
	if (same == count && count == before->route_count) {
		edit_replace(&build->edit, routes); // as they were
		return;
	}
	edit_replace(&build->edit, before->routes);
	build->tables->routes = routes;
	build->tables->route_count = count;
}
