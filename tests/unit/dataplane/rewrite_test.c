// SPDX-License-Identifier: BSD-3-Clause
// What a flow says is done to the packet: NAT, tunnel, ICMP errors, and answers of our own. Byte
// for byte comparison with packets made by others is in tests/packet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <string.h>

#include "opener_fixture.h"
#include "rewrite.h"

struct fixture {
	struct opener_fixture *opener;
	struct rewriter rewriter;
	uint64_t drops[DROP_COUNT];
};

static int setup(void **state)
{
	struct fixture *fixture = test_malloc(sizeof(*fixture));

	*fixture = (struct fixture){.opener = opener_fixture_new(1, 64)};
	fixture->rewriter = (struct rewriter){.opener = &fixture->opener->opener,
		.ifaces = fixture->opener->ifaces,
		.pool = fixture->opener->pool,
		.drops = fixture->drops,
		.answer_credit = 100};
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	opener_fixture_free(fixture->opener);
	test_free(fixture);
	return 0;
}

static struct frame_spec from_client(bool v6, uint8_t protocol, uint16_t port)
{
	return (struct frame_spec){.src = v6 ? OPENER_CLIENT6 : OPENER_CLIENT4,
		.dst = v6 ? OPENER_VIP6 : OPENER_VIP4,
		.src_port = 4000,
		.dst_port = port,
		.protocol = protocol,
		.tcp_flags = protocol == IPPROTO_TCP ? RTE_TCP_SYN_FLAG : 0,
		.payload = 7};
}

// Through open and rewrite; the mbuf is the caller's.
static struct packet rewritten(struct fixture *fixture, const struct frame_spec *spec)
{
	struct packet packet = opener_packet(fixture->opener, spec);

	open_flow(fixture->rewriter.opener, &packet);
	fixture->rewriter.deleted_before = fixture->rewriter.opener->deleted;
	rewrite(&fixture->rewriter, &packet, 1);
	return packet;
}

static bool right(const struct packet *packet)
{
	return frame_checksums_right(rte_pktmbuf_mtod(packet->mbuf, const uint8_t *),
		rte_pktmbuf_data_len(packet->mbuf));
}

static const uint8_t *src_of(const struct packet *packet)
{
	return packet->l3 + (packet->family == 4 ? 12 : 8);
}

static bool is(const uint8_t *bytes, const char *address)
{
	struct addr addr = address_of(address);

	return memcmp(bytes, addr_is_v4(&addr) ? addr.byte + 12 : addr.byte,
		       addr_is_v4(&addr) ? 4 : 16) == 0;
}

static void test_nat(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 8; i++) {
		bool v6 = i & 1;
		uint8_t protocol = i & 2 ? IPPROTO_TCP : IPPROTO_UDP;
		struct frame_spec spec = from_client(v6, protocol, i & 4 ? 80 : 81);
		struct packet packet = rewritten(fixture, &spec);
		unsigned size = v6 ? 16 : 4;
		const struct flow *flow = packet.flow;

		assert_int_equal(packet.next, PACKET_TRANSMIT);
		assert_true(right(&packet));
		assert_true(is(src_of(&packet) + size, v6 ? OPENER_POD6 : OPENER_POD4));
		assert_int_equal(packet.l3[v6 ? 7 : 8], 63);
		assert_int_equal(fixture->rewriter.opener->fib->hops[packet.hop].iface, 1);
		rte_pktmbuf_free(packet.mbuf);
		// And back.
		spec = (struct frame_spec){.src = v6 ? OPENER_POD6 : OPENER_POD4,
			.dst = i & 4 ? (v6 ? OPENER_OWN6 : OPENER_OWN4)
				     : (v6 ? OPENER_CLIENT6 : OPENER_CLIENT4),
			.src_port = 82,
			.dst_port = ntohs(flow->l4[1].dst),
			.protocol = protocol,
			.tcp_flags = RTE_TCP_ACK_FLAG,
			.payload = 100};
		packet = rewritten(fixture, &spec);
		assert_int_equal(packet.next, PACKET_TRANSMIT);
		assert_ptr_equal(packet.flow, flow);
		assert_true(right(&packet));
		assert_true(is(src_of(&packet), v6 ? OPENER_VIP6 : OPENER_VIP4));
		assert_true(is(src_of(&packet) + size, v6 ? OPENER_CLIENT6 : OPENER_CLIENT4));
		assert_int_equal(fixture->rewriter.opener->fib->hops[packet.hop].iface, 0);
		rte_pktmbuf_free(packet.mbuf);
	}
}

