// SPDX-License-Identifier: BSD-3-Clause
// Counters of workers, ports, pools and drops, as the channel's Stats. Main lcore. What workers
// count is read as it is, without stopping them.
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "stats_internal.h"

void stats_hello(void *arg, Sluice__Hello *hello)
{
	const struct dataplane *dataplane = arg;

	hello->version = SLUICE__VERSION__VERSION_CURRENT;
	hello->build = answer_text(SLUICE_VERSION);
	hello->generation = tables_generation(tables_current(dataplane->store));
	hello->started_us = dataplane->started_realtime;
}

static Sluice__WorkerStats *worker_stats(struct answer *arena, const struct worker *worker)
{
	Sluice__WorkerStats *stats = answer_alloc(arena, sizeof(*stats));
	Sluice__StageCycles **stages = answer_alloc(arena, STAGE_COUNT * sizeof(*stages));
	Sluice__StageCycles *rows = answer_alloc(arena, STAGE_COUNT * sizeof(*rows));

	if (arena->failed)
		return NULL;
	sluice__worker_stats__init(stats);
	stats->worker = worker->id;
	stats->cpu = worker->cpu;
	stats->packets = worker->counters.packets;
	stats->handed_over = worker->counters.handed_over;
	stats->flows = worker->flows->used;
	stats->flows_capacity = worker->flows->capacity;
	stats->flow_bytes = worker->flows->bytes;
	stats->busy_cycles = worker->counters.busy_cycles;
	stats->total_cycles = worker->counters.total_cycles;
	stats->n_stages = STAGE_COUNT;
	stats->stages = stages;
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		sluice__stage_cycles__init(&rows[i]);
		rows[i].stage = answer_text(worker_stage_name(i));
		rows[i].cycles = worker->counters.stage_cycles[i];
		rows[i].packets = worker->counters.packets;
		stages[i] = &rows[i];
	}
	return stats;
}

static void add_offloads(Sluice__PortStats *stats, const struct port *port, struct answer *arena)
{
	static const struct {
		uint32_t cap;
		const char *name;
	} names[] = {
		{PORT_RSS, "rss"},
		{PORT_TX_IP_CKSUM, "tx-ip-checksum"},
		{PORT_TX_L4_CKSUM, "tx-l4-checksum"},
		{PORT_RX_CKSUM, "rx-checksum"},
		{PORT_TX_VLAN, "tx-vlan"},
	};
	const size_t count = sizeof(names) / sizeof(names[0]);

	stats->offloads = answer_alloc(arena, count * sizeof(*stats->offloads));
	for (size_t i = 0; i < count && stats->offloads; i++)
		if (port->caps & names[i].cap)
			stats->offloads[stats->n_offloads++] = answer_text(names[i].name);
}

static Sluice__PortStats *port_stats(
	struct answer *arena, struct port *port, const struct port_settings *settings)
{
	Sluice__PortStats *stats = answer_alloc(arena, sizeof(*stats));
	char *mac = answer_alloc(arena, RTE_ETHER_ADDR_FMT_SIZE);
	struct port_link link = port_link(port);
	struct rte_eth_stats counters = {0};

	if (arena->failed)
		return NULL;
	sluice__port_stats__init(stats);
	port_counters(port, &counters);
	snprintf(mac, RTE_ETHER_ADDR_FMT_SIZE, MAC_FORMAT, RTE_ETHER_ADDR_BYTES(&port->mac));
	stats->name = answer_text(port->name);
	stats->kind = settings->kind;
	stats->device = settings->device;
	stats->link_up = link.up;
	stats->speed_mbps = link.speed_mbps;
	stats->mtu = port->mtu;
	stats->mac = mac;
	stats->queues = port->queues;
	stats->rx_packets = counters.ipackets;
	stats->rx_bytes = counters.ibytes;
	stats->rx_missed = counters.imissed;
	stats->rx_errors = counters.ierrors + counters.rx_nombuf;
	stats->tx_packets = counters.opackets;
	stats->tx_bytes = counters.obytes;
	stats->tx_errors = counters.oerrors;
	add_offloads(stats, port, arena);
	return stats;
}

static void fill_drops(
	const struct dataplane *dataplane, struct answer *arena, Sluice__Stats *stats)
{
	Sluice__DropStats *rows = answer_alloc(arena, DROP_COUNT * sizeof(*rows));

	stats->drops = answer_alloc(arena, DROP_COUNT * sizeof(*stats->drops));
	if (arena->failed)
		return;
	for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++) {
		Sluice__DropStats *row = &rows[i];

		sluice__drop_stats__init(row);
		row->reason = answer_text(drop_name(i));
		row->help = answer_text(drop_help(i));
		row->packets = dataplane->host_drops[i];
		for (unsigned j = 0; j < dataplane->worker_count; j++)
			row->packets += dataplane->workers[j]->counters.drops[i];
		stats->drops[stats->n_drops++] = row;
	}
}

