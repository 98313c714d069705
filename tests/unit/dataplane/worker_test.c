// SPDX-License-Identifier: BSD-3-Clause
// Whole rounds of workers: counters, what the main lcore asks, hand-over, times. What becomes of
// each kind of packet is in tests/packet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "frame_fixture.h"
#include "world_network.h"

struct fixture {
	struct rte_mempool *frames, *pool;
	struct world *world;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	fixture->frames = frames_pool("frames", 1023);
	fixture->pool = frames_pool("answers", 4607);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	world_free(fixture->world);
	assert_int_equal(rte_mempool_in_use_count(fixture->frames), 0);
	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
	frames_pool_free(fixture->frames);
	frames_pool_free(fixture->pool);
	test_free(fixture);
	return 0;
}

static struct world *begin(struct fixture *fixture, unsigned workers)
{
	struct world_settings settings = world_defaults;

	settings.workers = workers;
	fixture->world = world_new(&settings, fixture->frames, fixture->pool);
	world_network(fixture->world);
	world_plan(fixture->world);
	return fixture->world;
}

static void client_sends(struct world *world, uint16_t src_port, uint16_t port, uint8_t tcp_flags)
{
	struct frame frame = frame_of(&(struct frame_spec){.src = network_ipv4.client,
		.dst = network_ipv4.vip,
		.src_port = src_port,
		.dst_port = port,
		.protocol = tcp_flags ? IPPROTO_TCP : IPPROTO_UDP,
		.tcp_flags = tcp_flags});

	memcpy(frame.bytes, &world->ports[0].port.mac, 6);
	assert_true(world_receive(
		world, 0, src_port % world->settings.queues, frame.bytes, frame.length));
}

static unsigned sent(struct world *world, unsigned port)
{
	unsigned count = 0;
	struct rte_mbuf *mbuf;

	for (unsigned queue = 0; queue < world->settings.queues; queue++)
		for (; (mbuf = world_sent(world, port, queue)); count++)
			rte_pktmbuf_free(mbuf);
	return count;
}

static void settle(struct world *world)
{
	while (world_round(world))
		;
}

static void test_counters(void **state)
{
	struct world *world = begin(*state, 1);
	struct worker *worker = world->workers[0];

	assert_int_equal(world_round(world), 0);
	assert_int_equal(worker->counters.packets, 0);
	assert_int_equal(worker->counters.busy_cycles, 0);
	for (uint16_t i = 0; i < 150; i++)
		client_sends(world, (uint16_t)(1000 + i), 80, 0);
	assert_int_equal(world_round(world), PACKET_BURST);
	settle(world);
	assert_int_equal(worker->counters.packets, 150);
	assert_true(worker->counters.busy_cycles > 0);
	for (enum worker_stage stage = STAGE_RECEIVE; stage < STAGE_HOST; stage++) {
		if (stage != STAGE_PROXY) // nothing is for it here
			assert_true(worker->counters.stage_cycles[stage] > 0);
		assert_non_null(worker_stage_name(stage));
	}
	assert_int_equal(sent(world, 1), 150);
	assert_int_equal(world_flows(world), 150);
	client_sends(world, 1, 85, 0);
	settle(world);
	assert_int_equal(world_drops(world, DROP_NO_ENDPOINT), 1);
	assert_int_equal(sent(world, 0), 1);
}

static uint64_t listed(struct worker *worker, const struct flow_filter *filter,
	struct flow_view *views, uint32_t *count)
{
	struct worker_command command = {.kind = COMMAND_DUMP, .filter = *filter, .views = views};

	__atomic_store_n(&worker->command, &command, __ATOMIC_RELEASE);
	for (unsigned i = 0; worker->command; i++) {
		assert_true(i < 100);
		worker_round(worker);
	}
	*count = command.view_count;
	return command.total;
}

static void test_lists_flows(void **state)
{
	struct world *world = begin(*state, 1);
	struct flow_filter filter = {.limit = 5};
	struct flow_view views[1000];
	uint32_t count;

	for (uint16_t i = 0; i < 600; i++) {
		client_sends(
			world, (uint16_t)(1000 + i), i % 3 ? 80 : 81, i % 2 ? RTE_TCP_SYN_FLAG : 0);
		settle(world);
	}
	assert_int_equal(listed(world->workers[0], &filter, views, &count), 600);
	assert_int_equal(count, 5);
	filter.limit = 1000;
	filter.protocol = IPPROTO_TCP;
	assert_int_equal(listed(world->workers[0], &filter, views, &count), 300);
	filter.vip_port = htons(81);
	assert_int_equal(listed(world->workers[0], &filter, views, &count), 100);
	for (uint32_t i = 0; i < count; i++) {
		struct addr pod = address_of(network_ipv4.pods[1]);

		assert_int_equal(views[i].mode, MODE_DNAT);
		assert_int_equal(views[i].state, FLOW_TCP_SYN);
		assert_int_equal(views[i].vip_port, htons(81));
		assert_int_equal(addr_compare(&views[i].endpoint, &pod), 0);
		assert_int_equal(views[i].packets, 1);
		assert_in_range(views[i].expires_ms, 20000, 30000);
	}
	filter.by_client = true;
	filter.client = address_of("198.51.100.8");
	assert_int_equal(listed(world->workers[0], &filter, views, &count), 0);
	sent(world, 1);
}

