// SPDX-License-Identifier: BSD-3-Clause
#include "trace.h"

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <string.h>

#include "worker.h"

static void see_header(struct trace_header *header, const struct packet *packet)
{
	*header = (struct trace_header){.family = packet->family};
	if (!packet->family)
		return;
	if (packet->family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet->l3;

		addr_from_bytes(&header->src, &ip->src_addr, 4);
		addr_from_bytes(&header->dst, &ip->dst_addr, 4);
		header->ttl = ip->time_to_live;
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet->l3;

		addr_from_bytes(&header->src, ip->src_addr, 16);
		addr_from_bytes(&header->dst, ip->dst_addr, 16);
		header->ttl = ip->hop_limits;
	}
	header->protocol = packet->protocol;
	header->length = packet->length;
	if (packet->l4 && !(packet->flags & PACKET_NO_L4) &&
		(packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP)) {
		memcpy(&header->src_port, packet->l4, 2);
		memcpy(&header->dst_port, packet->l4 + 2, 2);
		if (packet->protocol == IPPROTO_TCP)
			header->tcp_flags = ((const struct rte_tcp_hdr *)packet->l4)->tcp_flags;
	}
}

static void see_flow(struct trace_flow *seen, const struct packet *packet)
{
	const struct flow *flow = packet->flow;
	struct flow_key client = flow_record_key(flow, 0);

	*seen = (struct trace_flow){.known = true,
		.direction = packet->direction,
		.state = flow->state,
		.mode = flow->mode,
		.endpoint = flow->endpoint,
		.vip_port = flow->l4[0].dst};
	addr_from_bytes(&seen->vip, client.dst, client.family == 4 ? 4 : 16);
}

static bool host_is(const struct capture_filter *filter, const struct flow_key *key)
{
	struct addr src, dst;
	size_t length = key->family == 4 ? 4 : 16;

	addr_from_bytes(&src, key->src, length);
	addr_from_bytes(&dst, key->dst, length);
	return addr_compare(&src, &filter->host) == 0 || addr_compare(&dst, &filter->host) == 0;
}

// A packet fits, too, that is of a flow which does, on its other side.
static bool flow_fits(const struct capture_filter *filter, const struct flow *flow)
{
	struct flow_key client = flow_record_key(flow, 0), reply = flow_record_key(flow, 1);
	struct addr vip;

	addr_from_bytes(&vip, client.dst, client.family == 4 ? 4 : 16);
	if (filter->by_vip && addr_compare(&vip, &filter->vip) != 0)
		return false;
	if (filter->protocol && filter->protocol != flow->protocol)
		return false;
	if (filter->l4_port && filter->l4_port != flow->l4[0].src &&
		filter->l4_port != flow->l4[0].dst && filter->l4_port != flow->l4[1].src &&
		filter->l4_port != flow->l4[1].dst)
		return false;
	return !filter->by_host || host_is(filter, &client) || host_is(filter, &reply);
}

static bool packet_fits(const struct capture_filter *filter, const struct packet *packet)
{
	struct trace_header header;

	if (!capture_match(filter, rte_pktmbuf_mtod(packet->mbuf, const uint8_t *),
		    rte_pktmbuf_data_len(packet->mbuf)))
		return false;
	if (!filter->by_vip)
		return true;
	see_header(&header, packet);
	return header.family && (addr_compare(&header.dst, &filter->vip) == 0 ||
					addr_compare(&header.src, &filter->vip) == 0);
}

static void begin(struct worker *worker, unsigned i)
{
	const struct packet *packet = &worker->packets[i];
	struct trace_burst *burst = worker->lane->burst;
	struct traced *traced = &burst->packets[i];

	if (__builtin_popcountll(burst->followed) >= (int)RTE_MIN(worker->lane->left, 64u))
		return;
	burst->followed |= 1ull << i;
	*traced = (struct traced){.tsc = rte_rdtsc(),
		.iface = packet->iface,
		.handed = packet->flags & PACKET_HANDED,
		.listener = SLOT_NONE};
	traced->next[TRACE_CLASSIFIED] = packet->next;
	see_header(&traced->before, packet);
}

static void classified(struct worker *worker, unsigned i)
{
	struct packet *packet = &worker->packets[i];
	const struct capture_filter *filter = worker->lane->filter;

	if (packet->next != PACKET_DROP)
		packet->drop = DROP_NONE; // what is answered will say why
	if ((filter->ports >> worker->ifaces[packet->iface].port & 1) &&
		packet_fits(filter, packet))
		begin(worker, i);
}

