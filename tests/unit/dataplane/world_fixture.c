// SPDX-License-Identifier: BSD-3-Clause
#include "world_fixture.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_thash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frame_fixture.h"
#include "resolve.h"

#define RING_SIZE   4096
#define RSS_BUCKETS 128
#define SLOTS       SLUICE_ENDPOINTS_MAX

const struct world_settings world_defaults = {
	.workers = 1,
	.flows = 1024,
	.port_first = 20000,
	.port_last = 20999,
	.timeouts = {.tcp_syn = 30,
		.tcp_established = 7800,
		.tcp_fin = 60,
		.tcp_closed = 2,
		.udp = 60,
		.udp_unreplied = 30},
};

static uint16_t ring_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct world_port *under = port->state;

	return (uint16_t)rte_ring_dequeue_burst(under->rx[queue], (void **)mbufs, n, NULL);
}

static uint16_t ring_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct world_port *under = port->state;

	if (n > under->tx_room)
		n = under->tx_room;
	return (uint16_t)rte_ring_enqueue_burst(under->tx[queue], (void **)mbufs, n, NULL);
}

static const struct port_engine ring_engine = {.rx = ring_rx, .tx = ring_tx};
static const struct port_kind ring_kind = {.name = "ring", .engine = &ring_engine};

static struct rte_ring *ring(const char *what, unsigned i, unsigned j, unsigned element)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *made;

	snprintf(name, sizeof(name), "%s %u %u", what, i, j);
	made = element ? rte_ring_create_elem(name, element, RING_SIZE, SOCKET_ID_ANY, 0)
		       : rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, 0);
	if (!made) {
		fprintf(stderr, "no memory for a ring\n");
		abort();
	}
	return made;
}

static void make_port(struct world *world, unsigned number)
{
	struct world_port *under = &world->ports[number];
	struct port *port = &under->port;

	snprintf(port->name, sizeof(port->name), "p%u", number);
	port->dpdk_id = (uint16_t)number;
	port->index = (uint16_t)number;
	port->queues = (uint16_t)world->settings.queues;
	port->kind = &ring_kind;
	port->mtu = SLUICE_MTU_MAX;
	port->state = under;
	port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)(number + 1)}};
	if (world->settings.rss) {
		port->caps |= PORT_RSS;
		port->rss_buckets = RSS_BUCKETS;
	}
	if (world->settings.tx_checksum)
		port->caps |= PORT_TX_IP_CKSUM;
	under->tx_room = UINT16_MAX;
	memset(under->classify.iface_of_vlan, CLASSIFY_NO_IFACE,
		sizeof(under->classify.iface_of_vlan));
	under->classify.ifaces = world->ifaces;
	for (unsigned queue = 0; queue < port->queues; queue++) {
		under->rx[queue] = ring("rx", number, queue, 0);
		under->tx[queue] = ring("tx", number, queue, 0);
	}
	world->port_copies[number] = *port;
}

