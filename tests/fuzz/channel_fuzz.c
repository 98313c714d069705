// SPDX-License-Identifier: BSD-3-Clause
// A Request of the channel, from its envelope to the tables: the input is what stands in one frame.
// A transaction that decodes is applied to tables with a small plan in them; what comes of it must
// hold together, and the same whole plan once more must change nothing.
#include "change_fixture.h"

#include "channel.pb-c.h"
#include "channel_request.h"

#include <arpa/inet.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct iface ifaces[] = {{.name = "wan", .index = 0}, {.name = "lan", .index = 1}};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fill(struct tables_store *store)
{
	struct plan_change *change = change_new(0, 1);
	struct reason reason = {0};

	change_vip(change, "192.0.2.10");
	change_pool(change, "p", ALGORITHM_ROUND_ROBIN);
	change_endpoint(change, "10.0.0.1", 8080, ENDPOINT_READY, 1);
	change_endpoint(change, "10.0.0.2", 8080, ENDPOINT_DRAINING, 2);
	change_listener(change, "192.0.2.10", IPPROTO_TCP, 80, "p")->mode = MODE_DNAT;
	change_route(change, "10.0.0.0/24", "192.168.0.1");
	must(tables_apply(store, change, &reason) == 0);
	change_free(change);
}

static void check_listener(const struct listener *listener, void *arg)
{
	const struct tables *tables = arg;
	const struct pool *pool = listener->pool;
	uint8_t flags = 0;

	must(tables_listener(tables, &listener->vip, listener->protocol, listener->port) ==
		listener);
	must(tables_listener_slot(tables, listener->slot) == listener);
	must(tables_vip(tables, &listener->vip) != NULL);
	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct endpoint *it = pool->members[i];

		must(tables_endpoint(tables, it->slot) == it);
		must(it->weight >= 1 && it->port != 0);
		must(addr_is_v4(&it->address) == addr_is_v4(&listener->vip));
		if (listener->mode == MODE_DNAT)
			must(tables_dnat_endpoint(
				     tables, &it->address, listener->protocol, it->port, &flags) &&
				flags == listener->flags);
	}
}

static void apply(struct tables_store *store, struct plan_change *change)
{
	const struct tables *before = tables_current(store);
	struct reason reason = {0};
	uint32_t slots;

	if (tables_apply(store, change, &reason) < 0) {
		must(reason.count > 0 && tables_current(store) == before);
	} else {
		must(reason.count == 0);
		tables_each_listener(
			tables_current(store), check_listener, (void *)tables_current(store));
		slots = tables_endpoint_slots(tables_current(store));
		if (change->base == 0) {
			must(tables_apply(store, change, &reason) == 0);
			must(tables_endpoint_slots(tables_current(store)) == slots);
		}
		if (tables_has_removed(store))
			tables_release_slots(store);
		tables_reclaim(store);
	}
	reason_clear(&reason);
}

static void transaction(const struct request *request)
{
	struct tables_store *store = tables_store_new();
	struct reason reason = {0};
	struct plan_change *change =
		plan_change_decode(request->body, request->length, ifaces, 2, &reason);

	must((change != NULL) == (reason.count == 0));
	if (store && change) {
		fill(store);
		apply(store, change);
	}
	plan_change_free(change);
	reason_clear(&reason);
	tables_store_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct request request;

	request_parse(&request, bytes, length);
	if (request.kind == REQUEST_NONE)
		return 0;
	must(request.body >= bytes && request.body + request.length <= bytes + length);
	if (request.kind == REQUEST_TRANSACTION)
		transaction(&request);
	else if (request.kind == REQUEST_STATS)
		sluice__stats_request__free_unpacked(
			sluice__stats_request__unpack(NULL, request.length, request.body), NULL);
	else
		sluice__flows_request__free_unpacked(
			sluice__flows_request__unpack(NULL, request.length, request.body), NULL);
	return 0;
}
