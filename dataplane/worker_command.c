// SPDX-License-Identifier: BSD-3-Clause
// What the main lcore asks of a worker's flows, done a few records a round so that packets do not
// wait: sweeping flows whose endpoint is gone, listing flows, and ending those that somebody names.
// Connections that end in the proxy are listed and ended with them.
#include "worker.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RECORDS_A_ROUND 256

void doorbell_ring(struct doorbell *doorbell)
{
	// Exchanged, so that of many workers one makes the system call, and only for a sleeper.
	if (__atomic_load_n(&doorbell->sleeping, __ATOMIC_SEQ_CST) &&
		__atomic_exchange_n(&doorbell->sleeping, 0, __ATOMIC_SEQ_CST))
		eventfd_write(doorbell->fd, 1);
}

// UDP: the next packet of the client opens a new flow. TCP: the client is told, now and whenever it
// sends again.
static void end_flow(struct worker *worker, struct flow *flow)
{
	struct packet packet;

	switch ((enum flow_state)flow->state) {
	case FLOW_TCP_SYN:
	case FLOW_TCP_ESTABLISHED:
	case FLOW_TCP_FIN:
		if (flow->state != FLOW_TCP_SYN &&
			rewrite_client_reset(&worker->rewriter, flow, &packet))
			transmit(&worker->transmitter, &packet, 1);
		flow->state = FLOW_TCP_RESET;
		flow->seen = worker->flows->now;
		open_account(&worker->opener, flow);
		flow_rearm(worker->flows, flow);
		break;
	case FLOW_TCP_RESET:
		break;
	case FLOW_FREE:
	case FLOW_TCP_CLOSED:
	case FLOW_UDP_NEW:
	case FLOW_UDP:
	case FLOW_AFFINITY:
	case FLOW_STATE_COUNT:
		open_delete(&worker->opener, flow);
		break;
	}
}

static void sweep_one(struct worker *worker, struct flow *flow)
{
	if (!tables_endpoint(worker->opener.tables, flow->endpoint))
		end_flow(worker, flow);
}

static struct addr flow_address(const struct flow_key *key, const uint8_t *bytes)
{
	struct addr addr;

	addr_from_bytes(&addr, bytes, key->family == 4 ? 4 : 16);
	return addr;
}

static void view_of(const struct worker *worker, const struct flow *flow, struct flow_view *view)
{
	struct flow_key client = flow_record_key(flow, 0);
	struct flow_key reply = flow_record_key(flow, 1);

	*view = (struct flow_view){
		.worker = worker->id,
		.protocol = flow->protocol,
		.mode = flow->mode,
		.state = flow->state,
		.client = flow_address(&client, client.src),
		.client_port = flow->l4[0].src,
		.vip = flow_address(&client, client.dst),
		.vip_port = flow->l4[0].dst,
		.endpoint = flow_address(&reply, reply.src),
		.endpoint_port = flow->l4[1].src,
		.source = flow_address(&reply, reply.dst),
		.source_port = flow->l4[1].dst,
		.idle_ms = (uint32_t)((uint64_t)(worker->flows->now - flow->seen) * FLOW_TICK_US /
				      1000),
		.expires_ms = (uint32_t)((uint64_t)flow_expires_ticks(worker->flows, flow) *
					 FLOW_TICK_US / 1000),
		.packets = flow->packets,
	};
}

static bool view_matches(const struct flow_view *view, const struct flow_filter *filter)
{
	if (filter->protocol && filter->protocol != view->protocol)
		return false;
	if (filter->by_client && addr_compare(&filter->client, &view->client) != 0)
		return false;
	if (filter->by_vip && addr_compare(&filter->vip, &view->vip) != 0)
		return false;
	if (filter->by_endpoint && addr_compare(&filter->endpoint, &view->endpoint) != 0)
		return false;
	return !filter->vip_port || filter->vip_port == view->vip_port;
}

// Lists what is wanted. True: it is to be ended instead.
static bool take_view(void *arg, const struct flow_view *view)
{
	struct worker_command *command = arg;

	if (!view_matches(view, &command->filter))
		return false;
	command->total++;
	if (command->kind == COMMAND_CLEAR)
		return true;
	if (command->view_count < command->filter.limit)
		command->views[command->view_count++] = *view;
	return false;
}

static void dump_one(struct worker *worker, struct worker_command *command, struct flow *flow)
{
	struct flow_view view;

	if (flow->state == FLOW_AFFINITY ||
		(command->kind == COMMAND_CLEAR && flow->state == FLOW_TCP_RESET))
		return;
	view_of(worker, flow, &view);
	if (take_view(command, &view))
		end_flow(worker, flow);
}

// What the proxy has to do with the command. True when that is done.
static bool proxy_step(struct worker *worker, struct worker_command *command)
{
	if (!worker->proxy)
		return true;
	if (command->kind == COMMAND_SWEEP)
		return proxy_sweep(worker->proxy, &command->proxy_cursor);
	return proxy_flows(worker->proxy, &command->proxy_cursor, take_view, command);
}

void worker_command_step(struct worker *worker)
{
	struct worker_command *command = worker->command;
	struct flow_table *flows = worker->flows;
	uint32_t end = command->cursor + RECORDS_A_ROUND;

	if (end > flows->untouched)
		end = flows->untouched;
	for (; command->cursor < end; command->cursor++) {
		struct flow *flow = flow_at(flows, command->cursor);

		if (!flow)
			continue;
		if (command->kind == COMMAND_SWEEP)
			sweep_one(worker, flow);
		else
			dump_one(worker, command, flow);
	}
	if (!proxy_step(worker, command))
		return;
	if (command->cursor >= flows->untouched)
		__atomic_store_n(&worker->command, NULL, __ATOMIC_RELEASE);
}
