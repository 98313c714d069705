// SPDX-License-Identifier: BSD-3-Clause
// The last stage on a port of memory: headers, tags, checksums, fragments, held packets, relays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_tcp.h>
#include <string.h>

#include "frame_fixture.h"
#include "resolve.h"
#include "transmit.h"

#define RING 512

struct fixture {
	struct rte_mempool *pool;
	struct rte_ring *sent, *relay, *resolve;
	struct rte_ring *relays[SLUICE_PORTS_MAX];
	struct port ports[1];
	struct iface ifaces[2]; // untagged, and VLAN 100
	struct fib *fib;
	struct transmitter transmitter;
	uint64_t drops[DROP_COUNT];
};

static uint16_t ring_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return (uint16_t)rte_ring_enqueue_burst(port->state, (void **)mbufs, n, NULL);
}

static const struct port_engine engine = {.tx = ring_tx};
static const struct port_kind kind = {.name = "ring", .engine = &engine};

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return addr;
}

// 10.0.0.0/24 on interface 0, 10.1.0.0/24 on interface 1; the neighbours .9 of both are known when
// `known`.
static void publish(struct fixture *fixture, bool known)
{
	struct fib_route routes[2] = {
		{.result = FIB_HOP, .iface = 0},
		{.result = FIB_HOP, .iface = 1},
	};
	struct fib_neighbour neighbours[2] = {
		{.address = address("10.0.0.9"),
			.iface = 0,
			.state = HOP_REACHABLE,
			.mac = {{2, 0, 0, 0, 0, 9}}},
		{.address = address("10.1.0.9"),
			.iface = 1,
			.state = HOP_REACHABLE,
			.mac = {{2, 0, 0, 0, 1, 9}}},
	};
	struct fib *next;

	prefix_parse(&routes[0].to, "10.0.0.0/24");
	prefix_parse(&routes[1].to, "10.1.0.0/24");
	next = fib_build(fixture->fib, routes, 2, neighbours, known ? 2 : 0, NULL, 0);
	assert_non_null(next);
	fib_free(fixture->fib);
	fixture->fib = next;
	fixture->transmitter.fib = next;
}

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));
	struct transmitter *transmitter = &fixture->transmitter;

	fixture->pool = frames_pool("transmit", 1023);
	fixture->sent = rte_ring_create("sent", RING, SOCKET_ID_ANY, 0);
	fixture->relay = rte_ring_create("relay", RING, SOCKET_ID_ANY, 0);
	fixture->resolve = rte_ring_create_elem(
		"resolve", sizeof(struct resolve_request), RING, SOCKET_ID_ANY, 0);
	fixture->ports[0] = (struct port){.kind = &kind, .state = fixture->sent, .queues = 1};
	for (unsigned i = 0; i < 2; i++)
		fixture->ifaces[i] = (struct iface){.index = (uint16_t)i,
			.vlan = (uint16_t)(100 * i),
			.mtu = 1500,
			.mac = {{2, 0, 0, 0, 0, 1}}};
	transmitter->ifaces = fixture->ifaces;
	transmitter->ports = fixture->ports;
	transmitter->port_count = 1;
	transmitter->relays = fixture->relays;
	transmitter->resolve = fixture->resolve;
	transmitter->pool = fixture->pool;
	transmitter->drops = fixture->drops;
	publish(fixture, true);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
	frames_pool_free(fixture->pool);
	rte_ring_free(fixture->sent);
	rte_ring_free(fixture->relay);
	rte_ring_free(fixture->resolve);
	fib_free(fixture->fib);
	test_free(fixture);
	return 0;
}

static struct packet packet_to(struct fixture *fixture, const char *dst, unsigned payload)
{
	struct frame frame = frame_of(&(struct frame_spec){
		.src = "192.0.2.1", .dst = dst, .protocol = IPPROTO_UDP, .payload = payload});
	struct rte_mbuf *mbuf = frame_mbuf(fixture->pool, frame.bytes, frame.length);

	return (struct packet){
		.mbuf = mbuf,
		.l3 = rte_pktmbuf_mtod(mbuf, uint8_t *) + RTE_ETHER_HDR_LEN,
		.l4 = rte_pktmbuf_mtod(mbuf, uint8_t *) + RTE_ETHER_HDR_LEN +
		      sizeof(struct rte_ipv4_hdr),
		.length = (uint16_t)(frame.length - RTE_ETHER_HDR_LEN),
		.family = 4,
		.next = PACKET_ROUTE,
	};
}

static struct rte_mbuf *sent(struct fixture *fixture)
{
	void *mbuf = NULL;

	transmit_flush(&fixture->transmitter);
	rte_ring_dequeue(fixture->sent, &mbuf);
	return mbuf;
}

