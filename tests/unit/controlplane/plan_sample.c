// SPDX-License-Identifier: BSD-3-Clause
#include "plan_sample.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES 3

static struct addr v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return addr_from_v4(htonl(a << 24 | b << 16 | c << 8 | d));
}

static struct addr v6(unsigned last)
{
	struct addr addr = {{0x20, 0x01, 0x0d, 0xb8}};

	addr.byte[14] = (uint8_t)(last >> 8);
	addr.byte[15] = (uint8_t)last;
	return addr;
}

static char *text(const char *format, unsigned number)
{
	char *result;

	assert(asprintf(&result, format, number) > 0);
	return result;
}

// Half of 2 * size numbers.
static unsigned draw(unsigned *state, unsigned size, unsigned *chosen)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 2 * size; i++)
		if (rand_r(state) & 1)
			chosen[count++] = i;
	return count;
}

// An array of pointers to zeroed rows, which lie side by side.
static void *rows_of(unsigned count, size_t size)
{
	char **list = calloc(count + 1, sizeof(char *));

	assert(list);
	list[0] = calloc(count + 1, size); // behind which the caller does not look
	assert(list[0]);
	for (unsigned i = 0; i < count; i++)
		list[i + 1] = list[0] + i * size;
	return list + 1;
}

static void free_rows(void *list)
{
	if (!list)
		return;
	free(((void **)list)[-1]);
	free((void **)list - 1);
}

static int by_address(const void *left, const void *right)
{
	const struct plan_vip *a = *(struct plan_vip *const *)left;

	return addr_compare(&a->address, &(*(struct plan_vip *const *)right)->address);
}

static int by_key(const void *left, const void *right)
{
	const struct plan_listener *a = *(struct plan_listener *const *)left;
	const struct plan_listener *b = *(struct plan_listener *const *)right;
	int order = addr_compare(&a->vip, &b->vip);

	if (!order)
		order = a->protocol - b->protocol;
	return order ? order : a->port - b->port;
}

static int by_name(const void *left, const void *right)
{
	const struct plan_pool *a = *(struct plan_pool *const *)left;

	return strcmp(a->name, (*(struct plan_pool *const *)right)->name);
}

static void sort(void *list, unsigned count, int (*compare)(const void *, const void *))
{
	qsort(list, count, sizeof(void *), compare);
}

static void fill_endpoints(struct plan_pool *pool, unsigned *state)
{
	pool->endpoint_count = (unsigned)rand_r(state) % CHOICES;
	pool->endpoints = calloc(pool->endpoint_count + 1, sizeof(*pool->endpoints));
	for (unsigned i = 0; i < pool->endpoint_count; i++)
		pool->endpoints[i] = (struct plan_endpoint){
			.address = v4(10, 244, 1, i),
			.port = (uint16_t)(8080 + (unsigned)rand_r(state) % CHOICES),
			.weight = (uint16_t)(1 + (unsigned)rand_r(state) % CHOICES),
			.state = rand_r(state) % CHOICES ? ENDPOINT_READY : ENDPOINT_DRAINING,
			.name = text("pod-%u", (unsigned)rand_r(state) % CHOICES),
		};
}

static void fill_listener(struct plan_listener *listener, unsigned number, unsigned *state)
{
	*listener = (struct plan_listener){
		.vip = number & 1 ? v4(192, 0, 2, number / 8) : v6(number / 8),
		.protocol = number & 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.port = number & 4 ? 53 : 443,
		.service = text("local/default/s%u", (unsigned)rand_r(state) % CHOICES),
		.pool = text("pool-%u", number),
		.mode = (enum mode)(1 + rand_r(state) % CHOICES),
		.affinity_s = rand_r(state) & 1 ? 0 : 10800,
		.source_count = (unsigned)rand_r(state) % CHOICES,
		.sources = calloc(CHOICES, sizeof(*listener->sources)),
	};
	for (unsigned i = 0; i < listener->source_count; i++)
		listener->sources[i] = (struct prefix){
			v4(198, 51, 100, 0), (uint8_t)(24 + (unsigned)rand_r(state) % CHOICES)};
}

struct plan *plan_sample_random(unsigned seed, unsigned size)
{
	unsigned *chosen = calloc((size_t)2 * size, sizeof(*chosen));
	struct plan *plan = calloc(1, sizeof(*plan));