static void add_endpoint(const struct dataplane *dataplane, uint32_t slot, Sluice__Counters *sum)
{
	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		const struct opener *opener = &dataplane->workers[i]->opener;
		const struct endpoint_counters *counters = &opener->counters[slot];

		sum->flows += opener->load[slot];
		sum->flows_created += counters->created;
		sum->packets_in += counters->packets[0];
		sum->bytes_in += counters->bytes[0];
		sum->packets_out += counters->packets[1];
		sum->bytes_out += counters->bytes[1];
	}
}

struct fill {
	bool members;
	const struct dataplane *dataplane;
	struct answer *arena;
	Sluice__Stats *stats;
};

static void count_endpoints(const struct pool *pool, void *arg)
{
	*(size_t *)arg += pool->member_count;
}

static void count_listener(const struct listener *listener, void *arg)
{
	(void)listener;
	++*(size_t *)arg;
}

static void set_address(ProtobufCBinaryData *field, const struct addr *addr)
{
	field->data = (uint8_t *)(uintptr_t)addr_bytes(addr, &field->len);
}

static void fill_endpoints(const struct pool *pool, void *arg)
{
	struct fill *fill = arg;

	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct endpoint *endpoint = pool->members[i];
		Sluice__EndpointStats *row = answer_alloc(fill->arena, sizeof(*row));
		Sluice__Counters *counters = answer_alloc(fill->arena, sizeof(*counters));

		if (fill->arena->failed)
			return;
		sluice__endpoint_stats__init(row);
		sluice__counters__init(counters);
		row->pool = answer_text(pool->name);
		set_address(&row->address, &endpoint->address);
		row->port = ntohs(endpoint->port);
		row->counters = counters;
		add_endpoint(fill->dataplane, endpoint->slot, counters);
		if (pool->upstream)
			row->http =
				stats_http_endpoint(fill->dataplane, fill->arena, endpoint->slot);
		fill->stats->endpoints[fill->stats->n_endpoints++] = row;
	}
}

// A listener's counters are those of its pool: a pool belongs to one Service port.
static void fill_listener(const struct listener *listener, void *arg)
{
	struct fill *fill = arg;
	Sluice__ListenerStats *row = answer_alloc(fill->arena, sizeof(*row));
	Sluice__ListenerKey *key = answer_alloc(fill->arena, sizeof(*key));
	Sluice__Counters *counters = answer_alloc(fill->arena, sizeof(*counters));

	if (fill->arena->failed)
		return;
	sluice__listener_stats__init(row);
	sluice__listener_key__init(key);
	sluice__counters__init(counters);
	set_address(&key->vip, &listener->vip);
	key->protocol = listener->protocol;
	key->port = ntohs(listener->port);
	row->key = key;
	row->counters = counters;
	if (listener->http)
		row->http = stats_http_listener(fill->dataplane, fill->arena, listener->slot);
	for (uint32_t i = 0; listener->pool && i < listener->pool->member_count; i++)
		add_endpoint(fill->dataplane, listener->pool->members[i]->slot, counters);
	fill->stats->listeners[fill->stats->n_listeners++] = row;
}

static void count_pool(const struct pool *pool, void *arg)
{
	(void)pool;
	++*(size_t *)arg;
}

#define NUMBERS 6 // of Counters

static void fill_members(struct fill *fill, const struct pool *pool, Sluice__PoolStats *row)
{
	const size_t bytes = sizeof(struct addr);

	row->addresses.data = answer_alloc(fill->arena, pool->member_count * bytes);
	row->ports = answer_alloc(fill->arena, pool->member_count * sizeof(*row->ports));
	row->numbers =
		answer_alloc(fill->arena, pool->member_count * NUMBERS * sizeof(*row->numbers));
	if (fill->arena->failed)
		return;
	for (uint32_t i = 0; i < pool->member_count; i++) {
		const struct endpoint *endpoint = pool->members[i];
		Sluice__Counters sum = SLUICE__COUNTERS__INIT;

		add_endpoint(fill->dataplane, endpoint->slot, &sum);
		memcpy(row->addresses.data + i * bytes, endpoint->address.byte, bytes);
		row->ports[i] = ntohs(endpoint->port);
		memcpy(row->numbers + i * NUMBERS,
			(uint64_t[NUMBERS]){sum.flows, sum.flows_created, sum.packets_in,
				sum.bytes_in, sum.packets_out, sum.bytes_out},
			NUMBERS * sizeof(*row->numbers));
	}
	row->addresses.len = pool->member_count * bytes;
	row->n_ports = pool->member_count;
	row->n_numbers = pool->member_count * NUMBERS;
	if (pool->upstream)
		stats_http_members(fill->dataplane, fill->arena, pool, row);
}

