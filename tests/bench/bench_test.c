// SPDX-License-Identifier: BSD-3-Clause
// The parts of the generator that decide whether a measurement can be believed: that a walk misses
// no flow, that frames are right by DPDK's own checksum code, and that the checks do find mistakes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frame.h"
#include "histogram.h"
#include "neighbour.h"
#include "walk.h"

static void walk_visits_each_once_a_round(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 4, 5, 100, 4096, 100000, 1000000};

	for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
		uint8_t *seen = calloc(sizes[s], 1);
		struct walk walk;

		walk_start(&walk, sizes[s]);
		for (unsigned round = 1; round <= 2; round++) {
			for (uint32_t i = 0; i < sizes[s]; i++) {
				uint32_t flow = walk_next(&walk);

				assert_in_range(flow, 0, sizes[s] - 1);
				assert_int_equal(seen[flow], round - 1);
				seen[flow]++;
			}
		}
		free(seen);
	}
}

// Neighbours in time must not be neighbours in number: that would be a stream, not a walk.
static void walk_looks_random(void **state)
{
	struct walk walk;
	uint32_t last, near = 0;

	walk_start(&walk, 1000000);
	last = walk_next(&walk);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t flow = walk_next(&walk);

		near += (flow > last ? flow - last : last - flow) < 1000;
		last = flow;
	}
	assert_in_range(near, 50, 400); // 200 of 100000 by chance
}

static void histogram_quantiles(void **state)
{
	struct histogram histogram = {0};

	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(&histogram, i * 10);
	assert_in_range(histogram_quantile(&histogram, 0.5), 500000 * 98 / 100, 500000);
	assert_in_range(histogram_quantile(&histogram, 0.99), 990000 * 98 / 100, 990000);
	for (uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 + 1)
		assert_in_range(histogram_bucket(value), 0, HISTOGRAM_BUCKETS - 1);
}

static struct net make_net(unsigned family)
{
	const int af = family == 4 ? AF_INET : AF_INET6;
	struct net net = {
		.family = (uint8_t)family,
		.pods = 64,
		.snats = 16,
		.vip_port = htons(53),
		.pod_port = htons(5353),
		.ours = {{2, 0, 0, 0, 0, 9}},
		.box = {{2, 0, 0, 0, 0, 1}},
	};

	inet_pton(af, family == 4 ? "198.19.0.0" : "2001:2:0:100::", net.client);
	inet_pton(af, family == 4 ? "198.18.1.1" : "2001:2:0:1::1", net.vip);
	inet_pton(af, family == 4 ? "198.18.2.1" : "2001:2:0:2::1", net.pod);
	inet_pton(af, family == 4 ? "198.18.4.0" : "2001:2:0:4::", net.snat);
	inet_pton(af, family == 4 ? "198.18.0.2" : "2001:2::2", net.peer[0]);
	inet_pton(af, family == 4 ? "198.18.0.3" : "2001:2::3", net.peer[1]);
	return net;
}

// By DPDK's code, over a copy without the checksums.
static void assert_sums(const uint8_t *frame, unsigned family)
{
	const unsigned at =
		FRAME_L4(family) + (frame[family == 4 ? 23 : 20] == IPPROTO_UDP ? 6 : 16);
	struct rte_ipv4_hdr *ip4;
	uint8_t copy[128];

	memcpy(copy, frame, sizeof copy);
	frame_store16(copy + at, 0);
	if (family == 4) {
		ip4 = (struct rte_ipv4_hdr *)(copy + 14);
		ip4->hdr_checksum = 0;
		assert_int_equal(frame_load16(frame + 24), rte_ipv4_cksum(ip4));
		assert_int_equal(frame_load16(frame + at), rte_ipv4_udptcp_cksum(ip4, copy + 34));
	} else {
		assert_int_equal(frame_load16(frame + at),
			rte_ipv6_udptcp_cksum((struct rte_ipv6_hdr *)(copy + 14), copy + 54));
	}
}

static void swap_macs(uint8_t *frame)
{
	uint8_t mac[6];

	memcpy(mac, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
}

static void datagrams_are_right(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct net net = make_net(family);
		struct frame_template template;
		uint8_t frame[128], swapped[128];

		frame_udp_template(&template, &net);
		for (uint32_t flow = 0; flow < 1000000; flow += 997) {
			frame_udp(frame, &template, &net, family, flow, (uint16_t)(flow * 7));
			assert_sums(frame, family);
			assert_int_equal(frame_length(frame, &net), FRAME_BYTES);
			assert_int_equal(
				frame_classify(frame, &net, family, IPPROTO_UDP), FRAME_MIRRORED);
			memcpy(swapped, frame, sizeof swapped);
			swap_macs(swapped);
			assert_null(frame_check(swapped, FRAME_BYTES, &net, FRAME_MIRRORED, flow));
			assert_non_null(
				frame_check(swapped, FRAME_BYTES, &net, FRAME_MIRRORED, flow + 1));
			frame_swap(frame, family);
			assert_sums(frame, family);
			assert_int_equal(
				frame_classify(frame, &net, family, IPPROTO_UDP), FRAME_TO_CLIENT);
		}
	}
}

