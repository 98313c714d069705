// SPDX-License-Identifier: BSD-3-Clause
// Everything the process has. The main lcore's; workers are given pointers to their parts.
#pragma once

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "access_writer.h"
#include "capture.h"
#include "channel.h"
#include "clock.h"
#include "host.h"
#include "log_keep.h"
#include "port.h"
#include "settings.h"
#include "tables.h"
#include "worker.h"

#define ANNOUNCE_TIMES 3 // gratuitous ARP and unsolicited NA are said so often, a second apart

struct announcement {
	struct addr vip;
	uint64_t ifaces; // where, a bit each
	unsigned said;
	usec_t due;
};

// A request for flows: it asks the workers one after the other.
struct flows_request {
	uint64_t id;
	unsigned worker; // that is asked, or will be
	bool asked;
	struct worker_command command;
};

#define FLOWS_REQUESTS_MAX 16

// The capture that runs, or ran last: of the main lcore; workers know of its lanes alone.
struct capture_run {
	uint64_t id; // 0: none yet
	struct capture *capture;
	bool stopping;  // the workers have no lanes any more, or will not have them after `grace`
	uint64_t grace; // token
	uint32_t left;  // so many more are wanted
	usec_t until;   // it ends by itself
	usec_t asked;   // who wants it asked last
	uint64_t tsc, realtime_ns; // the same moment
};

struct dataplane {
	struct settings *settings;
	bool hugepages;
	usec_t started_realtime;
	uint64_t run;              // tells this process from the ones before
	struct log_keep *log_keep; // NULL: no line is kept
	uint64_t log_taken;        // lines up to this one were fetched
	uint32_t stop;
	struct rte_mempool *pool;
	struct rte_mempool *lent; // mbufs without memory
	uint32_t buffer_count;
	unsigned port_count;
	struct port ports[SLUICE_PORTS_MAX];
	struct classify_port *classify[SLUICE_PORTS_MAX];
	unsigned iface_count;
	struct iface ifaces[SLUICE_IFACES_MAX];
	struct host *host;
	struct tables_store *store;
	struct rte_rcu_qsbr *qsbr;
	struct owner_rule rule;
	struct open_sources *sources;
	struct tls_crypto *crypto; // NULL: workers do handshakes themselves
	struct tls_tickets *tickets;
	usec_t tickets_due; // when their keys are changed next
	struct rte_ring *host_ring, *resolve_ring;
	struct rte_ring *inboxes[SLUICE_WORKERS_MAX];
	struct rte_ring *relays[SLUICE_WORKERS_MAX][SLUICE_PORTS_MAX];
	struct doorbell doorbell;
	struct log_ring *log_rings[SLUICE_WORKERS_MAX]; // NULL: no access log
	struct access_writer *access_writer;
	unsigned worker_count;
	struct worker *workers[SLUICE_WORKERS_MAX];
	struct channel *channel;
	// main lcore's pending work
	bool fib_retired, tables_retired;
	usec_t alive_due;
	uint64_t alive_grace; // token; passed when every worker came round since
	uint64_t grace;       // token of rte_rcu_qsbr_start() for what is retired; 0 = none
	bool sweeping;        // workers pass over the flows of removed endpoints
	bool sweep_again;
	struct worker_command sweeps[SLUICE_WORKERS_MAX];
	unsigned flows_count; // requests that wait; the first is being answered
	struct flows_request flows[FLOWS_REQUESTS_MAX];
	unsigned announcement_count, announcement_room;
	struct announcement *announcements;
	struct capture *capture; // what workers look at; NULL: none
	struct capture_run capture_run;
	usec_t neighbours_due, links_due;
	bool link_up[SLUICE_PORTS_MAX];
	uint64_t host_drops[DROP_COUNT]; // by the main lcore
};

// eal.c: starts DPDK as the settings ask. 0 or -errno with the reason.
int eal_start(struct dataplane *dataplane, const char *program, struct reason *reason);

// start.c: ports, interfaces, workers. In the order they are to be called; each undone by its own.
int start_ports(struct dataplane *dataplane, struct reason *reason);
void stop_ports(struct dataplane *dataplane);
int start_access_log(struct dataplane *dataplane, struct reason *reason);
void stop_access_log(struct dataplane *dataplane);
int start_workers(struct dataplane *dataplane, struct reason *reason);
void stop_workers(struct dataplane *dataplane);

// plan.c: transactions, the last plan on disk, announcements and what follows from them.
int plan_start(struct dataplane *dataplane, struct reason *reason);
int plan_apply(void *dataplane, const struct plan_change *change, struct reason *reason);
bool plan_prepare(void *dataplane, struct plan_change *change);
void plan_flows(
	void *dataplane, struct channel *channel, uint64_t id, const struct flow_filter *filter);
// Says all owned VIPs of these interfaces again: their links have come up.
void plan_announce(struct dataplane *dataplane, uint64_t ifaces);
// What of it waits for time or for the workers. Milliseconds until it wants to be called again.
int plan_step(struct dataplane *dataplane);
// Reads what the kernel has to say; workers get a new fib when it is due.
void plan_follow_host(struct dataplane *dataplane);

// supervise.c: the main lcore's loop, until *stop. The signals that end it are blocked before DPDK
// makes threads, which inherit that.
void supervise_block_signals(void);
int supervise(struct dataplane *dataplane, struct reason *reason);

// stats.c
void stats_hello(void *dataplane, Sluice__Hello *hello);
void stats_send(
	void *dataplane, struct channel *channel, uint64_t id, const Sluice__StatsRequest *request);

// capture_request.c
void capture_request(void *dataplane, struct channel *channel, uint64_t id,
	const Sluice__CaptureRequest *request);
void capture_step(
	struct dataplane *dataplane); // ends what nobody asks after; at least every second
// The main lcore's lane, or NULL.
struct capture_lane *capture_lane(struct dataplane *dataplane);

// log_answer.c
void log_answer(
	void *dataplane, struct channel *channel, uint64_t id, const Sluice__LogRequest *request);

// explain.c
void explain_request(void *dataplane, struct channel *channel, uint64_t id,
	const Sluice__ExplainRequest *request);