static void fill_pool(const struct pool *pool, void *arg)
{
	struct fill *fill = arg;
	Sluice__PoolStats *row = answer_alloc(fill->arena, sizeof(*row));
	Sluice__Counters *counters = answer_alloc(fill->arena, sizeof(*counters));

	if (fill->arena->failed)
		return;
	sluice__pool_stats__init(row);
	sluice__counters__init(counters);
	row->pool = answer_text(pool->name);
	row->counters = counters;
	for (uint32_t i = 0; i < pool->member_count; i++)
		add_endpoint(fill->dataplane, pool->members[i]->slot, counters);
	if (pool->upstream)
		row->http = stats_http_pool(fill->dataplane, fill->arena, pool);
	if (fill->members)
		fill_members(fill, pool, row);
	fill->stats->pools[fill->stats->n_pools++] = row;
}

static void fill_pools(
	const struct dataplane *dataplane, struct answer *arena, Sluice__Stats *stats, bool members)
{
	const struct tables *tables = tables_current(dataplane->store);
	struct fill fill = {members, dataplane, arena, stats};
	size_t count = 0;

	tables_each_pool(tables, count_pool, &count);
	stats->pools = answer_alloc(arena, count * sizeof(*stats->pools));
	if (!arena->failed)
		tables_each_pool(tables, fill_pool, &fill);
}

static void fill_listeners(
	const struct dataplane *dataplane, struct answer *arena, Sluice__Stats *stats)
{
	const struct tables *tables = tables_current(dataplane->store);
	struct fill fill = {false, dataplane, arena, stats};
	size_t count = 0;

	tables_each_listener(tables, count_listener, &count);
	stats->listeners = answer_alloc(arena, count * sizeof(*stats->listeners));
	if (!arena->failed)
		tables_each_listener(tables, fill_listener, &fill);
}

static void fill_endpoint_rows(
	const struct dataplane *dataplane, struct answer *arena, Sluice__Stats *stats)
{
	const struct tables *tables = tables_current(dataplane->store);
	struct fill fill = {false, dataplane, arena, stats};
	size_t endpoints = 0;

	tables_each_pool(tables, count_endpoints, &endpoints);
	stats->endpoints = answer_alloc(arena, endpoints * sizeof(*stats->endpoints));
	if (!arena->failed)
		tables_each_pool(tables, fill_endpoints, &fill);
}

static void fill_process(struct dataplane *dataplane, struct answer *arena, Sluice__Stats *stats)
{
	stats->memory = answer_text(dataplane->hugepages ? "huge pages" : "4 kB pages");
	stats->buffers = dataplane->buffer_count;
	stats->buffers_free = rte_mempool_avail_count(dataplane->pool);
	stats->workers = answer_alloc(arena, dataplane->worker_count * sizeof(*stats->workers));
	stats->ports = answer_alloc(arena, dataplane->port_count * sizeof(*stats->ports));
	if (arena->failed)
		return;
	for (unsigned i = 0; i < dataplane->worker_count; i++)
		stats->workers[stats->n_workers++] = worker_stats(arena, dataplane->workers[i]);
	for (unsigned i = 0; i < dataplane->port_count; i++)
		stats->ports[stats->n_ports++] =
			port_stats(arena, &dataplane->ports[i], &dataplane->settings->ports[i]);
}

void stats_send(
	void *arg, struct channel *channel, uint64_t id, const Sluice__StatsRequest *request)
{
	struct dataplane *dataplane = arg;
	Sluice__Stats stats = SLUICE__STATS__INIT;
	Sluice__Hello hello = SLUICE__HELLO__INIT;
	Sluice__Stats empty = SLUICE__STATS__INIT;
	struct answer arena = {0};

	stats_hello(dataplane, &hello);
	stats.hello = &hello;
	empty.hello = &hello;
	fill_process(dataplane, &arena, &stats);
	fill_drops(dataplane, &arena, &stats);
	stats_http(dataplane, &arena, &stats, request->rules);
	if (request->endpoints)
		fill_endpoint_rows(dataplane, &arena, &stats);
	if (request->endpoints || request->listeners)
		fill_listeners(dataplane, &arena, &stats);
	if (request->pools)
		fill_pools(dataplane, &arena, &stats, request->members);
	channel_send_stats(channel, id, arena.failed ? &empty : &stats);
	answer_free(&arena);
}
