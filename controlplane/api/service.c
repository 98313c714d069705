// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/services: each Service that has an address, its listeners and the state of their pools.
#include "api_internal.h"
#include "counters.h"

#include <stdlib.h>
#include <string.h>

static json_t *listener_row(const struct api_request *request, const struct counters *counters,
	const struct plan_listener *listener)
{
	const struct plan_pool *pool = plan_pool_find(request->state->plan, listener->pool);
	json_t *row = json_object(), *sources = json_array();
	unsigned ready = 0, draining = 0;
	struct carried carried = {0};
	const Sluice__Counters *stats;
	char text[PREFIX_TEXT];

	for (unsigned i = 0; pool && i < pool->endpoint_count; i++) {
		ready += pool->endpoints[i].state == ENDPOINT_READY;
		draining += pool->endpoints[i].state == ENDPOINT_DRAINING;
	}
	for (unsigned i = 0; i < listener->source_count; i++)
		json_array_append_new(
			sources, json_string(prefix_format(&listener->sources[i], text)));
	json_object_set_new(row, "vip", json_addr(&listener->vip));
	json_object_set_new(row, "protocol", json_string(protocol_name(listener->protocol)));
	json_object_set_new(row, "port", json_integer(listener->port));
	json_object_set_new(row, "mode", json_string(mode_name(listener->mode)));
	json_object_set_new(row, "algorithm",
		pool ? json_string(algorithm_name(pool->algorithm)) : json_null());
	json_object_set_new(row, "affinity_s", json_integer(listener->affinity_s));
	json_object_set_new(row, "sources", sources);
	json_object_set_new(row, "pool", json_string(listener->pool));
	json_object_set_new(row, "ready", json_integer(ready));
	json_object_set_new(row, "draining", json_integer(draining));
	stats = counters_listener(counters, listener);
	carried_add(&carried, stats, NULL);
	carried_json(row, stats ? &carried : NULL);
	return row;
}

static int by_service(const void *a, const void *b)
{
	const struct plan_listener *const *x = a, *const *y = b;
	int order = strcmp((*x)->service, (*y)->service);

	if (!order)
		order = addr_compare(&(*x)->vip, &(*y)->vip);
	if (!order)
		order = (*x)->protocol - (*y)->protocol;
	return order ? order : (*x)->port - (*y)->port;
}

static json_t *service_row(const struct api_request *request, const struct counters *counters,
	const struct plan_listener *const *listeners, unsigned count)
{
	json_t *row = json_object(), *addresses = json_array(), *list = json_array();
	struct carried sum = {0};

	for (unsigned i = 0; i < count; i++) {
		if (!i || addr_compare(&listeners[i - 1]->vip, &listeners[i]->vip) != 0)
			json_array_append_new(addresses, json_addr(&listeners[i]->vip));
		json_array_append_new(list, listener_row(request, counters, listeners[i]));
		carried_add(&sum, counters_listener(counters, listeners[i]), NULL);
	}
	json_object_set_new(row, "service", json_string(listeners[0]->service));
	json_object_set_new(row, "addresses", addresses);
	json_object_set_new(row, "listeners", list);
	carried_json(row, request->stats ? &sum : NULL);
	return row;
}

static json_t *services(const struct api_request *request)
{
	struct counters *counters = counters_new(request->stats);
	const struct plan *plan = request->state->plan;
	unsigned count = plan ? plan->listener_count : 0, first = 0;
	const struct plan_listener **sorted = calloc(count + 1, sizeof(struct plan_listener *));
	unsigned all = sorted && counters ? count : 0;
	json_t *rows = json_array();

	count = 0;
	for (unsigned i = 0; i < all; i++)
		if (!plan->listeners[i]->http) // those are of the Ingresses
			sorted[count++] = plan->listeners[i];
	if (count)
		qsort(sorted, count, sizeof(void *), by_service);
	for (unsigned i = 1; i <= count; i++) {
		if (i < count && strcmp(sorted[i]->service, sorted[first]->service) == 0)
			continue;
		json_array_append_new(
			rows, service_row(request, counters, &sorted[first], i - first));
		first = i;
	}
	free(sorted);
	counters_free(counters);
	return answer_rows(request, "services", rows);
}

const struct api_command api_services = {
	.path = "/v1/services",
	.help = "Services with an address, their listeners and pools",
	.need = WANT_LISTENER_STATS,
	.handler = services,
	.large = true,
	.answer = "{services: [{service, addresses: [text], listeners: [{vip, protocol, port: "
		  "number, mode, algorithm: text?, affinity_s: number, sources: [text], pool, "
		  "ready: number, draining: number, " ANSWER_CARRIED "}], " ANSWER_CARRIED
		  "}], " ANSWER_WARNING "}",
};