// Zeroed memory that costs nothing until it is touched.
static void *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void make_worker(struct world *world, unsigned id)
{
	struct worker *worker = rte_zmalloc("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE);
	struct transmitter *transmitter = &worker->transmitter;

	world->workers[id] = worker;
	worker->id = (uint16_t)id;
	worker->stop = &world->stop;
	worker->tables = tables_pointer(world->tables);
	worker->fib = (const struct fib *const *)&world->fib;
	worker->capture = &world->capture;
	worker->qsbr = world->qsbr;
	worker->ifaces = world->ifaces;
	worker->inbox = world->inboxes[id];
	worker->inboxes = world->inboxes;
	worker->host = world->host;
	worker->doorbell = &world->doorbell;
	worker->port_count = WORLD_PORTS;
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		worker->ports[i] = (struct worker_port){&world->port_copies[i],
			&world->ports[i].classify, id < world->settings.queues};
		if (id >= world->settings.queues)
			world->relays[id][i] = world->inboxes[id % world->settings.queues];
		if (world->settings.rss)
			worker->opener.rss_ports |= 1u << i;
	}
	worker->tick_base = rte_rdtsc() - rte_get_tsc_hz(); // it has run for a second
	worker->tick_scale =
		(uint64_t)((((__uint128_t)1000000 << 64) / FLOW_TICK_US) / rte_get_tsc_hz());
	worker->flows = flow_table_new(world->settings.flows, 1 + id, &world->settings.timeouts);
	worker->fragments =
		fragment_table_new((uint16_t)id, (uint16_t)world->settings.workers, 7 + id);
	worker->opener.flows = worker->flows;
	worker->opener.rule = &world->rule;
	worker->opener.sources = &world->snat;
	worker->opener.worker = (uint16_t)id;
	worker->opener.counters = reserve(SLOTS * sizeof(struct endpoint_counters));
	worker->opener.load = reserve(SLOTS * sizeof(uint32_t));
	worker->opener.pick_states = reserve(SLUICE_POOLS_MAX * sizeof(struct pick_state));
	worker->rewriter = (struct rewriter){.opener = &worker->opener,
		.ifaces = world->ifaces,
		.pool = world->pool,
		.drops = worker->counters.drops};
	transmitter->ifaces = world->ifaces;
	transmitter->ports = world->port_copies;
	transmitter->port_count = WORLD_PORTS;
	transmitter->queue = (uint16_t)id;
	transmitter->relays = world->relays[id];
	transmitter->resolve = world->resolve;
	transmitter->pool = world->pool;
	transmitter->drops = worker->counters.drops;
}

struct world *world_new(
	const struct world_settings *settings, struct rte_mempool *frames, struct rte_mempool *pool)
{
	// Not DPDK's memory, in which LeakSanitizer does not look for what is pointed to.
	struct world *world =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(sizeof(*world), RTE_CACHE_LINE_SIZE));

	if (!world)
		return NULL;
	memset(world, 0, sizeof(*world));
	world->settings = *settings;
	if (!world->settings.queues || world->settings.queues > settings->workers)
		world->settings.queues = settings->workers;
	world->frames = frames;
	world->pool = pool;
	world->tables = tables_store_new();
	world->qsbr = rte_zmalloc(
		"qsbr", rte_rcu_qsbr_get_memsize(SLUICE_WORKERS_MAX), RTE_CACHE_LINE_SIZE);
	rte_rcu_qsbr_init(world->qsbr, SLUICE_WORKERS_MAX);
	world->rule = (struct owner_rule){
		.workers = (uint16_t)settings->workers,
		.port_first = settings->port_first,
		.port_last = settings->port_last,
	};
	memcpy(world->rule.rss_key, port_rss_key, sizeof(world->rule.rss_key));
	world->host = ring("host", 0, 0, 0);
	world->resolve = ring("resolve", 0, 0, sizeof(struct resolve_request));
	for (unsigned i = 0; i < settings->workers; i++)
		world->inboxes[i] = ring("inbox", i, 0, 0);
	for (unsigned i = 0; i < WORLD_PORTS; i++)
		make_port(world, i);
	for (unsigned i = 0; i < settings->workers; i++)
		make_worker(world, i);
	world_publish(world);
	return world;
}