static void expect_frame(struct fixture *fixture, const uint8_t to[6], uint16_t vlan)
{
	struct rte_mbuf *mbuf = sent(fixture);
	const uint8_t *frame;

	assert_non_null(mbuf);
	frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	assert_memory_equal(frame, to, 6);
	assert_memory_equal(frame + 6, fixture->ifaces[0].mac.addr_bytes, 6);
	if (vlan) {
		const uint8_t tag[4] = {0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan};

		assert_memory_equal(frame + 12, tag, 4);
		frame += 4;
	}
	assert_memory_equal(frame + 12, ((const uint8_t[]){8, 0}), 2);
	assert_int_equal(rte_raw_cksum(frame + 14, 20), 0xffff);
	rte_pktmbuf_free(mbuf);
}

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 9}, mac1[6] = {2, 0, 0, 0, 1, 9};

static void test_routes(void **state)
{
	struct fixture *fixture = *state;
	struct packet packet = packet_to(fixture, "10.0.0.9", 10);

	transmit(&fixture->transmitter, &packet, 1);
	assert_int_equal(packet.next, PACKET_TAKEN);
	expect_frame(fixture, mac0, 0);
	packet = packet_to(fixture, "10.1.0.9", 10);
	transmit(&fixture->transmitter, &packet, 1);
	expect_frame(fixture, mac1, 100);
	packet = packet_to(fixture, "172.16.0.1", 10);
	transmit(&fixture->transmitter, &packet, 1);
	assert_int_equal(packet.next, PACKET_DROP);
	assert_int_equal(packet.drop, DROP_NO_ROUTE);
	rte_pktmbuf_free(packet.mbuf);
	// To a hop that is known.
	packet = packet_to(fixture, "10.0.0.77", 10);
	packet.next = PACKET_TRANSMIT;
	packet.hop = fib_hop(fixture->fib, 0, (struct addr[]){address("10.0.0.9")});
	assert_int_not_equal(packet.hop, HOP_NONE);
	transmit(&fixture->transmitter, &packet, 1);
	expect_frame(fixture, mac0, 0);
}

// Owed by us, or left to a port that can, but not behind a tag.
static void test_checksum(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct packet packet = packet_to(fixture, i & 1 ? "10.1.0.9" : "10.0.0.9", 10);
		struct rte_mbuf *mbuf;
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet.l3;
		bool by_port = i == 2;

		fixture->ports[0].caps = i & 2 ? PORT_TX_IP_CKSUM : 0;
		ip->hdr_checksum = 0x1234;
		packet.flags = PACKET_IP_CHECKSUM;
		transmit(&fixture->transmitter, &packet, 1);
		mbuf = sent(fixture);
		assert_non_null(mbuf);
		ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, i & 1 ? 18 : 14);
		assert_int_equal(!!(mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM), by_port);
		if (by_port) {
			assert_int_equal(ip->hdr_checksum, 0);
			assert_int_equal(mbuf->l2_len, 14);
			assert_int_equal(mbuf->l3_len, 20);
		} else {
			assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		}
		rte_pktmbuf_free(mbuf);
	}
}

// The segment's checksum, too; but by us while frames are captured.
static void test_tcp_checksum(void **state)
{
	struct fixture *fixture = *state;
	struct capture_lane *lane = test_calloc(1, sizeof(*lane));

	for (unsigned i = 0; i < 8; i++) {
		struct packet packet = packet_to(fixture, i & 1 ? "10.1.0.9" : "10.0.0.9", 100);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet.l3;
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)packet.l4;
		bool by_port = i == 2;
		struct rte_mbuf *mbuf;

		fixture->ports[0].caps = i & 2 ? PORT_TX_L4_CKSUM : 0;
		fixture->transmitter.lane = i & 4 ? lane : NULL;
		ip->next_proto_id = IPPROTO_TCP;
		tcp->data_off = 5 << 4;
		tcp->cksum = 0x1234;
		packet.flags = PACKET_TCP_CHECKSUM;
		transmit(&fixture->transmitter, &packet, 1);
		fixture->transmitter.lane = NULL;
		mbuf = sent(fixture);
		assert_non_null(mbuf);
		ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, i & 1 ? 18 : 14);
		tcp = (struct rte_tcp_hdr *)(ip + 1);
		assert_int_equal(!!(mbuf->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM), by_port);
		if (by_port) {
			assert_int_equal(tcp->cksum, rte_ipv4_phdr_cksum(ip, 0));
			assert_int_equal(mbuf->l2_len, 14);
			assert_int_equal(mbuf->l3_len, 20);
			assert_int_equal(mbuf->l4_len, 20);
		} else {
			assert_int_equal(rte_ipv4_udptcp_cksum(ip, tcp), 0);
		}
		rte_pktmbuf_free(mbuf);
	}
	test_free(lane);
}

static void test_fragments(void **state)
{
	struct fixture *fixture = *state;
	struct packet packet = packet_to(fixture, "10.0.0.9", 3000);
	unsigned bytes = 0, count = 0;
	struct rte_mbuf *mbuf;

	transmit(&fixture->transmitter, &packet, 1);
	while ((mbuf = sent(fixture))) {
		assert_true(rte_pktmbuf_data_len(mbuf) <= 1514);
		assert_int_equal(
			rte_raw_cksum(rte_pktmbuf_mtod_offset(mbuf, void *, 14), 20), 0xffff);
		bytes += rte_pktmbuf_data_len(mbuf) - 34;
		count++;
		rte_pktmbuf_free(mbuf);
	}
	assert_int_equal(bytes, 3008);
	assert_int_equal(count, 3);
	// With DF whoever comes here should have been told before.
	packet = packet_to(fixture, "10.0.0.9", 3000);
	((struct rte_ipv4_hdr *)packet.l3)->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	transmit(&fixture->transmitter, &packet, 1);
	assert_null(sent(fixture));
	assert_int_equal(fixture->drops[DROP_TOO_BIG], 1);
}

