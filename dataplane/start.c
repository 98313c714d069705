// SPDX-License-Identifier: BSD-3-Clause
// Ports, their interfaces, and workers: made once, at start.
#include <errno.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane.h"
#include "log.h"
#include "resolve.h"
#include "tls.h"

#define RING_INBOX   4096
#define RING_HOST    4096
#define RING_RESOLVE 1024

#define TICKETS_LIVE_S 7200

static int add_iface(
	struct dataplane *dataplane, unsigned port, uint16_t vlan, struct reason *reason)
{
	const struct port *under = &dataplane->ports[port];
	const char *name = dataplane->settings->ports[port].name;
	struct iface *iface = &dataplane->ifaces[dataplane->iface_count];

	if (dataplane->iface_count == SLUICE_IFACES_MAX) {
		reason_add(reason, "%s: ports and vlans are more than %u interfaces",
			dataplane->settings->file, SLUICE_IFACES_MAX);
		return -E2BIG;
	}
	*iface = (struct iface){
		.index = (uint16_t)dataplane->iface_count,
		.port = (uint16_t)port,
		.vlan = vlan,
		.mtu = under->mtu,
		.mac = under->mac,
		.twin = -1,
	};
	if (vlan)
		snprintf(iface->name, sizeof(iface->name), "%.11s.%u", name, vlan);
	else
		snprintf(iface->name, sizeof(iface->name), "%s", name);
	dataplane->classify[port]->iface_of_vlan[vlan] = (uint8_t)dataplane->iface_count++;
	return 0;
}

int start_ports(struct dataplane *dataplane, struct reason *reason)
{
	const struct settings *settings = dataplane->settings;

	for (unsigned i = 0; i < settings->port_count; i++) {
		const struct port_settings *wanted = &settings->ports[i];
		struct port *port = &dataplane->ports[i];
		uint16_t queues =
			wanted->queues ? wanted->queues : (uint16_t)dataplane->worker_count;
		int error;

		if (queues > dataplane->worker_count)
			queues = (uint16_t)dataplane->worker_count;
		error = port_open(port, wanted, queues, dataplane->pool, reason);
		if (error)
			return error;
		port->index = (uint16_t)i;
		dataplane->port_count++;
		dataplane->classify[i] = rte_zmalloc("classify", sizeof(struct classify_port), 0);
		if (!dataplane->classify[i])
			return -ENOMEM;
		memset(dataplane->classify[i]->iface_of_vlan, CLASSIFY_NO_IFACE,
			sizeof(dataplane->classify[i]->iface_of_vlan));
		dataplane->classify[i]->ifaces = dataplane->ifaces;
		error = add_iface(dataplane, i, 0, reason);
		for (unsigned j = 0; j < wanted->vlan_count && !error; j++)
			error = add_iface(dataplane, i, wanted->vlans[j].id, reason);
		if (error)
			return error;
		log_info("port", "%s: %s %s, %u of %u queues, MTU %u%s", port->name, wanted->kind,
			wanted->device, port->queues, dataplane->worker_count, port->mtu,
			port->caps & PORT_RSS ? ", RSS" : "");
	}
	return 0;
}

void stop_ports(struct dataplane *dataplane)
{
	for (unsigned i = 0; i < dataplane->port_count; i++)
		port_close(&dataplane->ports[i]);
	dataplane->port_count = 0;
}

static int make_sources(struct dataplane *dataplane, struct reason *reason)
{
	const struct settings *settings = dataplane->settings;
	struct open_sources *sources = rte_zmalloc("sources", sizeof(*sources), 0);

	if (!sources)
		return -ENOMEM;
	dataplane->sources = sources;
	for (unsigned i = 0; i < settings->snat.range_count; i++) {
		struct addr addr = settings->snat.ranges[i].first;

		for (;; addr = addr_next(&addr)) {
			bool v4 = addr_is_v4(&addr);

			if ((v4 ? sources->v4_count : sources->v6_count) == OPEN_SOURCES_MAX) {
				reason_add(reason,
					"%s: snat.addresses: more than %u addresses of a family",
					settings->file, OPEN_SOURCES_MAX);
				return -E2BIG;
			}
			if (v4)
				sources->v4[sources->v4_count++] = addr_v4(&addr);
			else
				sources->v6[sources->v6_count++] = addr;
			if (addr_compare(&addr, &settings->snat.ranges[i].last) == 0)
				break;
		}
	}
	return 0;
}

// Zeroed memory that costs nothing until it is touched.
static void *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static struct rte_ring *ring_for(const char *what, unsigned number, unsigned size)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s %u", what, number);
	return rte_ring_create(name, size, SOCKET_ID_ANY, RING_F_SC_DEQ);
}