// Checksums for every value of a payload word: sums that fold, that come to 0 and to 0xffff.
static void test_every_sum(void **state)
{
	struct fixture *fixture = *state;
	struct frame_spec spec = from_client(false, IPPROTO_UDP, 80);

	spec.src_port = 1;
	for (uint32_t port = 1; port < 65536; port += 7) {
		struct packet packet;

		spec.ttl = (uint8_t)(2 + port % 200);
		spec.payload = port % 40;
		packet = rewritten(fixture, &spec);
		if (!right(&packet) || ((struct rte_udp_hdr *)packet.l4)->dgram_cksum == 0)
			fail_msg("ttl %u, payload %u", spec.ttl, spec.payload);
		rte_pktmbuf_free(packet.mbuf);
	}
}

static void test_udp_without_checksum(void **state)
{
	struct frame_spec spec = from_client(false, IPPROTO_UDP, 80);
	struct packet packet;

	spec.no_checksum = true;
	packet = rewritten(*state, &spec);
	assert_int_equal(((struct rte_udp_hdr *)packet.l4)->dgram_cksum, 0);
	rte_pktmbuf_free(packet.mbuf);
}

static void test_tunnel(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct frame_spec spec = from_client(v6, IPPROTO_UDP, 82);
		struct packet packet = rewritten(*state, &spec);
		unsigned outer = v6 ? 40 : 20;
		struct rte_mbuf *mbuf = packet.mbuf;

		assert_int_equal(packet.next, PACKET_TRANSMIT);
		assert_true(is(src_of(&packet), v6 ? OPENER_OWN6 : OPENER_OWN4));
		assert_true(is(src_of(&packet) + (v6 ? 16 : 4), v6 ? OPENER_POD6 : OPENER_POD4));
		assert_int_equal(packet.l3 - rte_pktmbuf_mtod(mbuf, uint8_t *), 14);
		assert_int_equal(packet.length, rte_pktmbuf_data_len(mbuf) - 14);
		assert_int_equal(packet.l3[v6 ? 6 : 9], v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
		assert_int_equal(!!(packet.flags & PACKET_IP_CHECKSUM), !v6);
		// What is inside is whole.
		rte_pktmbuf_adj(mbuf, (uint16_t)outer);
		assert_true(right(&packet));
		rte_pktmbuf_free(mbuf);
	}
}

static void test_reset_numbers(void **state)
{
	static const struct {
		uint8_t flags;
		unsigned payload;
		uint32_t seq, ack, reset_seq, reset_ack;
		uint8_t reset_flags;
	} rows[] = {
		{RTE_TCP_SYN_FLAG, 0, 100, 0, 0, 101, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG},
		{RTE_TCP_SYN_FLAG, 9, UINT32_MAX, 0, 0, 9, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG},
		{RTE_TCP_ACK_FLAG, 5, 100, 777, 777, 0, RTE_TCP_RST_FLAG},
		{RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 0, 100, 777, 777, 0, RTE_TCP_RST_FLAG},
	};
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_spec spec = from_client(i & 1, IPPROTO_TCP, 80);
		struct packet packet;
		const struct rte_tcp_hdr *tcp;

		spec.tcp_flags = rows[i / 2].flags;
		spec.payload = rows[i / 2].payload;
		spec.seq = rows[i / 2].seq;
		spec.ack = rows[i / 2].ack;
		packet = opener_packet(fixture->opener, &spec);
		rewrite_reset(&fixture->rewriter, &packet, DROP_NO_FLOW);
		assert_int_equal(packet.next, PACKET_ROUTE);
		tcp = (const struct rte_tcp_hdr *)packet.l4;
		assert_int_equal(ntohl(tcp->sent_seq), rows[i / 2].reset_seq);
		assert_int_equal(ntohl(tcp->recv_ack), rows[i / 2].reset_ack);
		assert_int_equal(tcp->tcp_flags, rows[i / 2].reset_flags);
		assert_int_equal(ntohs(tcp->src_port), 80);
		assert_int_equal(ntohs(tcp->dst_port), 4000);
		rte_pktmbuf_free(packet.mbuf);
	}
	assert_int_equal(fixture->drops[DROP_NO_FLOW], 8);
}