static void looked_up(struct worker *worker, unsigned i)
{
	const struct packet *packet = &worker->packets[i];
	struct trace_burst *burst = worker->lane->burst;
	const struct capture_filter *filter = worker->lane->filter;

	if (packet->next != PACKET_REWRITE)
		return;
	if (!(burst->followed >> i & 1) &&
		(filter->ports >> worker->ifaces[packet->iface].port & 1) &&
		flow_fits(filter, packet->flow)) {
		begin(worker, i);
		burst->packets[i].next[TRACE_CLASSIFIED] = PACKET_FLOW;
	}
	if (!(burst->followed >> i & 1))
		return;
	burst->packets[i].hit = true;
	see_flow(&burst->packets[i].flow, packet);
}

static void opened(struct worker *worker, unsigned i)
{
	const struct packet *packet = &worker->packets[i];
	struct traced *traced = &worker->lane->burst->packets[i];

	if (traced->hit || traced->next[TRACE_LOOKED_UP] != PACKET_FLOW)
		return;
	if (packet->next == PACKET_REWRITE) {
		traced->opened = true;
		see_flow(&traced->flow, packet);
	} else if (packet->next == PACKET_HAND) {
		traced->to_worker = packet->hop;
	}
}

static void find_listener(const struct worker *worker, struct traced *traced)
{
	const struct trace_flow *flow = &traced->flow;
	const struct listener *listener = tables_listener(worker->opener.tables,
		flow->known ? &flow->vip : &traced->before.dst, traced->before.protocol,
		flow->known ? flow->vip_port : traced->before.dst_port);

	if (traced->before.family && listener)
		traced->listener = listener->slot;
}

static void see_hop(struct worker *worker, const struct packet *packet, struct traced *traced)
{
	const struct fib *fib = worker->transmitter.fib;
	struct fib_answer answer = {.result = FIB_HOP, .hop = packet->hop};
	const struct hop *hop;

	if (packet->next == PACKET_ROUTE)
		answer = fib_lookup(fib, &traced->after.dst);
	traced->routed = answer.result == FIB_HOP || answer.result == FIB_NEIGHBOUR;
	if (answer.result == FIB_NEIGHBOUR) {
		traced->out_iface = answer.iface;
		traced->neighbour = answer.via;
	}
	if (answer.result != FIB_HOP)
		return;
	hop = &fib->hops[answer.hop];
	traced->out_iface = hop->iface;
	traced->neighbour = hop->address;
	traced->reachable = hop->state == HOP_REACHABLE;
	traced->mac = hop->mac;
}

static void sending(struct worker *worker, unsigned i)
{
	const struct packet *packet = &worker->packets[i];
	struct traced *traced = &worker->lane->burst->packets[i];

	if (packet->next != PACKET_TRANSMIT && packet->next != PACKET_ROUTE)
		return;
	see_header(&traced->after, packet);
	see_hop(worker, packet, traced);
}

static void done(struct worker *worker, unsigned i)
{
	struct capture_lane *lane = worker->lane;
	struct traced *traced = &lane->burst->packets[i], *room;

	find_listener(worker, traced);
	room = record_ring_room(lane->ring, sizeof(*room));
	if (!room) {
		lane->lost++;
		return;
	}
	lane->left--;
	*room = *traced;
	record_ring_put(lane->ring, &room->record, sizeof(*room));
}

static void note(struct worker *worker, enum trace_point point, unsigned i)
{
	const struct packet *packet = &worker->packets[i];
	struct traced *traced = &worker->lane->burst->packets[i];

	traced->next[point] = packet->next;
	if (packet->drop != DROP_NONE && point > TRACE_LOOKED_UP)
		traced->drop = packet->drop;
	switch (point) {
	case TRACE_CLASSIFIED:
	case TRACE_LOOKED_UP:
		if (packet->next == PACKET_DROP)
			traced->drop = packet->drop;
		break;
	case TRACE_OPENED:
		opened(worker, i);
		break;
	case TRACE_REWRITTEN:
		if (packet->next == PACKET_HAND)
			traced->to_worker = packet->hop;
		break;
	case TRACE_SENDING:
		sending(worker, i);
		break;
	case TRACE_DONE:
		done(worker, i);
		break;
	}
}

void trace_burst(struct worker *worker, enum trace_point point, unsigned n)
{
	struct trace_burst *burst = worker->lane->burst;

	if (!burst)
		return;
	if (point == TRACE_CLASSIFIED)
		burst->followed = 0;
	for (unsigned i = 0; i < n; i++) {
		if (point == TRACE_CLASSIFIED)
			classified(worker, i);
		else if (point == TRACE_LOOKED_UP)
			looked_up(worker, i);
		if (burst->followed >> i & 1)
			note(worker, point, i);
	}
}
