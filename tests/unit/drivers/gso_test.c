// SPDX-License-Identifier: BSD-3-Clause
// Which frames go as one, and which must not.
#include "gso.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define FRAMES  60
#define OPTIONS 12

// A frame without a pool: gso_run() only reads.
struct frame {
	struct rte_mbuf mbuf;
	uint8_t bytes[1600];
};

static struct frame frames[FRAMES];
static struct rte_mbuf *mbufs[FRAMES];

static struct rte_tcp_hdr *tcp_of(unsigned i, bool v6)
{
	return (struct rte_tcp_hdr *)(frames[i].bytes + 14 + (v6 ? 40 : 20));
}

static void make(unsigned i, bool v6, uint32_t sequence, uint16_t payload)
{
	struct frame *f = &frames[i];
	struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)f->bytes;
	uint16_t segment = (uint16_t)(sizeof(struct rte_tcp_hdr) + OPTIONS + payload);
	struct rte_tcp_hdr *tcp = tcp_of(i, v6);

	memset(f, 0, sizeof(*f));
	f->mbuf.buf_addr = f->bytes;
	f->mbuf.nb_segs = 1;
	f->mbuf.data_len = (uint16_t)(14 + (v6 ? 40 : 20) + segment);
	f->mbuf.pkt_len = f->mbuf.data_len;
	mbufs[i] = &f->mbuf;
	ethernet->ether_type = v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	if (v6) {
		*(struct rte_ipv6_hdr *)(f->bytes + 14) =
			(struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(6u << 28),
				.payload_len = rte_cpu_to_be_16(segment),
				.proto = IPPROTO_TCP,
				.hop_limits = 64};
	} else {
		*(struct rte_ipv4_hdr *)(f->bytes + 14) =
			(struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				.total_length = rte_cpu_to_be_16(segment + 20),
				.packet_id = rte_cpu_to_be_16((uint16_t)i),
				.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
				.time_to_live = 64,
				.next_proto_id = IPPROTO_TCP,
				.src_addr = 1,
				.dst_addr = 2};
	}
	*tcp = (struct rte_tcp_hdr){.src_port = RTE_BE16(443),
		.dst_port = RTE_BE16(40000),
		.sent_seq = rte_cpu_to_be_32(sequence),
		.recv_ack = RTE_BE32(7),
		.data_off = (5 + OPTIONS / 4) << 4,
		.tcp_flags = RTE_TCP_ACK_FLAG,
		.rx_win = RTE_BE16(1000)};
}

// `count` segments of 1000 bytes, across the wrap of sequence numbers.
static void make_run(unsigned count, bool v6)
{
	for (unsigned i = 0; i < count; i++)
		make(i, v6, 0xfffff000u + i * 1000, 1000);
}

static void test_runs(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		make_run(8, v6);
		assert_int_equal(gso_run(mbufs, 8), 8);
		assert_int_equal(gso_run(mbufs, 2), 2);
		assert_int_equal(gso_run(mbufs, 1), 0);
		// A shorter one ends it, as does one that says PSH.
		make(5, v6, 0xfffff000u + 5000, 600);
		assert_int_equal(gso_run(mbufs, 8), 6);
		make_run(8, v6);
		tcp_of(3, v6)->tcp_flags |= RTE_TCP_PSH_FLAG;
		assert_int_equal(gso_run(mbufs, 8), 4);
		// A longer one is not part of it.
		make_run(8, v6);
		make(4, v6, 0xfffff000u + 4000, 1001);
		assert_int_equal(gso_run(mbufs, 8), 4);
		make_run(FRAMES, v6);
		assert_int_equal(gso_run(mbufs, FRAMES), GSO_MOST);
	}
}

static void test_no_more_than_a_packet_holds(void **state)
{
	for (unsigned i = 0; i < FRAMES; i++)
		make(i, false, i * 1448, 1448);
	assert_int_equal(gso_run(mbufs, FRAMES), 45); // 20 + 32 + 45 * 1448 = 65212
}

// Each of these in the second frame keeps it apart.
static void test_what_differs(void **state)
{
	make_run(2, false);
	assert_int_equal(gso_run(mbufs, 2), 2);
#define APART(v6, change)                                                                          \
	do {                                                                                       \
		make_run(2, v6);                                                                   \
		change;                                                                            \
		assert_int_equal(gso_run(mbufs, 2), 0);                                            \
	} while (0)
	for (unsigned v6 = 0; v6 < 2; v6++) {
		APART(v6, tcp_of(1, v6)->sent_seq ^= RTE_BE32(1));
		APART(v6, tcp_of(1, v6)->recv_ack ^= RTE_BE32(1));
		APART(v6, tcp_of(1, v6)->src_port ^= RTE_BE16(1));
		APART(v6, tcp_of(1, v6)->dst_port ^= RTE_BE16(1));
		APART(v6, tcp_of(1, v6)->rx_win ^= RTE_BE16(1));
		APART(v6, tcp_of(1, v6)->tcp_flags |= RTE_TCP_FIN_FLAG);
		APART(v6, tcp_of(1, v6)->tcp_flags |= RTE_TCP_URG_FLAG);
		APART(v6, tcp_of(1, v6)->tcp_flags |= RTE_TCP_ECE_FLAG);
		APART(v6, tcp_of(0, v6)->tcp_flags |= RTE_TCP_PSH_FLAG);
		APART(v6, tcp_of(1, v6)->data_off -= 0x10);
		APART(v6, *((uint8_t *)(tcp_of(1, v6) + 1) + 3) ^= 1); // an option
		APART(v6, frames[1].bytes[0] ^= 1);                    // Ethernet
		APART(v6, frames[1].bytes[15] ^= 1);                   // traffic class
		APART(v6, mbufs[1]->nb_segs = 2);
		APART(v6, mbufs[1]->data_len -= 1);
	}
	APART(false, frames[1].bytes[14 + 8] ^= 1);    // time to live
	APART(false, frames[1].bytes[14 + 9] ^= 1);    // protocol
	APART(false, frames[1].bytes[14 + 12] ^= 1);   // source
	APART(false, frames[1].bytes[14 + 19] ^= 1);   // destination
	APART(false, frames[1].bytes[14 + 6] ^= 0x20); // fragments
	APART(true, frames[1].bytes[14 + 7] ^= 1);     // hop limit
	APART(true, frames[1].bytes[14 + 3] ^= 1);     // flow label
	APART(true, frames[1].bytes[14 + 8] ^= 1);     // source
	APART(true, frames[1].bytes[14 + 39] ^= 1);    // destination
#undef APART
}

static void test_small_ones_are_left(void **state)
{
	make(0, false, 0, 100);
	make(1, false, 100, 100);
	assert_int_equal(gso_run(mbufs, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_no_more_than_a_packet_holds),
		cmocka_unit_test(test_what_differs),
		cmocka_unit_test(test_small_ones_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