static void worker_contexts(struct dataplane *dataplane, struct worker *worker)
{
	worker->opener.flows = worker->flows;
	worker->opener.rule = &dataplane->rule;
	worker->opener.sources = dataplane->sources;
	worker->opener.worker = worker->id;
	for (unsigned i = 0; i < dataplane->port_count; i++)
		if (dataplane->ports[i].caps & PORT_RSS)
			worker->opener.rss_ports |= 1ull << dataplane->ports[i].dpdk_id;
	worker->rewriter = (struct rewriter){
		.opener = &worker->opener,
		.ifaces = dataplane->ifaces,
		.pool = dataplane->pool,
		.drops = worker->counters.drops,
		.ip_id = (uint16_t)rte_rand(),
	};
	worker->transmitter.ifaces = dataplane->ifaces;
	worker->transmitter.ports = dataplane->ports;
	worker->transmitter.port_count = dataplane->port_count;
	worker->transmitter.queue = worker->id;
	worker->transmitter.relays = dataplane->relays[worker->id];
	worker->transmitter.resolve = dataplane->resolve_ring;
	worker->transmitter.pool = dataplane->pool;
	worker->transmitter.drops = worker->counters.drops;
}

// Its memory is not touched before it is needed, so these bounds cost nothing.
static struct proxy *proxy_for(struct dataplane *dataplane, struct worker *worker)
{
	const struct settings *settings = dataplane->settings;
	const uint32_t connections = settings->http.connections;
	struct proxy_config config = {
		.worker = worker->id,
		.connections = connections,
		.sessions = connections,
		.slices = connections * 4,
		.small_chunks = connections,
		.large_chunks = connections / 16,
		.kept_chunks = connections / 64,
		.idle_upstreams = settings->http.idle_upstreams,
		.congestion = settings->http.congestion == CONGESTION_CUBIC ? TCP_CONGESTION_CUBIC
									    : TCP_CONGESTION_BBR,
		.rule = &dataplane->rule,
		.sources = dataplane->sources,
		.transmitter = &worker->transmitter,
		.pool = dataplane->pool,
		.lent = dataplane->lent,
		.drops = worker->counters.drops,
		.tickets = dataplane->tickets,
		.crypto = dataplane->crypto,
		.log = dataplane->log_rings[worker->id],
		.log_rate = settings->access_log.rate
				    ? settings->access_log.rate / dataplane->worker_count + 1
				    : 0,
	};

	return proxy_new(&config);
}

// Threads for handshakes, if there are to be any.
static int start_crypto(struct dataplane *dataplane, struct reason *reason)
{
	const struct settings *settings = dataplane->settings;

	if (settings->dataplane.crypto_count == 0)
		return 0;
	dataplane->crypto = tls_crypto_new(
		settings->dataplane.crypto_cpus, settings->dataplane.crypto_count, reason);
	return dataplane->crypto ? 0 : -EINVAL;
}