// Those that fit end: UDP at once, TCP clients are told whenever they send again.
static void test_clears_flows(void **state)
{
	struct world *world = begin(*state, 1);
	struct worker_command command = {.kind = COMMAND_CLEAR};

	for (uint16_t i = 0; i < 600; i++) {
		client_sends(
			world, (uint16_t)(1000 + i), i % 3 ? 80 : 81, i % 2 ? RTE_TCP_SYN_FLAG : 0);
		settle(world);
	}
	sent(world, 1);
	command.filter.vip_port = htons(81);
	__atomic_store_n(&world->workers[0]->command, &command, __ATOMIC_RELEASE);
	for (unsigned i = 0; world->workers[0]->command; i++) {
		assert_true(i < 100);
		worker_round(world->workers[0]);
	}
	assert_int_equal(command.total, 200);
	assert_int_equal(world_flows(world), 500); // of TCP there is a record left
	client_sends(world, 1000 + 3, 81, RTE_TCP_ACK_FLAG);
	settle(world);
	assert_int_equal(sent(world, 1), 0);
	assert_int_equal(sent(world, 0), 1);                 // a reset
	client_sends(world, 1000 + 1, 80, RTE_TCP_ACK_FLAG); // one that was not meant
	settle(world);
	assert_int_equal(sent(world, 1), 1);
}

// A sweep passes over all flows, a part a round, and leaves those alone whose endpoint is there.
static void test_sweep(void **state)
{
	struct world *world = begin(*state, 1);
	struct plan_change *change = change_new(0, 2);
	struct worker_command command = {.kind = COMMAND_SWEEP};
	unsigned rounds = 0;

	for (uint16_t i = 0; i < 900; i++) {
		client_sends(world, (uint16_t)(1000 + i), i % 2 ? 80 : 87, 0);
		settle(world);
	}
	assert_int_equal(sent(world, 1), 900);
	change->base = 1;
	change_pool(change, "one4", ALGORITHM_MAGLEV);
	assert_int_equal(world_apply(world, change), 0);
	change_free(change);
	assert_true(tables_has_removed(world->tables));
	world->workers[0]->command = &command;
	for (; world->workers[0]->command; rounds++)
		world_round(world);
	assert_in_range(rounds, 3, 10);
	assert_int_equal(world_flows(world), 450);
	tables_release_slots(world->tables);
	client_sends(world, 1000, 87, 0);
	client_sends(world, 1001, 80, 0);
	settle(world);
	assert_int_equal(sent(world, 1), 1);
	assert_int_equal(world_drops(world, DROP_NO_ENDPOINT), 1);
}

static void test_hand_over(void **state)
{
	struct world *world = begin(*state, 4);
	uint64_t handed = 0, packets = 0;

	for (uint16_t i = 0; i < 400; i++) {
		client_sends(world, (uint16_t)(1000 + i), 80, 0);
		settle(world);
	}
	assert_int_equal(sent(world, 1), 400);
	for (unsigned i = 0; i < 4; i++) {
		assert_in_range(world->workers[i]->flows->used, 50, 150);
		handed += world->workers[i]->counters.handed_over;
		packets += world->workers[i]->counters.packets;
	}
	assert_int_equal(packets, 400 + handed);
	assert_in_range(handed, 200, 350);
}

// An inbox that is full drops by name, and nothing is lost otherwise.
static void test_inbox_full(void **state)
{
	struct world *world = begin(*state, 2);
	struct fixture *fixture = *state;
	const struct note note = {.kind = NOTE_TRANSMIT, .iface = 0};
	unsigned room = 0;

	// The other worker does not come round.
	for (uint16_t i = 0; i < 200; i++)
		client_sends(world, (uint16_t)(2000 + 2 * i), 80, 0);
	for (; rte_ring_free_count(world->inboxes[1]) > 10; room++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(fixture->pool);

		assert_non_null(mbuf);
		*packet_note(mbuf) = note;
		rte_pktmbuf_append(mbuf, 60);
		rte_ring_enqueue(world->inboxes[1], mbuf);
	}
	while (worker_round(world->workers[0]))
		;
	assert_int_equal(rte_ring_count(world->inboxes[1]), room + 10);
	assert_int_equal(
		world_drops(world, DROP_HANDOFF_FULL) + world->workers[0]->flows->used, 190);
	assert_in_range(world_drops(world, DROP_HANDOFF_FULL), 50, 150);
	settle(world);
	sent(world, 0);
	sent(world, 1);
}

// Flows end by themselves, whatever their number, within rounds of bounded work.
static void test_expiry(void **state)
{
	struct world *world = begin(*state, 1);
	unsigned most = 0;

	for (uint16_t i = 0; i < 900; i++) {
		client_sends(world, (uint16_t)(1000 + i), 80 + i % 2, 0);
		settle(world);
	}
	sent(world, 1);
	world_pass(world, 31000);
	for (unsigned i = 0; i < 1000 && world_flows(world); i++) {
		uint32_t before = world_flows(world);

		world_round(world);
		if (before - world_flows(world) > most)
			most = before - world_flows(world);
	}
	assert_int_equal(world_flows(world), 0);
	assert_in_range(most, 1, 32);
}

// Only who sleeps is woken, and once.
static void test_doorbell(void **state)
{
	struct doorbell doorbell = {eventfd(0, EFD_NONBLOCK), 0};
	eventfd_t value = 0;

	begin(*state, 1);
	doorbell_ring(&doorbell);
	assert_int_equal(eventfd_read(doorbell.fd, &value), -1);
	doorbell.sleeping = 1;
	doorbell_ring(&doorbell);
	doorbell_ring(&doorbell);
	assert_int_equal(eventfd_read(doorbell.fd, &value), 0);
	assert_int_equal(value, 1);
	close(doorbell.fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clears_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hand_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inbox_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doorbell, setup, teardown),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
