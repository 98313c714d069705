// SPDX-License-Identifier: BSD-3-Clause
// What classify makes of a frame: what it is, where its parts are, or why it is dropped. Frames in
// all their variety are in tests/packet; here each outcome is looked at from inside.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_tcp.h>
#include <string.h>

#include "classify.h"
#include "frame_fixture.h"

#define CLIENT4 "198.51.100.7"
#define VIP4    "192.0.2.10"
#define CLIENT6 "2001:db8::7"
#define VIP6    "2001:db8::10"

struct fixture {
	struct rte_mempool *pool;
	struct iface ifaces[2];
	struct classify_port port;
};

static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};

static int setup(void **state)
{
	struct fixture *fixture = test_malloc(sizeof(*fixture));

	*fixture = (struct fixture){.pool = frames_pool("classify", 255)};
	fixture->ifaces[0] = (struct iface){.index = 0, .mtu = 1500, .mac = mac};
	fixture->ifaces[1] = (struct iface){.index = 1, .mtu = 1500, .mac = mac, .vlan = 100};
	fixture->port.ifaces = fixture->ifaces;
	memset(fixture->port.iface_of_vlan, CLASSIFY_NO_IFACE, sizeof(fixture->port.iface_of_vlan));
	fixture->port.iface_of_vlan[0] = 0;
	fixture->port.iface_of_vlan[100] = 1;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rte_mempool_in_use_count(fixture->pool), 0);
	frames_pool_free(fixture->pool);
	test_free(fixture);
	return 0;
}

// The packet stays the caller's: to be freed.
static struct packet classify_bytes(struct fixture *fixture, const uint8_t *bytes, unsigned length)
{
	struct rte_mbuf *mbuf = frame_mbuf(fixture->pool, bytes, length);
	struct packet packet;

	memset(&packet, 0xee, sizeof(packet)); // what is not set shows
	classify(&fixture->port, &mbuf, &packet, 1);
	assert_ptr_equal(packet.mbuf, mbuf);
	return packet;
}

static struct packet classify_spec(struct fixture *fixture, const struct frame_spec *spec)
{
	struct frame frame = frame_of(spec);

	memcpy(frame.bytes, &mac, sizeof(mac));
	return classify_bytes(fixture, frame.bytes, frame.length);
}

static void test_kinds(void **state)
{
	static const struct {
		struct frame_spec spec;
		enum packet_next next;
	} rows[] = {
		{{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP}, PACKET_FLOW},
		{{CLIENT6, VIP6, 1, 2, .protocol = IPPROTO_UDP}, PACKET_FLOW},
		{{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_TCP, .tcp_flags = RTE_TCP_SYN_FLAG},
			PACKET_FLOW},
		{{CLIENT6, VIP6, 1, 2, .protocol = IPPROTO_TCP, .tcp_flags = RTE_TCP_ACK_FLAG},
			PACKET_FLOW},
		{{CLIENT4, VIP4, .protocol = IPPROTO_ICMP, .icmp_type = 8}, PACKET_ECHO},
		{{CLIENT6, VIP6, .protocol = IPPROTO_ICMPV6, .icmp_type = 128}, PACKET_ECHO},
		{{CLIENT4, VIP4, .protocol = IPPROTO_ICMP, .icmp_type = 0}, PACKET_HOST},
		{{CLIENT4, VIP4, .protocol = IPPROTO_ICMP, .icmp_type = 3}, PACKET_ICMP_ERROR},
		{{CLIENT4, VIP4, .protocol = IPPROTO_ICMP, .icmp_type = 11}, PACKET_ICMP_ERROR},
		{{CLIENT6, VIP6, .protocol = IPPROTO_ICMPV6, .icmp_type = 2}, PACKET_ICMP_ERROR},
		{{CLIENT6, VIP6, .protocol = IPPROTO_ICMPV6, .icmp_type = 135}, PACKET_NEIGHBOUR},
		{{CLIENT4, VIP4, .protocol = IPPROTO_ICMPV6, .icmp_type = 128}, PACKET_HOST},
		{{CLIENT4, VIP4, .protocol = IPPROTO_GRE}, PACKET_HOST},
		{{CLIENT4, "224.0.0.5", 1, 2, .protocol = IPPROTO_UDP}, PACKET_HOST},
		{{CLIENT4, "255.255.255.255", 1, 2, .protocol = IPPROTO_UDP}, PACKET_HOST},
		{{CLIENT6, "ff02::1", 1, 2, .protocol = IPPROTO_UDP}, PACKET_HOST},
		{{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 16, .fragment = 0x2000},
			PACKET_FRAGMENT},
		{{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 16, .fragment = 7},
			PACKET_FRAGMENT},
		{{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 16, .fragment = 0x4000},
			PACKET_FLOW},
		{{CLIENT4, VIP4, .protocol = IPPROTO_GRE, .payload = 16, .fragment = 0x2000},
			PACKET_HOST},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet packet = classify_spec(*state, &rows[i].spec);

		if (packet.next != rows[i].next)
			fail_msg("row %u: %u, not %u", i, packet.next, rows[i].next);
		rte_pktmbuf_free(packet.mbuf);
	}
}

