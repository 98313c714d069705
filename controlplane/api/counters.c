// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's rows of listeners, sorted, and of pools, by the hash of their names, so that a
// plan of 100,000 endpoints is joined with them in one walk. See api_internal.h.
#include "api_internal.h"
#include "counters.h"
#include "index.h"

#include <stdlib.h>
#include <string.h>

struct counters {
	const Sluice__ListenerStats **listeners;
	size_t listener_count;
	Sluice__PoolStats *const *pools;
	struct index *by_name; // of pools
};

static int compare_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len ? memcmp(a->data, b->data, a->len) : 0;
}

static int compare_listeners(const void *a, const void *b)
{
	const Sluice__ListenerKey *x = (*(const Sluice__ListenerStats *const *)a)->key;
	const Sluice__ListenerKey *y = (*(const Sluice__ListenerStats *const *)b)->key;
	int order = compare_bytes(&x->vip, &y->vip);

	if (!order && x->protocol != y->protocol)
		order = x->protocol < y->protocol ? -1 : 1;
	if (!order && x->port != y->port)
		order = x->port < y->port ? -1 : 1;
	return order;
}

struct counters *counters_new(const Sluice__Stats *stats)
{
	struct counters *c = calloc(1, sizeof(*c));

	if (!c || !stats)
		return c;
	c->listeners = calloc(stats->n_listeners + 1, sizeof(void *));
	c->by_name = index_new(stats->n_pools);
	if (!c->listeners || !c->by_name) {
		counters_free(c);
		return NULL;
	}
	for (size_t i = 0; i < stats->n_listeners; i++)
		if (stats->listeners[i]->key && stats->listeners[i]->counters)
			c->listeners[c->listener_count++] = stats->listeners[i];
	qsort(c->listeners, c->listener_count, sizeof(void *), compare_listeners);
	c->pools = stats->pools;
	for (size_t i = 0; i < stats->n_pools; i++)
		index_add(c->by_name, index_hash(0, stats->pools[i]->pool), i);
	return c;
}

static ProtobufCBinaryData bytes_of(const struct addr *addr)
{
	ProtobufCBinaryData data;

	data.data = (uint8_t *)(uintptr_t)addr_bytes(addr, &data.len);
	return data;
}

const Sluice__ListenerStats *counters_listener_stats(
	const struct counters *counters, const struct plan_listener *listener)
{
	Sluice__ListenerStats wanted = SLUICE__LISTENER_STATS__INIT;
	const Sluice__ListenerStats *key = &wanted, **found;
	Sluice__ListenerKey names = SLUICE__LISTENER_KEY__INIT;

	names.vip = bytes_of(&listener->vip);
	names.protocol = (Sluice__L4Protocol)listener->protocol;
	names.port = listener->port;
	wanted.key = &names;
	if (!counters->listener_count)
		return NULL;
	found = bsearch(&key, counters->listeners, counters->listener_count, sizeof(void *),
		compare_listeners);
	return found ? *found : NULL;
}

const Sluice__Counters *counters_listener(
	const struct counters *counters, const struct plan_listener *listener)
{
	const Sluice__ListenerStats *stats = counters_listener_stats(counters, listener);

	return stats ? stats->counters : NULL;
}

#define NUMBERS      6 // of Counters
#define HTTP_NUMBERS 4

// Where in the pool's row the endpoint is, most often where it is in the plan's; -1 = it is not.
static long position(
	const Sluice__PoolStats *row, const struct plan_endpoint *endpoint, size_t expected)
{
	size_t count = row->n_ports, bytes = sizeof(endpoint->address.byte);

	if (row->addresses.len != count * bytes || row->n_numbers != count * NUMBERS)
		return -1;
	for (size_t k = 0; k < count; k++) {
		size_t i = (expected + k) % count;

		if (row->ports[i] == endpoint->port &&
			memcmp(row->addresses.data + i * bytes, endpoint->address.byte, bytes) == 0)
			return (long)i;
	}
	return -1;
}