static void test_held(void **state)
{
	struct fixture *fixture = *state;
	struct transmitter *transmitter = &fixture->transmitter;
	struct resolve_request request;

	publish(fixture, false);
	for (unsigned i = 0; i < 20; i++) {
		struct packet packet = packet_to(fixture, "10.1.0.9", i);

		transmit(transmitter, &packet, 1);
		assert_int_equal(packet.next, PACKET_TAKEN);
	}
	assert_null(sent(fixture));
	assert_int_equal(transmitter->held_count, TRANSMIT_HELD_HOP);
	assert_int_equal(fixture->drops[DROP_NEIGHBOUR_QUEUE_FULL], 20 - TRANSMIT_HELD_HOP);
	assert_int_equal(transmitter->resolve_asked, 1);
	assert_int_equal(rte_ring_dequeue_elem(fixture->resolve, &request, sizeof(request)), 0);
	assert_int_equal(request.iface, 1);
	assert_int_equal(addr_compare(&request.neighbour, (struct addr[]){address("10.1.0.9")}), 0);
	transmit_held(transmitter);
	assert_int_equal(transmitter->held_count, TRANSMIT_HELD_HOP);
	publish(fixture, true);
	transmit_held(transmitter);
	assert_int_equal(transmitter->held_count, 0);
	for (unsigned i = 0; i < TRANSMIT_HELD_HOP; i++)
		expect_frame(fixture, mac1, 100);
	assert_null(sent(fixture));
}

static void test_held_too_long(void **state)
{
	struct fixture *fixture = *state;
	struct transmitter *transmitter = &fixture->transmitter;
	struct packet packet = packet_to(fixture, "10.0.0.5", 1);

	transmitter->now = UINT32_MAX - 100; // time goes round meanwhile
	transmit(transmitter, &packet, 1);
	transmitter->now += TRANSMIT_HELD_TICKS;
	transmit_held(transmitter);
	assert_int_equal(transmitter->held_count, 1);
	transmitter->now++;
	transmit_held(transmitter);
	assert_int_equal(transmitter->held_count, 0);
	assert_int_equal(fixture->drops[DROP_NO_NEIGHBOUR], 1);
}

// The first question may have been lost, and packets come all the time.
static void test_it_is_asked_again_while_some_are_held(void **state)
{
	struct fixture *fixture = *state;
	struct transmitter *transmitter = &fixture->transmitter;
	unsigned asked;

	for (unsigned i = 0; i < 10; i++) {
		struct packet packet = packet_to(fixture, "10.0.0.5", i);

		transmit(transmitter, &packet, 1);
		transmitter->now += TRANSMIT_HELD_TICKS / 2;
		transmit_held(transmitter);
		assert_true(transmitter->held_count > 0);
	}
	asked = transmitter->resolve_asked;
	transmitter->now += 2 * TRANSMIT_HELD_TICKS;
	transmit_held(transmitter);
	assert_int_equal(transmitter->held_count, 0);
	assert_true(asked > 3 && asked <= 10);
}

static void test_port_full(void **state)
{
	struct fixture *fixture = *state;
	struct packet packets[PACKET_BURST];
	struct rte_mbuf *mbuf;
	unsigned count = 0;

	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < PACKET_BURST; i++)
			packets[i] = packet_to(fixture, "10.0.0.9", 1);
		transmit(&fixture->transmitter, packets, PACKET_BURST);
	}
	while ((mbuf = sent(fixture))) {
		count++;
		rte_pktmbuf_free(mbuf);
	}
	assert_int_equal(count, RING - 1);
	assert_int_equal(fixture->drops[DROP_TX_FULL], 10 * PACKET_BURST - count);
}

// Without a queue of its own: to the one who has one, and there out as it is.
static void test_relay(void **state)
{
	struct fixture *fixture = *state;
	struct packet packet = packet_to(fixture, "10.1.0.9", 10);
	void *mbuf = NULL;

	fixture->relays[0] = fixture->relay;
	transmit(&fixture->transmitter, &packet, 1);
	transmit_flush(&fixture->transmitter);
	assert_int_equal(rte_ring_count(fixture->sent), 0);
	assert_int_equal(rte_ring_dequeue(fixture->relay, &mbuf), 0);
	assert_int_equal(packet_note(mbuf)->kind, NOTE_TRANSMIT);
	fixture->relays[0] = NULL;
	transmit_frame(&fixture->transmitter, mbuf, packet_note(mbuf)->iface);
	expect_frame(fixture, mac1, 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_it_is_asked_again_while_some_are_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay, setup, teardown),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