static void test_parts(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct packet packet = classify_spec(
			*state, &(struct frame_spec){v6 ? CLIENT6 : CLIENT4, v6 ? VIP6 : VIP4,
					0x1234, 0x5678, .protocol = IPPROTO_TCP,
					.tcp_flags = RTE_TCP_SYN_FLAG, .payload = 5});
		const uint8_t ports[4] = {0x12, 0x34, 0x56, 0x78};

		assert_int_equal(packet.family, v6 ? 6 : 4);
		assert_int_equal(packet.protocol, IPPROTO_TCP);
		assert_int_equal(packet.tcp_flags, RTE_TCP_SYN_FLAG);
		assert_int_equal(packet.length, (v6 ? 40 : 20) + 20 + 5);
		assert_int_equal(packet.l3 - rte_pktmbuf_mtod(packet.mbuf, uint8_t *), 14);
		assert_int_equal(packet.l4 - packet.l3, v6 ? 40 : 20);
		assert_memory_equal(&packet.ports, ports, 4);
		assert_int_equal(packet.flags, 0);
		assert_int_equal(packet.iface, 0);
		assert_null(packet.flow);
		rte_pktmbuf_free(packet.mbuf);
	}
}

static void test_fragment_flags(void **state)
{
	struct frame_spec spec = {
		CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 16, .fragment = 0x2000};
	struct packet packet = classify_spec(*state, &spec);

	assert_int_equal(packet.flags, PACKET_IS_FRAGMENT);
	rte_pktmbuf_free(packet.mbuf);
	spec.fragment = 3;
	packet = classify_spec(*state, &spec);
	assert_int_equal(packet.flags, PACKET_IS_FRAGMENT | PACKET_NO_L4);
	assert_int_equal(packet.ports, 0);
	rte_pktmbuf_free(packet.mbuf);
}

// A tag goes out of the frame, however the port delivers it.
static void test_tags(void **state)
{
	struct frame frame = frame_of(
		&(struct frame_spec){CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 3});
	struct fixture *fixture = *state;
	uint8_t tagged[2048] = {0};
	struct packet packet;
	struct rte_mbuf *mbuf;

	memcpy(frame.bytes, &mac, sizeof(mac));
	memcpy(tagged, frame.bytes, 12);
	memcpy(tagged + 12, (uint8_t[]){0x81, 0, 0xa0, 100}, 4);
	memcpy(tagged + 16, frame.bytes + 12, frame.length - 12);
	packet = classify_bytes(fixture, tagged, frame.length + 4);
	assert_int_equal(packet.next, PACKET_FLOW);
	assert_int_equal(packet.iface, 1);
	assert_int_equal(packet.mbuf->data_len, frame.length);
	assert_memory_equal(rte_pktmbuf_mtod(packet.mbuf, uint8_t *), frame.bytes, frame.length);
	rte_pktmbuf_free(packet.mbuf);
	tagged[15] = 101;
	packet = classify_bytes(fixture, tagged, frame.length + 4);
	assert_int_equal(packet.drop, DROP_L2_VLAN_UNKNOWN);
	rte_pktmbuf_free(packet.mbuf);
	packet = classify_bytes(fixture, tagged, 17);
	assert_int_equal(packet.drop, DROP_L2_TRUNCATED);
	rte_pktmbuf_free(packet.mbuf);
	mbuf = frame_mbuf(fixture->pool, frame.bytes, frame.length);
	mbuf->vlan_tci = 0x6000 | 100;
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	classify(&fixture->port, &mbuf, &packet, 1);
	assert_int_equal(packet.next, PACKET_FLOW);
	assert_int_equal(packet.iface, 1);
	assert_int_equal(mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED, 0);
	rte_pktmbuf_free(mbuf);
}

// A checksum the port has found good is not added up again; one it has not looked at is.
static void test_checksum_of_the_port(void **state)
{
	struct frame frame =
		frame_of(&(struct frame_spec){CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP});
	struct fixture *fixture = *state;
	struct packet packet;
	struct rte_mbuf *mbuf;

	memcpy(frame.bytes, &mac, sizeof(mac));
	frame.bytes[14 + 10] ^= 1;
	mbuf = frame_mbuf(fixture->pool, frame.bytes, frame.length);
	classify(&fixture->port, &mbuf, &packet, 1);
	assert_int_equal(packet.drop, DROP_IP_CHECKSUM);
	mbuf->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	classify(&fixture->port, &mbuf, &packet, 1);
	assert_int_equal(packet.next, PACKET_FLOW);
	rte_pktmbuf_free(mbuf);
}

// Every length of every kind, with the bytes behind out of bounds for AddressSanitizer.
static void test_cut(void **state)
{
	static const struct frame_spec specs[] = {
		{CLIENT4, VIP4, 1, 2, .protocol = IPPROTO_UDP, .payload = 4},
		{CLIENT6, VIP6, 1, 2, .protocol = IPPROTO_TCP, .tcp_flags = RTE_TCP_SYN_FLAG},
		{CLIENT6, VIP6, .protocol = IPPROTO_ICMPV6, .icmp_type = 2, .payload = 8},
	};

	for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct frame frame = frame_of(&specs[i]);

		memcpy(frame.bytes, &mac, sizeof(mac));
		for (unsigned length = 0; length < frame.length; length++) {
			struct packet packet = classify_bytes(*state, frame.bytes, length);

			assert_int_equal(packet.next, PACKET_DROP);
			assert_in_range(packet.drop, DROP_L2_TRUNCATED, DROP_IP_TOTAL_LENGTH);
			rte_pktmbuf_free(packet.mbuf);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_fragment_flags),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_checksum_of_the_port),
		cmocka_unit_test(test_cut),
	};

	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
