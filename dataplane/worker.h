// SPDX-License-Identifier: BSD-3-Clause
// A worker: one lcore, one flow table, its queue of every port, an inbox for what others hand over.
// Everything here is the worker's alone, but the rings, the snapshot pointers, `command`, and the
// counters, which anyone may read.
#pragma once

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <stdint.h>

#include "capture.h"
#include "classify.h"
#include "flow_stage.h"
#include "fragment.h"
#include "open.h"
#include "proxy.h"
#include "rewrite.h"
#include "transmit.h"

enum worker_stage {
	STAGE_RECEIVE,
	STAGE_CLASSIFY,
	STAGE_FLOW,
	STAGE_PICK,
	STAGE_REWRITE,
	STAGE_PROXY,
	STAGE_TRANSMIT,
	STAGE_HOST,
	STAGE_COUNT,
};

const char *worker_stage_name(enum worker_stage stage);

struct worker_counters {
	uint64_t packets; // received, from ports and from others
	uint64_t handed_over;
	uint64_t stage_cycles[STAGE_COUNT];
	uint64_t busy_cycles, total_cycles;
	uint64_t drops[DROP_COUNT];
};

enum worker_command_kind {
	COMMAND_SWEEP,
	COMMAND_DUMP,
	COMMAND_CLEAR
};

// Something the main lcore wants done with the flows, a few records a round. The worker clears its
// `command` pointer when it is done (release), and touches the command no more.
struct worker_command {
	enum worker_command_kind kind;
	uint32_t cursor; // next record
	uint32_t proxy_cursor;
	// COMMAND_DUMP, COMMAND_CLEAR
	struct flow_filter filter;
	struct flow_view *views; // room for filter.limit
	uint32_t view_count;
	uint64_t total;
};

// A ring whose reader may sleep: an eventfd rings when something was put in while it did.
struct doorbell {
	int fd;
	uint32_t sleeping;
};

struct worker_port {
	struct port *port;
	const struct classify_port *classify;
	bool receives; // this worker has a receive queue of it
};

struct worker {
	uint16_t id;
	unsigned cpu;
	const uint32_t *stop;
	bool adaptive;
	const struct tables *const *tables; // the snapshots' pointers
	const struct fib *const *fib;
	struct capture *const *capture;
	struct capture_lane *lane; // ours of it; NULL: no capture
	struct rte_rcu_qsbr *qsbr;
	struct worker_port ports[SLUICE_PORTS_MAX];
	unsigned port_count;
	const struct iface *ifaces;
	struct rte_ring *inbox;
	struct rte_ring *const *inboxes; // of every worker, by id
	struct rte_ring *host;           // to the main lcore
	struct doorbell *doorbell;       // the main lcore's
	struct worker_command *command;
	uint64_t tick_base, tick_scale; // TSC to flow ticks: (tsc - base) * scale >> 64
	uint64_t usec_scale;            // TSC to microseconds, likewise
	usec_t wall_due;                // when the wall's clock is read again
	uint64_t resolve_rung;
	uint32_t fragments_tick; // when waiting fragments were last looked at
	struct flow_table *flows;
	struct fragment_table *fragments;
	struct opener opener;
	struct rewriter rewriter;
	struct transmitter transmitter;
	struct proxy *proxy; // NULL: none
	struct worker_counters counters __rte_cache_aligned;
	struct packet packets[PACKET_BURST];
};

// The lcore's function; `arg` is the worker. Returns when *stop is set.
int worker_run(void *arg);
// One round: everything that waits, once. The number of packets it took. For tests too.
unsigned worker_round(struct worker *worker);

// worker_command.c
void worker_command_step(struct worker *worker);
void doorbell_ring(struct doorbell *doorbell);