const Sluice__PoolStats *counters_pool_stats(const struct counters *counters, const char *pool)
{
	uint64_t hash = index_hash(0, pool);
	size_t at = 0, i;

	while (counters->by_name && index_next(counters->by_name, hash, &at, &i))
		if (strcmp(counters->pools[i]->pool, pool) == 0)
			return counters->pools[i];
	return NULL;
}

bool counters_endpoint(const Sluice__PoolStats *found, const struct plan_pool *pool, unsigned i,
	struct carried *out)
{
	long at = found ? position(found, &pool->endpoints[i], i) : -1;
	const uint64_t *numbers;

	if (at < 0)
		return false;
	numbers = found->numbers + at * NUMBERS;
	*out = (struct carried){.flows = numbers[0],
		.flows_created = numbers[1],
		.packets_in = numbers[2],
		.bytes_in = numbers[3],
		.packets_out = numbers[4],
		.bytes_out = numbers[5]};
	if (found->n_http_numbers != found->n_ports * HTTP_NUMBERS)
		return true;
	numbers = found->http_numbers + at * HTTP_NUMBERS;
	out->requests = numbers[0];
	out->requests_open = numbers[1];
	out->bytes_in += numbers[2];
	out->bytes_out += numbers[3];
	return true;
}

void counters_free(struct counters *counters)
{
	if (!counters)
		return;
	free(counters->listeners);
	index_free(counters->by_name);
	free(counters);
}

void counters_add(Sluice__Counters *sum, const Sluice__Counters *part)
{
	if (!part)
		return;
	sum->flows += part->flows;
	sum->flows_created += part->flows_created;
	sum->packets_in += part->packets_in;
	sum->bytes_in += part->bytes_in;
	sum->packets_out += part->packets_out;
	sum->bytes_out += part->bytes_out;
}

void carried_add(
	struct carried *sum, const Sluice__Counters *flows, const Sluice__HttpCounters *http)
{
	if (flows) {
		sum->flows += flows->flows;
		sum->flows_created += flows->flows_created;
		sum->packets_in += flows->packets_in;
		sum->bytes_in += flows->bytes_in;
		sum->packets_out += flows->packets_out;
		sum->bytes_out += flows->bytes_out;
	}
	if (http) {
		sum->requests += http_counters_requests(http);
		sum->requests_open += http->requests_open;
		sum->bytes_in += http->bytes_in;
		sum->bytes_out += http->bytes_out;
	}
}

static const struct {
	const char *name;
	size_t offset;
	bool always; // also in brief
} numbers[] = {
	{"flows", offsetof(struct carried, flows), true},
	{"flows_created", offsetof(struct carried, flows_created), true},
	{"packets_in", offsetof(struct carried, packets_in), false},
	{"bytes_in", offsetof(struct carried, bytes_in), true},
	{"packets_out", offsetof(struct carried, packets_out), false},
	{"bytes_out", offsetof(struct carried, bytes_out), true},
	{"requests", offsetof(struct carried, requests), true},
	{"requests_open", offsetof(struct carried, requests_open), false},
};

#define COUNT (sizeof(numbers) / sizeof(numbers[0]))

static uint64_t number(const struct carried *carried, size_t i)
{
	return *(const uint64_t *)(const void *)((const char *)carried + numbers[i].offset);
}

void carried_json(json_t *row, const struct carried *carried)
{
	for (size_t i = 0; i < COUNT; i++)
		json_object_set_new(row, numbers[i].name,
			carried ? json_integer((json_int_t)number(carried, i)) : json_null());
}

void carried_text(struct text *text, const struct carried *carried, bool brief)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (brief && !numbers[i].always)
			continue;
		if (carried)
			text_key_number(text, numbers[i].name, number(carried, i));
		else
			text_key_null(text, numbers[i].name);
	}
}