static struct worker *worker_new(struct dataplane *dataplane, unsigned id)
{
	const struct settings *settings = dataplane->settings;
	struct worker *worker = rte_zmalloc("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE);

	if (!worker)
		return NULL;
	worker->id = (uint16_t)id;
	worker->cpu = settings->dataplane.worker_cpus[id];
	worker->stop = &dataplane->stop;
	worker->adaptive = settings->dataplane.idle == IDLE_ADAPTIVE;
	worker->tables = tables_pointer(dataplane->store);
	worker->fib = host_fib_pointer(dataplane->host);
	worker->capture = &dataplane->capture;
	worker->qsbr = dataplane->qsbr;
	worker->ifaces = dataplane->ifaces;
	worker->inbox = dataplane->inboxes[id];
	worker->inboxes = dataplane->inboxes;
	worker->host = dataplane->host_ring;
	worker->doorbell = &dataplane->doorbell;
	worker->port_count = dataplane->port_count;
	for (unsigned i = 0; i < dataplane->port_count; i++) {
		struct port *port = &dataplane->ports[i];

		worker->ports[i] =
			(struct worker_port){port, dataplane->classify[i], id < port->queues};
		if (id >= port->queues)
			dataplane->relays[id][i] = dataplane->inboxes[id % port->queues];
	}
	worker->tick_base = rte_rdtsc();
	worker->tick_scale =
		(uint64_t)((((__uint128_t)1000000 << 64) / FLOW_TICK_US) / rte_get_tsc_hz());
	worker->usec_scale = (uint64_t)(((__uint128_t)1000000 << 64) / rte_get_tsc_hz());
	worker->flows = flow_table_new(settings->dataplane.flows, rte_rand(), &settings->timeouts);
	worker->fragments =
		fragment_table_new(worker->id, (uint16_t)dataplane->worker_count, rte_rand());
	worker->opener.counters = reserve(SLUICE_ENDPOINTS_MAX * sizeof(struct endpoint_counters));
	worker->opener.load = reserve(SLUICE_ENDPOINTS_MAX * sizeof(uint32_t));
	worker->opener.pick_states = reserve(SLUICE_POOLS_MAX * sizeof(struct pick_state));
	if (!worker->flows || !worker->fragments || !worker->opener.counters ||
		!worker->opener.load || !worker->opener.pick_states)
		return NULL;
	worker_contexts(dataplane, worker);
	worker->proxy = proxy_for(dataplane, worker);
	return worker->proxy ? worker : NULL;
}

static int make_shared(struct dataplane *dataplane)
{
	ssize_t size = rte_rcu_qsbr_get_memsize(SLUICE_WORKERS_MAX);

	dataplane->qsbr = rte_zmalloc("qsbr", (size_t)size, RTE_CACHE_LINE_SIZE);
	dataplane->host_ring = ring_for("host", 0, RING_HOST);
	dataplane->resolve_ring = rte_ring_create_elem("resolve", sizeof(struct resolve_request),
		RING_RESOLVE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!dataplane->qsbr || !dataplane->host_ring || !dataplane->resolve_ring)
		return -ENOMEM;
	rte_rcu_qsbr_init(dataplane->qsbr, SLUICE_WORKERS_MAX);
	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		dataplane->inboxes[i] = ring_for("inbox", i, RING_INBOX);
		if (!dataplane->inboxes[i])
			return -ENOMEM;
	}
	return 0;
}

// Before the workers, and stopped after them.
int start_access_log(struct dataplane *dataplane, struct reason *reason)
{
	const struct access_log_settings *log = &dataplane->settings->access_log;

	for (unsigned i = 0; i < dataplane->worker_count && *log->path; i++) {
		dataplane->log_rings[i] = log_ring_new();
		if (!dataplane->log_rings[i])
			return -ENOMEM;
	}
	return *log->path ? access_writer_start(&dataplane->access_writer, log,
				    dataplane->log_rings, dataplane->worker_count, reason)
			  : 0;
}

void stop_access_log(struct dataplane *dataplane)
{
	access_writer_stop(dataplane->access_writer);
	for (unsigned i = 0; i < dataplane->worker_count; i++)
		log_ring_free(dataplane->log_rings[i]);
}

int start_workers(struct dataplane *dataplane, struct reason *reason)
{
	const struct settings *settings = dataplane->settings;
	int error;

	dataplane->rule = (struct owner_rule){
		.workers = (uint16_t)dataplane->worker_count,
		.port_first = settings->snat.port_first,
		.port_last = settings->snat.port_last,
	};
	dataplane->rule.proxy_first = owner_proxy_part(&dataplane->rule);
	memcpy(dataplane->rule.rss_key, port_rss_key, sizeof(dataplane->rule.rss_key));
	error = make_sources(dataplane, reason);
	dataplane->tickets = tls_tickets_new(TICKETS_LIVE_S);
	if (!error && !dataplane->tickets)
		error = -ENOMEM;
	if (!error)
		error = start_crypto(dataplane, reason);
	if (!error)
		error = make_shared(dataplane);
	for (unsigned i = 0; i < dataplane->worker_count && !error; i++) {
		dataplane->workers[i] = worker_new(dataplane, i);
		if (!dataplane->workers[i])
			error = -ENOMEM;
	}
	if (error == -ENOMEM)
		reason_add(reason,
			"%s: no memory for %u workers with %u flows each (dataplane.flows, "
			"dataplane.memory_mb)",
			settings->file, dataplane->worker_count, settings->dataplane.flows);
	for (unsigned i = 0; i < dataplane->worker_count && !error; i++)
		error = rte_eal_remote_launch(worker_run, dataplane->workers[i], i + 1);
	return error;
}

void stop_workers(struct dataplane *dataplane)
{
	__atomic_store_n(&dataplane->stop, 1, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	for (unsigned i = 0; i < dataplane->worker_count; i++) {
		struct worker *worker = dataplane->workers[i];

		if (worker && worker->proxy) {
			proxy_free(worker->proxy);
			worker->proxy = NULL;
		}
	}
	if (dataplane->crypto)
		tls_crypto_free(dataplane->crypto);
	if (dataplane->tickets)
		tls_tickets_free(dataplane->tickets);
	dataplane->crypto = NULL;
	dataplane->tickets = NULL;
}