// A frame as the box would send it to a pod.
static void make_to_pod(uint8_t *frame, const struct net *net)
{
	struct net other = *net;
	struct frame_template template;

	memcpy(other.client, net->snat, 16);
	memcpy(other.vip, net->pod, 16);
	other.vip_port = net->pod_port;
	other.box = net->ours;
	frame_udp_template(&template, &other);
	frame_udp(frame, &template, &other, net->family, 5, 1);
	frame[net->family == 4 ? 22 : 21]--;
	if (net->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
}

static void checks_find_any_changed_bit(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct net net = make_net(family);
		uint8_t frame[128];

		make_to_pod(frame, &net);
		assert_int_equal(frame_classify(frame, &net, family, IPPROTO_UDP), FRAME_TO_POD);
		assert_null(frame_check(frame, FRAME_BYTES, &net, FRAME_TO_POD, 0));
		assert_non_null(frame_check(frame, FRAME_BYTES - 1, &net, FRAME_TO_POD, 0));
		for (unsigned bit = 0; bit < FRAME_BYTES * 8; bit++) {
			// The sender's MAC, the type (classified before) and an IPv6 flow label or
			// class may be anything.
			if ((bit >= 6 * 8 && bit < 14 * 8) ||
				(family == 6 && bit >= 14 * 8 && bit < 18 * 8))
				continue;
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_non_null(frame_check(frame, FRAME_BYTES, &net, FRAME_TO_POD, 0));
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void assert_segment(const struct frame_segment *got, const struct frame_segment *expected)
{
	assert_int_equal(got->seq, expected->seq);
	assert_int_equal(got->ack, expected->ack);
	assert_int_equal(got->flags, expected->flags);
	assert_int_equal(got->payload, expected->payload);
}

static void segments_are_right(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct net net = make_net(family);
		struct frame_segment request = {1000, 2000, TCP_PSH | TCP_ACK, FRAME_TCP_EXCHANGE};
		struct frame_segment fin = {0xffffffff, 1, TCP_FIN | TCP_ACK, 0}, got;
		struct frame_template template;
		uint8_t frame[128];
		uint16_t length;

		frame_tcp_template(&template, &net);
		length = frame_tcp(frame, &template, &net, 12345678, &request);
		assert_int_equal(length, FRAME_L4(family) + 20 + FRAME_TCP_EXCHANGE);
		assert_int_equal(length, frame_length(frame, &net));
		assert_sums(frame, family);
		got = frame_segment(frame, &net);
		assert_segment(&got, &request);
		length = frame_tcp_answer(frame, &net, &fin);
		assert_int_equal(length, FRAME_L4(family) + 20);
		assert_sums(frame, family);
		got = frame_segment(frame, &net);
		assert_segment(&got, &fin);
		assert_int_equal(frame_classify(frame, &net, family, IPPROTO_TCP), FRAME_TO_CLIENT);
	}
}

static void neighbours_are_answered(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct net box = make_net(family), net = make_net(family);
		uint8_t frame[128];
		uint16_t length;

		// The box asks for our node's address, as we ask for its VIP.
		box.ours = net.box;
		memcpy(box.vip, net.peer[1], 16);
		memcpy(box.peer[0], net.vip, 16);
		length = frame_ask_neighbour(frame, &box);
		assert_false(frame_learn_neighbour(frame, length, &box));
		length = frame_answer_neighbour(frame, length, &net);
		assert_int_not_equal(length, 0);
		assert_memory_equal(frame, &net.box, 6);
		box.box = (struct rte_ether_addr){{0}};
		assert_true(frame_learn_neighbour(frame, length, &box));
		assert_memory_equal(&box.box, &net.ours, 6);
		// Not ours: no answer.
		memcpy(box.vip, net.client, 16);
		length = frame_ask_neighbour(frame, &box);
		assert_int_equal(frame_answer_neighbour(frame, length, &net), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_visits_each_once_a_round),
		cmocka_unit_test(walk_looks_random),
		cmocka_unit_test(histogram_quantiles),
		cmocka_unit_test(datagrams_are_right),
		cmocka_unit_test(checks_find_any_changed_bit),
		cmocka_unit_test(segments_are_right),
		cmocka_unit_test(neighbours_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