// An error about what we sent to a pod: found by the quote, quoted as the client has sent it.
static void test_icmp_error(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct frame_spec spec = from_client(v6, IPPROTO_UDP, 80), error;
		struct packet packet = rewritten(fixture, &spec);
		struct frame quoted = {0}, original = frame_of(&spec);
		unsigned header = v6 ? 40 : 20;

		quoted.length = rte_pktmbuf_data_len(packet.mbuf);
		memcpy(quoted.bytes, rte_pktmbuf_mtod(packet.mbuf, void *), quoted.length);
		rte_pktmbuf_free(packet.mbuf);
		error = (struct frame_spec){.src = v6 ? "fd00:1::99" : "10.1.0.99",
			.dst = v6 ? OPENER_OWN6 : OPENER_OWN4,
			.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			.icmp_type = v6 ? 2 : 3,
			.icmp_code = v6 ? 0 : 4,
			.icmp_info = 1300,
			.quoted = &quoted};
		packet = opener_packet(fixture->opener, &error);
		packet.next = PACKET_ICMP_ERROR;
		rewrite_icmp_error(&fixture->rewriter, &packet);
		assert_int_equal(packet.next, PACKET_ROUTE);
		assert_true(is(src_of(&packet), v6 ? OPENER_VIP6 : OPENER_VIP4));
		assert_true(
			is(src_of(&packet) + (v6 ? 16 : 4), v6 ? OPENER_CLIENT6 : OPENER_CLIENT4));
		// Ports and payload; the header but for TTL and, with IPv4, its checksum.
		assert_memory_equal(packet.l4 + 8 + header, original.bytes + 14 + header,
			original.length - 14 - header);
		assert_memory_equal(packet.l4 + 8 + (v6 ? 8 : 12),
			original.bytes + 14 + (v6 ? 8 : 12), v6 ? 32 : 8);
		rte_pktmbuf_free(packet.mbuf);
	}
}

// Whatever is cut off a quote, nothing behind it is read, and what is sent is quoted as far.
static void test_icmp_cut(void **state)
{
	struct fixture *fixture = *state;
	struct frame_spec spec = from_client(false, IPPROTO_UDP, 80);
	struct packet packet = rewritten(fixture, &spec);
	struct frame quoted = {0};
	unsigned whole = rte_pktmbuf_data_len(packet.mbuf);

	memcpy(quoted.bytes, rte_pktmbuf_mtod(packet.mbuf, void *), whole);
	rte_pktmbuf_free(packet.mbuf);
	for (quoted.length = 14; quoted.length <= whole; quoted.length++) {
		struct frame_spec error = {.src = "10.1.0.99",
			.dst = OPENER_OWN4,
			.protocol = IPPROTO_ICMP,
			.icmp_type = 11,
			.quoted = &quoted};

		packet = opener_packet(fixture->opener, &error);
		rewrite_icmp_error(&fixture->rewriter, &packet);
		if (quoted.length < 14 + 28) {
			assert_int_equal(packet.next, PACKET_DROP);
			assert_int_equal(packet.drop, DROP_ICMP_INNER);
		} else {
			assert_int_equal(packet.next, PACKET_ROUTE);
		}
		rte_pktmbuf_free(packet.mbuf);
	}
}

// Answers are bounded; without credit or buffers the packet is just dropped.
static void test_bound(void **state)
{
	struct fixture *fixture = *state;
	struct frame_spec spec = from_client(false, IPPROTO_UDP, 99);
	unsigned answers = 0;

	for (unsigned i = 0; i < 300; i++) {
		struct packet packet = opener_packet(fixture->opener, &spec);

		rewrite_unreachable(&fixture->rewriter, &packet, DROP_NO_LISTENER);
		answers += packet.next == PACKET_ROUTE;
		rte_pktmbuf_free(packet.mbuf);
	}
	assert_int_equal(answers, 100);
	assert_int_equal(fixture->drops[DROP_ICMP_RATE], 200);
	assert_int_equal(fixture->drops[DROP_NO_LISTENER], 100); // the others' are the caller's
}

// A fragment but the first has no ports to rewrite.
static void test_fragment_without_header(void **state)
{
	struct fixture *fixture = *state;
	struct frame_spec spec = from_client(false, IPPROTO_UDP, 80);
	struct packet packet = rewritten(fixture, &spec);
	struct frame piece;
	uint32_t ports = packet.ports;

	rte_pktmbuf_free(packet.mbuf);
	spec.fragment = 100;
	piece = frame_of(&spec);
	packet = opener_packet(fixture->opener, &spec);
	packet.flags = PACKET_IS_FRAGMENT | PACKET_NO_L4 | PACKET_NEW_ID;
	packet.ports = ports;
	packet.ip_id = htons(0xabcd);
	open_flow(fixture->rewriter.opener, &packet);
	rewrite(&fixture->rewriter, &packet, 1);
	assert_int_equal(packet.next, PACKET_TRANSMIT);
	assert_memory_equal(packet.l4, piece.bytes + 34, piece.length - 34);
	assert_int_equal(ntohs(((struct rte_ipv4_hdr *)packet.l3)->packet_id), 0xabcd);
	assert_int_equal(rte_ipv4_cksum((struct rte_ipv4_hdr *)packet.l3), 0);
	rte_pktmbuf_free(packet.mbuf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_sum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_without_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tunnel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_icmp_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_icmp_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragment_without_header, setup, teardown),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