static void ring_end(struct rte_ring *ring)
{
	void *mbuf;

	while (rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

static void worker_end(struct worker *worker)
{
	struct transmitter *transmitter = &worker->transmitter;

	for (unsigned i = 0; i < transmitter->held_count; i++)
		rte_pktmbuf_free(transmitter->held[i].mbuf);
	fragment_table_free(worker->fragments);
	flow_table_free(worker->flows);
	munmap(worker->opener.counters, SLOTS * sizeof(struct endpoint_counters));
	munmap(worker->opener.load, SLOTS * sizeof(uint32_t));
	munmap(worker->opener.pick_states, SLUICE_POOLS_MAX * sizeof(struct pick_state));
	rte_free(worker);
}

void world_free(struct world *world)
{
	for (unsigned i = 0; i < world->settings.workers; i++) {
		worker_end(world->workers[i]);
		ring_end(world->inboxes[i]);
	}
	for (unsigned i = 0; i < WORLD_PORTS; i++)
		for (unsigned queue = 0; queue < world->settings.queues; queue++) {
			ring_end(world->ports[i].rx[queue]);
			ring_end(world->ports[i].tx[queue]);
		}
	ring_end(world->host);
	rte_ring_free(world->resolve);
	tables_store_free(world->tables);
	fib_free(world->fib);
	fib_free(world->fib_before);
	rte_free(world->qsbr);
	free(world);
}

void world_forget(struct world *world, bool fragments)
{
	for (unsigned i = 0; i < world->settings.workers; i++) {
		struct worker *worker = world->workers[i];
		struct transmitter *transmitter = &worker->transmitter;
		struct flow *flow;

		for (uint32_t index = 0; index < worker->flows->untouched; index++)
			if ((flow = flow_at(worker->flows, index)))
				open_delete(&worker->opener, flow);
		for (unsigned k = 0; k < transmitter->held_count; k++)
			rte_pktmbuf_free(transmitter->held[k].mbuf);
		transmitter->held_count = 0;
		if (!fragments)
			continue;
		fragment_table_free(worker->fragments);
		worker->fragments =
			fragment_table_new((uint16_t)i, (uint16_t)world->settings.workers, 7 + i);
	}
}

uint16_t world_iface(struct world *world, unsigned port, uint16_t vlan, uint16_t mtu)
{
	struct iface *iface = &world->ifaces[world->iface_count];

	*iface = (struct iface){
		.index = (uint16_t)world->iface_count,
		.port = (uint16_t)port,
		.vlan = vlan,
		.mtu = mtu,
		.mac = world->ports[port].port.mac,
	};
	world->ports[port].classify.iface_of_vlan[vlan] = (uint8_t)world->iface_count++;
	return iface->index;
}

static void must_fit(unsigned count)
{
	if (count == WORLD_LIST) {
		fprintf(stderr, "a world has no more than %u of these\n", WORLD_LIST);
		abort();
	}
}

static struct fib_route *add_route(struct world *world, const char *to, enum fib_result result)
{
	struct fib_route *route = &world->routes[world->route_count];

	must_fit(world->route_count++);
	*route = (struct fib_route){.result = result};
	if (prefix_parse(&route->to, to) < 0) {
		fprintf(stderr, "no prefix: %s\n", to);
		abort();
	}
	return route;
}

void world_route(struct world *world, const char *to, uint16_t iface, const char *via)
{
	struct fib_route *route = add_route(world, to, FIB_HOP);

	route->iface = iface;
	if (*via)
		route->via = address_of(via);
}

void world_local(struct world *world, const char *address, uint16_t iface)
{
	must_fit(world->source_count);
	world->sources[world->source_count++] = (struct fib_source){address_of(address), iface};
	add_route(world, address, FIB_LOCAL)->iface = iface;
}

void world_neighbour(struct world *world, const char *address, uint16_t iface, const char *mac)
{
	struct fib_neighbour neighbour = {address_of(address), iface, HOP_UNRESOLVED, {{0}}};

	if (*mac) {
		neighbour.state = HOP_REACHABLE;
		if (rte_ether_unformat_addr(mac, &neighbour.mac)) {
			fprintf(stderr, "no MAC: %s\n", mac);
			abort();
		}
	}
	for (unsigned i = 0; i < world->neighbour_count; i++)
		if (world->neighbours[i].iface == iface &&
			addr_compare(&world->neighbours[i].address, &neighbour.address) == 0) {
			world->neighbours[i] = neighbour;
			return;
		}
	must_fit(world->neighbour_count);
	world->neighbours[world->neighbour_count++] = neighbour;
}

void world_publish(struct world *world)
{
	struct fib *next = fib_build(world->fib, world->routes, world->route_count,
		world->neighbours, world->neighbour_count, world->sources, world->source_count);

	if (!next)
		abort();
	fib_free(world->fib_before);
	world->fib_before = world->fib;
	world->fib = next;
}

int world_apply(struct world *world, const struct plan_change *change)
{
	struct reason reason = {0};
	int error;

	error = tables_apply(world->tables, change, &reason);
	if (error)
		fprintf(stderr, "%s\n", reason_text(&reason));
	else
		tables_reclaim(world->tables);
	reason_clear(&reason);
	return error;
}

void world_sweep(struct world *world)
{
	struct worker_command commands[WORLD_WORKERS] = {0};
	bool busy = true;

	tables_has_removed(world->tables);
	for (unsigned i = 0; i < world->settings.workers; i++) {
		commands[i].kind = COMMAND_SWEEP;
		world->workers[i]->command = &commands[i];
	}
	while (busy) {
		busy = false;
		world_round(world);
		for (unsigned i = 0; i < world->settings.workers; i++)
			busy |= world->workers[i]->command != NULL;
	}
	tables_release_slots(world->tables);
}

void world_pass(struct world *world, uint64_t milliseconds)
{
	for (unsigned i = 0; i < world->settings.workers; i++)
		world->workers[i]->tick_base -= milliseconds * rte_get_tsc_hz() / 1000;
}

// As a NIC would: Toeplitz over the addresses and ports of TCP and UDP packets that are whole.
static bool hash_of(const uint8_t *frame, unsigned length, uint32_t *hash)
{
	const uint8_t *l3 = frame + RTE_ETHER_HDR_LEN;
	bool v6 = frame[12] == 0x86;
	unsigned words = v6 ? 8 : 2;
	uint32_t tuple[9];

	if (length < RTE_ETHER_HDR_LEN + (v6 ? 44u : 24u) || (!v6 && l3[0] != 0x45))
		return false;
	if (v6 ? l3[6] != IPPROTO_TCP && l3[6] != IPPROTO_UDP
	       : (l3[9] != IPPROTO_TCP && l3[9] != IPPROTO_UDP) || (l3[6] & 0x3f) || l3[7])
		return false;
	memcpy(tuple, l3 + (v6 ? 8 : 12), words * 4);
	memcpy(&tuple[words], l3 + (v6 ? 40 : 20), 4);
	for (unsigned i = 0; i <= words; i++)
		tuple[i] = ntohl(tuple[i]);
	*hash = rte_softrss(tuple, words + 1, port_rss_key);
	return true;
}

bool world_receive(
	struct world *world, unsigned port, unsigned queue, const void *frame, unsigned length)
{
	struct rte_mbuf *mbuf = frame_mbuf(world->frames, frame, length);
	uint32_t hash;

	if (!mbuf)
		return false;
	mbuf->port = (uint16_t)port;
	if (world->settings.rss) {
		queue = 0;
		if (length > 14 && hash_of(frame, length, &hash)) {
			mbuf->hash.rss = hash;
			mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
			queue = port_rss_queue(&world->ports[port].port, hash);
		}
	}
	return rte_ring_enqueue(world->ports[port].rx[queue], mbuf) == 0;
}

unsigned world_round(struct world *world)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < world->settings.workers; i++)
		taken += worker_round(world->workers[i]);
	return taken;
}

// Does what the NIC was left to do.
static void finish(struct rte_mbuf *mbuf)
{
	struct rte_ipv4_hdr *ip;

	if (!(mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return;
	ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, mbuf->l2_len);
	if (mbuf->l3_len != (ip->version_ihl & 15u) * 4 || ip->hdr_checksum != 0)
		abort(); // a NIC would make a wrong one
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, mbuf->l3_len);
}

struct rte_mbuf *world_sent(struct world *world, unsigned port, unsigned queue)
{
	void *mbuf;

	if (rte_ring_dequeue(world->ports[port].tx[queue], &mbuf))
		return NULL;
	finish(mbuf);
	return mbuf;
}

uint64_t world_drops(const struct world *world, enum drop drop)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < world->settings.workers; i++)
		sum += world->workers[i]->counters.drops[drop];
	return sum;
}

uint32_t world_flows(const struct world *world)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < world->settings.workers; i++)
		sum += world->workers[i]->flows->used;
	return sum;
}