	assert(plan && chosen);
	plan->vips = rows_of(2 * size, sizeof(**plan->vips));
	plan->listeners = rows_of(2 * size, sizeof(**plan->listeners));
	plan->pools = rows_of(2 * size, sizeof(**plan->pools));
	plan->routes = rows_of(2 * size, sizeof(**plan->routes));
	plan->vip_count = draw(&seed, size, chosen);
	for (unsigned i = 0; i < plan->vip_count; i++) {
		struct plan_vip *vip = plan->vips[i];

		vip->address = chosen[i] & 1 ? v4(192, 0, 2, chosen[i]) : v6(chosen[i]);
		vip->pool = text("vips", 0);
		vip->interface_count = (unsigned)rand_r(&seed) % CHOICES;
		vip->interfaces = calloc(CHOICES, sizeof(*vip->interfaces));
		for (unsigned j = 0; j < vip->interface_count; j++)
			vip->interfaces[j] = text("wan%u", (unsigned)rand_r(&seed) % CHOICES);
	}
	plan->listener_count = draw(&seed, size, chosen);
	for (unsigned i = 0; i < plan->listener_count; i++)
		fill_listener(plan->listeners[i], chosen[i], &seed);
	plan->pool_count = draw(&seed, size, chosen);
	for (unsigned i = 0; i < plan->pool_count; i++) {
		plan->pools[i]->name = text("pool-%u", chosen[i]);
		plan->pools[i]->algorithm = (enum algorithm)(1 + rand_r(&seed) % CHOICES);
		fill_endpoints(plan->pools[i], &seed);
	}
	plan->route_count = draw(&seed, size, chosen);
	for (unsigned i = 0; i < plan->route_count; i++)
		*plan->routes[i] = (struct plan_route){
			.to = {v4(10, chosen[i] / 2, 0, 0), chosen[i] & 1 ? 24 : 16},
			.via = v4(172, 16, 0, (unsigned)rand_r(&seed) % CHOICES),
		};
	free(chosen);
	sort(plan->vips, plan->vip_count, by_address);
	if (rand_r(&seed) & 1) {
		plan->owned = calloc(plan->vip_count + 1, sizeof(*plan->owned));
		for (unsigned i = 0; plan->owned && i < plan->vip_count; i++)
			plan->owned[i] = rand_r(&seed) & 1;
	}
	sort(plan->listeners, plan->listener_count, by_key);
	sort(plan->pools, plan->pool_count, by_name);
	return plan;
}

struct plan *plan_sample_web(unsigned endpoints)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	assert(plan);
	plan->vip_count = plan->listener_count = plan->pool_count = 1;
	plan->vips = rows_of(1, sizeof(**plan->vips));
	plan->listeners = rows_of(1, sizeof(**plan->listeners));
	plan->pools = rows_of(1, sizeof(**plan->pools));
	plan->vips[0]->address = v4(192, 0, 2, 100);
	plan->vips[0]->pool = text("default", 0);
	plan->vips[0]->service_count = 1;
	plan->vips[0]->services = calloc(1, sizeof(char *));
	plan->vips[0]->services[0] = text("local/default/web", 0);
	*plan->listeners[0] = (struct plan_listener){
		.vip = v4(192, 0, 2, 100),
		.protocol = IPPROTO_TCP,
		.port = 80,
		.service = text("local/default/web", 0),
		.pool = text("local/default/web:TCP:80", 0),
		.mode = MODE_FULL_NAT,
	};
	plan->pools[0]->name = text("local/default/web:TCP:80", 0);
	plan->pools[0]->algorithm = ALGORITHM_MAGLEV;
	plan->pools[0]->endpoint_count = endpoints;
	plan->pools[0]->endpoints = calloc(endpoints + 1, sizeof(struct plan_endpoint));
	for (unsigned i = 0; i < endpoints; i++)
		plan->pools[0]->endpoints[i] = (struct plan_endpoint){
			.address = v4(10, 244, 1, 1 + i),
			.port = 8080,
			.weight = 1,
			.state = ENDPOINT_READY,
			.name = text("web-%u", i),
		};
	return plan;
}

void plan_sample_free(struct plan *plan)
{
	for (unsigned i = 0; i < plan->vip_count; i++) {
		for (unsigned j = 0; j < plan->vips[i]->interface_count; j++)
			free(plan->vips[i]->interfaces[j]);
		for (unsigned j = 0; j < plan->vips[i]->service_count; j++)
			free(plan->vips[i]->services[j]);
		free(plan->vips[i]->interfaces);
		free(plan->vips[i]->services);
		free(plan->vips[i]->pool);
	}
	for (unsigned i = 0; i < plan->listener_count; i++) {
		free(plan->listeners[i]->service);
		free(plan->listeners[i]->pool);
		free(plan->listeners[i]->sources);
	}
	for (unsigned i = 0; i < plan->pool_count; i++) {
		for (unsigned j = 0; j < plan->pools[i]->endpoint_count; j++)
			free(plan->pools[i]->endpoints[j].name);
		free(plan->pools[i]->endpoints);
		free(plan->pools[i]->name);
	}
	free(plan->owned);
	free_rows(plan->vips);
	free_rows(plan->listeners);
	free_rows(plan->pools);
	free_rows(plan->routes);
	free(plan);
}
