// SPDX-License-Identifier: BSD-3-Clause
// What is noted of packets on their way through whole workers, and that nothing is when none is
// wanted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include "frame_fixture.h"
#include "trace.h"
#include "world_network.h"

struct fixture {
	struct rte_mempool *frames, *pool;
	struct world *world;
	struct capture *capture;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));
	struct world_settings settings = world_defaults;
	struct capture *capture = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*capture));

	fixture->frames = frames_pool("frames", 1023);
	fixture->pool = frames_pool("answers", 1023);
	settings.workers = 1;
	fixture->world = world_new(&settings, fixture->frames, fixture->pool);
	world_network(fixture->world);
	world_plan(fixture->world);
	*capture = (struct capture){.filter = {.ports = UINT32_MAX}};
	capture->lanes[0] = (struct capture_lane){.filter = &capture->filter,
		.ring = record_ring_new(1 << 20),
		.left = UINT32_MAX,
		.burst = calloc(1, sizeof(struct trace_burst))};
	fixture->capture = fixture->world->capture = capture;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture->world->capture = NULL;
	world_free(fixture->world);
	record_ring_free(fixture->capture->lanes[0].ring);
	free(fixture->capture->lanes[0].burst);
	free(fixture->capture);
	frames_pool_free(fixture->frames);
	frames_pool_free(fixture->pool);
	test_free(fixture);
	return 0;
}

static void client_sends(struct world *world, uint16_t port, uint8_t tcp_flags)
{
	struct frame frame = frame_of(&(struct frame_spec){.src = network_ipv4.client,
		.dst = network_ipv4.vip,
		.src_port = 1000,
		.dst_port = port,
		.protocol = tcp_flags ? IPPROTO_TCP : IPPROTO_UDP,
		.tcp_flags = tcp_flags});
	struct rte_mbuf *mbuf;

	memcpy(frame.bytes, &world->ports[0].port.mac, 6);
	assert_true(world_receive(world, 0, 0, frame.bytes, frame.length));
	while (world_round(world))
		;
	for (unsigned out = 0; out < WORLD_PORTS; out++)
		while ((mbuf = world_sent(world, out, 0)))
			rte_pktmbuf_free(mbuf);
}

// The next that was noted.
static struct traced next(struct fixture *fixture)
{
	struct record_ring *ring = fixture->capture->lanes[0].ring;
	struct traced *first = record_ring_first(ring), traced;

	assert_non_null(first);
	traced = *first;
	record_ring_drop(ring, &first->record);
	return traced;
}

static bool none(struct fixture *fixture)
{
	return !record_ring_first(fixture->capture->lanes[0].ring);
}

static void test_a_flow_is_opened_and_found(void **state)
{
	struct fixture *fixture = *state;
	struct traced traced;

	client_sends(fixture->world, 80, RTE_TCP_SYN_FLAG);
	traced = next(fixture);
	assert_true(traced.opened && !traced.hit && traced.flow.known);
	assert_int_equal(traced.next[TRACE_CLASSIFIED], PACKET_FLOW);
	assert_int_equal(traced.next[TRACE_SENDING], PACKET_TRANSMIT);
	assert_int_equal(traced.next[TRACE_DONE], PACKET_TAKEN);
	assert_int_equal(traced.before.dst_port, htons(80));
	assert_int_equal(traced.before.ttl, traced.after.ttl + 1);
	assert_true(addr_compare(&traced.before.dst, &traced.after.dst) != 0);
	assert_true(traced.routed && traced.listener != SLOT_NONE);
	client_sends(fixture->world, 80, RTE_TCP_ACK_FLAG);
	traced = next(fixture);
	assert_true(traced.hit && !traced.opened && traced.flow.known);
	assert_true(none(fixture));
}

static void test_a_refusal_keeps_its_name(void **state)
{
	struct fixture *fixture = *state;
	struct traced traced;

	client_sends(fixture->world, 7999, RTE_TCP_SYN_FLAG);
	traced = next(fixture);
	assert_int_equal(traced.drop, DROP_NO_LISTENER);
	assert_int_equal(traced.next[TRACE_SENDING], PACKET_ROUTE);
	assert_int_equal(traced.after.src_port, htons(7999));
	assert_true(traced.after.tcp_flags & RTE_TCP_RST_FLAG);
	assert_int_equal(traced.listener, SLOT_NONE);
}

static void test_what_does_not_fit_is_not_noted(void **state)
{
	struct fixture *fixture = *state;
	struct capture_filter *filter = &fixture->capture->filter;

	filter->protocol = IPPROTO_UDP;
	client_sends(fixture->world, 80, RTE_TCP_SYN_FLAG);
	assert_true(none(fixture));
	client_sends(fixture->world, 80, 0);
	next(fixture);
	filter->by_vip = true;
	client_sends(fixture->world, 80, 0);
	assert_true(none(fixture));
	addr_parse(&filter->vip, network_ipv4.vip);
	client_sends(fixture->world, 80, 0);
	next(fixture);
	fixture->capture->lanes[0].left = 0;
	client_sends(fixture->world, 80, 0);
	assert_true(none(fixture));
	assert_int_equal(fixture->capture->lanes[0].lost, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_flow_is_opened_and_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_refusal_keeps_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_does_not_fit_is_not_noted, setup, teardown),
	};

	(void)argc;
	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
