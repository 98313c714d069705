// SPDX-License-Identifier: BSD-3-Clause
// Whole workers on ports of memory, in one thread: frames go into receive queues, worker_round()
// is called for each worker in turn, and what comes out of each port, what goes to the kernel and
// who is to be resolved is taken from rings. Time is moved by hand. No root, no devices.
#pragma once

#include "change_fixture.h"
#include "worker.h"

#define WORLD_WORKERS 4
#define WORLD_PORTS   2
#define WORLD_LIST    64 // routes, neighbours, sources

struct world_settings {
	unsigned workers, queues;       // queues a port; 0 = as many as workers
	uint32_t flows;                 // a worker
	uint16_t port_first, port_last; // of full NAT
	bool rss;                       // ports hash and deliver to the queue of the hash
	bool tx_checksum;               // ports make the IPv4 checksum
	struct timeouts_settings timeouts;
};

struct world_port {
	struct port port;
	struct classify_port classify;
	struct rte_ring *rx[WORLD_WORKERS], *tx[WORLD_WORKERS];
	uint16_t tx_room; // frames taken a call
};

struct world {
	struct world_settings settings;
	struct rte_mempool *frames; // what comes in
	struct rte_mempool *pool;   // what the workers make
	struct world_port ports[WORLD_PORTS];
	struct port port_copies[WORLD_PORTS]; // as transmit/ wants them, in a row
	struct iface ifaces[8];
	unsigned iface_count;
	struct fib_route routes[WORLD_LIST];
	struct fib_neighbour neighbours[WORLD_LIST];
	struct fib_source sources[WORLD_LIST];
	unsigned route_count, neighbour_count, source_count;
	struct fib *fib, *fib_before;
	struct tables_store *tables;
	struct rte_rcu_qsbr *qsbr;
	struct capture *capture; // NULL: none runs
	struct owner_rule rule;
	struct open_sources snat;
	struct rte_ring *host, *resolve;
	struct rte_ring *inboxes[WORLD_WORKERS];
	struct rte_ring *relays[WORLD_WORKERS][SLUICE_PORTS_MAX];
	struct doorbell doorbell;
	uint32_t stop;
	struct worker *workers[WORLD_WORKERS];
};

extern const struct world_settings world_defaults;

// The pools outlive worlds. NULL when there is no memory.
struct world *world_new(const struct world_settings *settings, struct rte_mempool *frames,
	struct rte_mempool *pool);
// Ends it with all that is held. What is then missing in a pool was lost.
void world_free(struct world *world);

// Without flows and held packets; and without fragments.
void world_forget(struct world *world, bool fragments);

// The interface's number. MAC 02:00:00:00:00:01 for port 0, :02 for port 1.
uint16_t world_iface(struct world *world, unsigned port, uint16_t vlan, uint16_t mtu);
void world_route(struct world *world, const char *to, uint16_t iface, const char *via);
void world_local(struct world *world, const char *address, uint16_t iface);
// `mac` "" = not known.
void world_neighbour(struct world *world, const char *address, uint16_t iface, const char *mac);
// Makes the fib of what was said so far.
void world_publish(struct world *world);
// 0, or -errno with what tables_apply() says on stderr.
int world_apply(struct world *world, const struct plan_change *change);
// Every worker passes over its flows.
void world_sweep(struct world *world);
void world_pass(struct world *world, uint64_t milliseconds);

// False when there is no buffer. The queue is of no matter when ports hash.
bool world_receive(
	struct world *world, unsigned port, unsigned queue, const void *frame, unsigned length);
// A round of every worker; the packets they took.
unsigned world_round(struct world *world);
// The next frame that left, or NULL; to be freed by the caller.
struct rte_mbuf *world_sent(struct world *world, unsigned port, unsigned queue);
uint64_t world_drops(const struct world *world, enum drop drop);
uint32_t world_flows(const struct world *world);
