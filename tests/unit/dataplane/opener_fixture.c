// SPDX-License-Identifier: BSD-3-Clause
#include "opener_fixture.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024

static const struct timeouts_settings timeouts = {30, 7800, 60, 2, 60, 30};

static void family_plan(struct plan_change *change, bool v6)
{
	const char *vip = v6 ? OPENER_VIP6 : OPENER_VIP4;
	const char *pool = v6 ? "pods6" : "pods4", *none = v6 ? "none6" : "none4";

	change_vip(change, vip);
	change_pool(change, pool, ALGORITHM_MAGLEV);
	change_endpoint(change, v6 ? OPENER_POD6 : OPENER_POD4, 82, ENDPOINT_READY, 1);
	change_pool(change, none, ALGORITHM_MAGLEV);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
		struct plan_listener *some;

		change_listener(change, vip, protocol, 80, pool);
		change_listener(change, vip, protocol, 81, pool)->mode = MODE_DNAT;
		change_listener(change, vip, protocol, 82, pool)->mode = MODE_DSR;
		some = change_listener(change, vip, protocol, 84, pool);
		change_source(some, v6 ? "2001:db8:c::/64" : "198.51.100.0/24");
		change_listener(change, vip, protocol, 85, none);
	}
}

static void make_tables(struct opener_fixture *fixture)
{
	struct plan_change *change = change_new(0, 1);
	struct reason reason = {0};

	family_plan(change, false);
	family_plan(change, true);
	fixture->tables = tables_store_new();
	if (tables_apply(fixture->tables, change, &reason)) {
		fprintf(stderr, "%s\n", reason_text(&reason));
		abort();
	}
	tables_reclaim(fixture->tables);
	change_free(change);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	if (prefix_parse(&prefix, text) < 0)
		abort();
	return prefix;
}

static void make_fib(struct opener_fixture *fixture)
{
	struct fib_route routes[] = {
		{.to = prefix_of("10.1.0.0/24"), .result = FIB_HOP, .iface = 1},
		{.to = prefix_of("fd00:1::/64"), .result = FIB_HOP, .iface = 1},
		{.to = prefix_of("0.0.0.0/0"), .result = FIB_HOP, .via = address_of("192.0.2.1")},
		{.to = prefix_of("::/0"), .result = FIB_HOP, .via = address_of("2001:db8::1")},
		{.to = prefix_of(OPENER_OWN4 "/32"), .result = FIB_LOCAL, .iface = 1},
		{.to = prefix_of(OPENER_OWN6 "/128"), .result = FIB_LOCAL, .iface = 1},
	};
	struct fib_neighbour neighbours[] = {
		{address_of(OPENER_POD4), 1, HOP_REACHABLE, {{2, 0, 0, 0, 0, 4}}},
		{address_of(OPENER_POD6), 1, HOP_REACHABLE, {{2, 0, 0, 0, 0, 6}}},
		{address_of("192.0.2.1"), 0, HOP_REACHABLE, {{2, 0, 0, 0, 0, 1}}},
		{address_of("2001:db8::1"), 0, HOP_REACHABLE, {{2, 0, 0, 0, 0, 1}}},
	};
	struct fib_source sources[] = {
		{address_of(OPENER_OWN4), 1},
		{address_of(OPENER_OWN6), 1},
		{address_of("192.0.2.2"), 0},
		{address_of("2001:db8::2"), 0},
	};

	fixture->fib = fib_build(NULL, routes, 6, neighbours, 4, sources, 4);
	if (!fixture->fib)
		abort();
}

struct opener_fixture *opener_fixture_new(uint16_t workers, uint32_t flows)
{
	struct opener_fixture *fixture = calloc(1, sizeof(*fixture));
	struct opener *opener = &fixture->opener;

	fixture->pool = frames_pool("opener", 1023);
	make_tables(fixture);
	make_fib(fixture);
	for (unsigned i = 0; i < 2; i++)
		fixture->ifaces[i] = (struct iface){.index = (uint16_t)i, .mtu = 1500};
	fixture->rule = (struct owner_rule){
		.workers = workers, .port_first = 20000, .port_last = 20099, .rss_key = {1, 2, 3}};
	opener->tables = tables_current(fixture->tables);
	opener->fib = fixture->fib;
	opener->flows = flow_table_new(flows, 5, &timeouts);
	opener->rule = &fixture->rule;
	opener->sources = &fixture->sources;
	opener->counters = rte_zmalloc("counters", SLOTS * sizeof(*opener->counters), 64);
	opener->load = calloc(SLOTS, sizeof(*opener->load));
	opener->pick_states = calloc(SLOTS, sizeof(*opener->pick_states));
	return fixture;
}

void opener_fixture_free(struct opener_fixture *fixture)
{
	if (rte_mempool_in_use_count(fixture->pool)) {
		fprintf(stderr, "%u buffers lost\n", rte_mempool_in_use_count(fixture->pool));
		exit(1);
	}
	frames_pool_free(fixture->pool);
	tables_store_free(fixture->tables);
	fib_free(fixture->fib);
	flow_table_free(fixture->opener.flows);
	rte_free(fixture->opener.counters);
	free(fixture->opener.load);
	free(fixture->opener.pick_states);
	free(fixture);
}

struct packet opener_packet(struct opener_fixture *fixture, const struct frame_spec *spec)
{
	struct frame frame = frame_of(spec);
	struct rte_mbuf *mbuf = frame_mbuf(fixture->pool, frame.bytes, frame.length);
	uint8_t *l3 = rte_pktmbuf_mtod(mbuf, uint8_t *) + RTE_ETHER_HDR_LEN;
	bool v6 = l3[0] >> 4 == 6;
	struct packet packet = {
		.mbuf = mbuf,
		.l3 = l3,
		.l4 = l3 + (v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)),
		.length = (uint16_t)(frame.length - RTE_ETHER_HDR_LEN),
		.family = v6 ? 6 : 4,
		.protocol = spec->protocol,
		.tcp_flags = spec->tcp_flags,
		.next = PACKET_FLOW,
	};

	memcpy(&packet.ports, packet.l4, sizeof(packet.ports));
	return packet;
}
