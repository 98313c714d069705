// SPDX-License-Identifier: BSD-3-Clause
#include "counted.h"

#include <string.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static void fill_pool(struct counted *c)
{
	c->stats.n_pools = 1;
	c->stats.pools = c->pools;
	c->pools[0] = &c->pool;
	sluice__pool_stats__init(&c->pool);
	c->pool.pool = TEXT("local/default/web:TCP:80");
	c->pool.addresses = (ProtobufCBinaryData){sizeof(c->pods), (uint8_t *)c->pods};
	c->pool.n_ports = 3;
	c->pool.ports = c->ports_of_pods;
	c->pool.n_numbers = 18;
	c->pool.numbers = c->numbers;
	for (unsigned i = 0; i < 3; i++) { // in any order
		const uint8_t pod[] = {10, 244, 1, (uint8_t)(3 - i)};

		memcpy(c->pod[2 - i], pod, 4);
		addr_from_bytes(&c->pods[i], pod, 4);
		c->ports_of_pods[i] = 8080;
		c->numbers[6 * i] = 12 - i;
		c->numbers[6 * i + 5] = 5000000002 - i;
	}
}

void counted_fill(struct counted *c)
{
	static const uint8_t vip[] = {192, 0, 2, 100}, client[] = {198, 51, 100, 7};

	sluice__stats__init(&c->stats);
	sluice__hello__init(&c->hello);
	sluice__worker_stats__init(&c->worker);
	sluice__stage_cycles__init(&c->stage);
	sluice__port_stats__init(&c->port);
	sluice__listener_stats__init(&c->listener);
	sluice__listener_key__init(&c->key);
	sluice__flow__init(&c->flow);
	sluice__flows__init(&c->flows);
	memcpy(c->vip, vip, 4);
	memcpy(c->client, client, 4);
	c->stats.hello = &c->hello;
	c->stats.memory = TEXT("4 kB pages");
	c->stats.n_workers = c->stats.n_ports = c->stats.n_listeners = 1;
	c->stats.workers = c->workers;
	c->workers[0] = &c->worker;
	c->worker.flows = 95;
	c->worker.flows_capacity = 100;
	c->worker.busy_cycles = 25;
	c->worker.total_cycles = 100;
	c->worker.n_stages = 1;
	c->worker.stages = c->stages;
	c->stages[0] = &c->stage;
	c->stage.stage = TEXT("classify");
	c->stage.cycles = 300;
	c->stage.packets = 10;
	c->stats.ports = c->ports;
	c->ports[0] = &c->port;
	c->port.name = TEXT("wan");
	c->stats.n_drops = 2;
	c->stats.drops = c->drops;
	for (unsigned i = 0; i < 2; i++) {
		sluice__drop_stats__init(&c->drop[i]);
		c->drop[i].reason = TEXT(i ? "bad_checksum" : "no_endpoint");
		c->drop[i].help = TEXT("because");
		c->drop[i].packets = i ? 0 : 5;
		c->drops[i] = &c->drop[i];
	}
	for (unsigned i = 3; i < 4; i++) {
		sluice__counters__init(&c->counters[i]);
		c->counters[i].flows = 10 + i;
		c->counters[i].bytes_out = 5000000000 + i;
	}
	c->stats.listeners = c->listeners;
	c->listeners[0] = &c->listener;
	c->listener.key = &c->key;
	c->listener.counters = &c->counters[3];
	c->key.vip = (ProtobufCBinaryData){4, c->vip};
	c->key.protocol = SLUICE__L4_PROTOCOL__L4_TCP;
	c->key.port = 80;
	fill_pool(c);
	c->flow.protocol = SLUICE__L4_PROTOCOL__L4_TCP;
	c->flow.mode = SLUICE__MODE__MODE_FULL_NAT;
	c->flow.state = TEXT("established");
	c->flow.client = (ProtobufCBinaryData){4, c->client};
	c->flow.vip = (ProtobufCBinaryData){4, c->vip};
	c->flow.endpoint = (ProtobufCBinaryData){4, c->pod[0]};
	c->flow.packets = 9;
	c->flow_list[0] = &c->flow;
	c->flows.n_flows = 1;
	c->flows.flows = c->flow_list;
	c->flows.total = 4711;
}
