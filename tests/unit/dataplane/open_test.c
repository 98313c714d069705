// SPDX-License-Identifier: BSD-3-Clause
// A packet without a flow: what becomes of it, and what the flow says that is opened.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_tcp.h>
#include <string.h>

#include "flow_stage.h"
#include "opener_fixture.h"

static struct frame_spec from(const char *client, uint8_t protocol, uint16_t port)
{
	return (struct frame_spec){.src = client,
		.dst = strchr(client, ':') ? OPENER_VIP6 : OPENER_VIP4,
		.src_port = 4000,
		.dst_port = port,
		.protocol = protocol,
		.tcp_flags = protocol == IPPROTO_TCP ? RTE_TCP_SYN_FLAG : 0};
}

// Opens and frees: what was said of it.
static struct packet opened(struct opener_fixture *fixture, const struct frame_spec *spec)
{
	struct packet packet = opener_packet(fixture, spec);

	open_flow(&fixture->opener, &packet);
	rte_pktmbuf_free(packet.mbuf);
	return packet;
}

static const char *const clients[] = {OPENER_CLIENT4, OPENER_CLIENT6};

static void test_modes(void **state)
{
	struct opener_fixture *fixture = opener_fixture_new(1, 64);

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (uint16_t port = 80; port < 83; port++) {
			struct frame_spec spec = from(clients[v6], IPPROTO_TCP, port);
			struct packet packet = opened(fixture, &spec);
			const struct flow *flow = packet.flow;
			struct flow_key reply;
			struct addr pod = address_of(v6 ? OPENER_POD6 : OPENER_POD4);
			struct addr own = address_of(v6 ? OPENER_OWN6 : OPENER_OWN4);
			struct addr client = address_of(clients[v6]);
			size_t length = v6 ? 16 : 4, skip = 16 - length;

			assert_int_equal(packet.next, PACKET_REWRITE);
			assert_int_equal(packet.direction, 0);
			assert_int_equal(flow->mode, MODE_FULL_NAT + port - 80);
			assert_int_equal(flow->state, FLOW_TCP_SYN);
			reply = flow_record_key(flow, 1);
			assert_memory_equal(reply.src, pod.byte + skip, length);
			assert_memory_equal(
				reply.dst, (port == 81 ? client : own).byte + skip, length);
			assert_int_equal(ntohs((uint16_t)reply.ports), 82);
			if (port == 80)
				assert_in_range(ntohs((uint16_t)(reply.ports >> 16)), 20000, 20099);
			if (port == 81)
				assert_int_equal(ntohs((uint16_t)(reply.ports >> 16)), 4000);
			assert_int_equal(!!(flow->flags & FLOW_ONE_WAY), port == 82);
		}
	assert_int_equal(fixture->opener.flows->used, 6);
	opener_fixture_free(fixture);
}

static void test_refused(void **state)
{
	static const struct {
		const char *client;
		uint8_t protocol, tcp_flags;
		uint16_t src_port, dst_port;
		enum drop drop;
	} rows[] = {
		{OPENER_CLIENT4, IPPROTO_UDP, 0, 4000, 99, DROP_NO_LISTENER},
		{OPENER_CLIENT4, IPPROTO_UDP, 0, 4000, 85, DROP_NO_ENDPOINT},
		{OPENER_CLIENT6, IPPROTO_TCP, RTE_TCP_SYN_FLAG, 4000, 85, DROP_NO_ENDPOINT},
		{"203.0.113.1", IPPROTO_UDP, 0, 4000, 84, DROP_SOURCE_RANGE},
		{"2001:db8:d::1", IPPROTO_UDP, 0, 4000, 84, DROP_SOURCE_RANGE},
		{OPENER_CLIENT4, IPPROTO_UDP, 0, 0, 80, DROP_L4_PORT_ZERO},
		{OPENER_CLIENT4, IPPROTO_UDP, 0, 4000, 0, DROP_L4_PORT_ZERO},
		{"127.0.0.1", IPPROTO_UDP, 0, 4000, 80, DROP_IP_SOURCE},
		{"224.0.0.1", IPPROTO_UDP, 0, 4000, 99, DROP_IP_SOURCE},
		{"ff02::1", IPPROTO_UDP, 0, 4000, 80, DROP_IP_SOURCE},
		{"fe80::1", IPPROTO_UDP, 0, 4000, 80, DROP_IP_SOURCE},
		{OPENER_CLIENT4, IPPROTO_TCP, RTE_TCP_ACK_FLAG, 4000, 80, DROP_NO_FLOW},
		{OPENER_CLIENT4, IPPROTO_TCP, RTE_TCP_RST_FLAG, 4000, 81, DROP_NO_FLOW},
		{OPENER_CLIENT4, IPPROTO_TCP, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 4000, 82,
			DROP_NO_FLOW},
	};
	struct opener_fixture *fixture = opener_fixture_new(1, 64);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_spec spec = from(rows[i].client, rows[i].protocol, rows[i].dst_port);
		struct packet packet;

		spec.src_port = rows[i].src_port;
		spec.tcp_flags = rows[i].tcp_flags;
		packet = opened(fixture, &spec);
		assert_int_equal(packet.next, PACKET_DROP);
		if (packet.drop != rows[i].drop)
			fail_msg("row %u: drop %u", i, packet.drop);
	}
	assert_int_equal(fixture->opener.flows->used, 0);
	opener_fixture_free(fixture);
}

// Loads follow the flows, whatever ends them.
static void test_load(void **state)
{
	struct opener_fixture *fixture = opener_fixture_new(1, 64);
	struct opener *opener = &fixture->opener;
	struct flow *flows[10];
	uint32_t slot = 0;

	for (uint16_t i = 0; i < 10; i++) {
		struct frame_spec spec = from(OPENER_CLIENT4, IPPROTO_TCP, 80);

		spec.src_port = (uint16_t)(5000 + i);
		flows[i] = opened(fixture, &spec).flow;
		slot = flows[i]->endpoint;
	}
	assert_int_equal(opener->load[slot], 10);
	assert_int_equal(opener->counters[slot].created, 10);
	flows[0]->state = FLOW_TCP_CLOSED;
	open_account(opener, flows[0]);
	open_account(opener, flows[0]);
	assert_int_equal(opener->load[slot], 9);
	flows[0]->state = FLOW_TCP_ESTABLISHED;
	open_account(opener, flows[0]);
	assert_int_equal(opener->load[slot], 10);
	for (unsigned i = 0; i < 10; i++)
		open_delete(opener, flows[i]);
	assert_int_equal(opener->load[slot], 0);
	assert_int_equal(opener->deleted, 10);
	opener_fixture_free(fixture);
}

// Who is asked about a client's packet and about the answer to it names the same worker, which is
// the one that opened the flow; the others hand it over, once.
static void test_owners(void **state)
{
	const uint16_t workers = 4;
	struct opener_fixture *fixture = opener_fixture_new(workers, 4096);
	struct opener *opener = &fixture->opener;

	for (uint16_t i = 0; i < 40; i++)
		for (uint16_t port = 80; port < 82; port++) {
			struct frame_spec spec = from(clients[i & 1], IPPROTO_UDP, port);
			struct packet packet = {0};
			struct flow_key reply;
			unsigned opens = 0;
			bool ours;

			spec.src_port = (uint16_t)(6000 + i / 2 + 200 * (i & 1));
			for (uint16_t worker = 0; worker < workers; worker++) {
				struct packet tried;

				opener->worker = worker;
				tried = opener_packet(fixture, &spec);
				open_flow(opener, &tried);
				rte_pktmbuf_free(tried.mbuf);
				if (tried.next == PACKET_REWRITE) {
					packet = tried;
					opens++;
					break;
				}
				assert_int_equal(tried.next, PACKET_HAND);
				assert_int_not_equal(tried.hop, worker);
			}
			assert_int_equal(opens, 1);
			reply = flow_record_key(packet.flow, 1);
			assert_int_equal(open_owner(opener, &reply, &ours), opener->worker);
			assert_true(ours);
		}
	opener_fixture_free(fixture);
}

static void test_not_handed_twice(void **state)
{
	struct opener_fixture *fixture = opener_fixture_new(4, 64);
	struct frame_spec spec = from(OPENER_CLIENT4, IPPROTO_UDP, 80);

	for (uint16_t worker = 0; worker < 4; worker++) {
		struct packet packet = opener_packet(fixture, &spec);

		fixture->opener.worker = worker;
		packet.flags |= PACKET_HANDED;
		open_flow(&fixture->opener, &packet);
		assert_int_not_equal(packet.next, PACKET_HAND);
		rte_pktmbuf_free(packet.mbuf);
	}
	opener_fixture_free(fixture);
}

// What an endpoint sends to a client's port is no answer to the proxy's of the same number.
static void test_ports_of_clients(void **state)
{
	struct opener_fixture *fixture = opener_fixture_new(1, 64);

	fixture->rule.proxy_first = 20050;
	for (uint16_t port = 20000; port < 20100; port += 49) {
		struct frame_spec spec = {.src = OPENER_POD4,
			.dst = OPENER_CLIENT4,
			.src_port = 82,
			.dst_port = port,
			.protocol = IPPROTO_TCP,
			.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG};
		bool proxys = port >= 20050;

		assert_int_equal(opened(fixture, &spec).next, PACKET_HOST);
		spec.dst = OPENER_OWN4;
		assert_int_equal(opened(fixture, &spec).next, proxys ? PACKET_PROXY : PACKET_HOST);
	}
	opener_fixture_free(fixture);
}

// The flow that an endpoint's segment opens is what the client's would have been.
static void test_opened_by_an_answer(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct opener_fixture *fixture = opener_fixture_new(1, 64);
		struct frame_spec spec = {.src = v6 ? OPENER_POD6 : OPENER_POD4,
			.dst = clients[v6],
			.src_port = 82,
			.dst_port = 4000,
			.protocol = IPPROTO_TCP,
			.tcp_flags = RTE_TCP_ACK_FLAG};
		struct packet answer = opened(fixture, &spec);
		struct flow one = *answer.flow, *other;

		assert_int_equal(answer.next, PACKET_REWRITE);
		assert_int_equal(answer.direction, 1);
		open_delete(&fixture->opener, answer.flow);
		spec = from(clients[v6], IPPROTO_TCP, 81);
		spec.tcp_flags = RTE_TCP_ACK_FLAG;
		other = opened(fixture, &spec).flow;
		one.list = other->list;
		one.next = other->next;
		one.prev = other->prev;
		assert_memory_equal(&one, other, sizeof(one));
		opener_fixture_free(fixture);
	}
}

// Every source port once, none of another worker's, then none is left.
static void test_source_ports(void **state)
{
	struct opener_fixture *fixture = opener_fixture_new(3, 512);
	bool used[100] = {false};
	unsigned opens = 0;

	fixture->opener.worker = 1;
	for (uint32_t i = 0; i < 1000; i++) {
		struct frame_spec spec = from(OPENER_CLIENT4, IPPROTO_UDP, 80);
		struct packet packet = opener_packet(fixture, &spec);

		spec.src_port = (uint16_t)(1024 + i);
		rte_pktmbuf_free(packet.mbuf);
		packet = opener_packet(fixture, &spec);
		packet.flags |= PACKET_HANDED;
		packet.mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
		open_flow(&fixture->opener, &packet);
		rte_pktmbuf_free(packet.mbuf);
		if (packet.next == PACKET_REWRITE) {
			uint16_t port = ntohs(packet.flow->l4[1].dst);

			assert_in_range(port, 20000, 20099);
			assert_int_equal((port - 20000) % 3, 1);
			assert_false(used[port - 20000]);
			used[port - 20000] = true;
			opens++;
		} else {
			assert_int_equal(packet.next, PACKET_DROP);
			assert_int_equal(packet.drop, DROP_SNAT_EXHAUSTED);
		}
	}
	assert_int_equal(opens, 33);
	opener_fixture_free(fixture);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_not_handed_twice),
		cmocka_unit_test(test_ports_of_clients),
		cmocka_unit_test(test_opened_by_an_answer),
		cmocka_unit_test(test_source_ports),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
