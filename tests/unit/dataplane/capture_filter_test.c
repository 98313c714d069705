// SPDX-License-Identifier: BSD-3-Clause
// Which frames a filter takes, and which it leaves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "capture.h"
#include "frame_fixture.h"

static struct capture_filter filter_of(const char *host, uint8_t protocol, uint16_t l4_port)
{
	struct capture_filter filter = {
		.by_host = host != NULL, .protocol = protocol, .l4_port = htons(l4_port)};

	if (host)
		assert_int_equal(addr_parse(&filter.host, host), 0);
	return filter;
}

static bool takes(const char *host, uint8_t protocol, uint16_t l4_port, const struct frame *frame)
{
	struct capture_filter filter = filter_of(host, protocol, l4_port);

	// No length of it may be read beyond.
	for (unsigned length = 0; length < frame->length; length++)
		capture_match(&filter, frame->bytes, length);
	return capture_match(&filter, frame->bytes, frame->length);
}

static struct frame tcp_frame(const char *src, const char *dst)
{
	return frame_of(&(struct frame_spec){.src = src,
		.dst = dst,
		.src_port = 40000,
		.dst_port = 80,
		.protocol = IPPROTO_TCP,
		.payload = 20});
}

static void test_addresses_and_ports(void **state)
{
	static const char *const pairs[][2] = {
		{"198.51.100.7", "192.0.2.10"}, {"2001:db8::7", "2001:db8:1::10"}};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const char *src = pairs[i][0], *dst = pairs[i][1];
		struct frame frame = tcp_frame(src, dst);

		assert_true(takes(NULL, 0, 0, &frame));
		assert_true(takes(src, 0, 0, &frame));
		assert_true(takes(dst, 0, 0, &frame));
		assert_false(takes("203.0.113.1", 0, 0, &frame));
		assert_true(takes(src, IPPROTO_TCP, 80, &frame));
		assert_true(takes(NULL, 0, 40000, &frame));
		assert_false(takes(NULL, 0, 81, &frame));
		assert_false(takes(src, IPPROTO_UDP, 0, &frame));
		assert_false(takes(src, IPPROTO_ICMP, 0, &frame));
	}
}

static void test_icmp_is_of_both_families(void **state)
{
	struct frame four = frame_of(&(struct frame_spec){
		.src = "198.51.100.7", .dst = "192.0.2.10", .protocol = IPPROTO_ICMP});
	struct frame six = frame_of(&(struct frame_spec){
		.src = "2001:db8::7", .dst = "2001:db8::10", .protocol = IPPROTO_ICMPV6});

	(void)state;
	assert_true(takes(NULL, IPPROTO_ICMP, 0, &four));
	assert_true(takes(NULL, IPPROTO_ICMP, 0, &six));
	assert_false(takes(NULL, IPPROTO_TCP, 0, &six));
	assert_false(takes(NULL, IPPROTO_ICMP, 80, &four)); // it has no ports
}

static void test_a_later_fragment_has_no_ports(void **state)
{
	struct frame frame = frame_of(&(struct frame_spec){.src = "198.51.100.7",
		.dst = "192.0.2.10",
		.src_port = 40000,
		.dst_port = 80,
		.protocol = IPPROTO_UDP,
		.fragment = 185,
		.payload = 64});

	(void)state;
	assert_true(takes("192.0.2.10", IPPROTO_UDP, 0, &frame));
	assert_false(takes("192.0.2.10", IPPROTO_UDP, 80, &frame));
}

// Puts bytes in at `at`.
static void insert(struct frame *frame, unsigned at, const void *bytes, unsigned count)
{
	memmove(frame->bytes + at + count, frame->bytes + at, frame->length - at);
	memcpy(frame->bytes + at, bytes, count);
	frame->length += count;
}

static void test_tags_and_tunnels(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x64};
	struct frame frame = tcp_frame("198.51.100.7", "192.0.2.10");
	struct frame outer = frame_of(&(struct frame_spec){
		.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = IPPROTO_IPIP});

	(void)state;
	insert(&frame, 14, outer.bytes + 14, 20);
	assert_true(takes("10.0.0.2", 0, 0, &frame));
	assert_true(takes("192.0.2.10", IPPROTO_TCP, 80, &frame));
	assert_false(takes("192.0.2.11", 0, 0, &frame));
	assert_false(takes("10.0.0.2", IPPROTO_TCP, 80, &frame)); // not of one header
	insert(&frame, 12, tag, sizeof(tag));
	assert_true(takes("192.0.2.10", IPPROTO_TCP, 80, &frame));
}

static void test_arp_has_hosts(void **state)
{
	static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0,
		0, 0, 0, 0, 192, 0, 2, 10};
	struct frame frame = {.length = 14 + sizeof(arp)};

	(void)state;
	frame.bytes[12] = 0x08;
	frame.bytes[13] = 0x06;
	memcpy(frame.bytes + 14, arp, sizeof(arp));
	assert_true(takes("192.0.2.1", 0, 0, &frame));
	assert_true(takes("192.0.2.10", 0, 0, &frame));
	assert_false(takes("192.0.2.2", 0, 0, &frame));
	assert_false(takes("192.0.2.1", IPPROTO_TCP, 0, &frame));
}

static struct capture *capture_with(uint32_t ring_bytes, uint32_t left)
{
	struct capture *capture = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*capture));

	*capture = (struct capture){
		.filter = {.stages = 1u << CAPTURE_IN | 1u << CAPTURE_DROP, .ports = 1}};
	capture->lanes[0] = (struct capture_lane){
		.filter = &capture->filter, .ring = record_ring_new(ring_bytes), .left = left};
	return capture;
}

static void capture_end(struct capture *capture)
{
	record_ring_free(capture->lanes[0].ring);
	free(capture);
}

static void test_lane(void **state)
{
	struct rte_mempool *pool = frames_pool("lane", 63);
	struct capture *capture = capture_with(1 << 16, 3);
	struct capture_lane *lane = &capture->lanes[0];
	struct frame frame = tcp_frame("198.51.100.7", "192.0.2.10");
	struct rte_mbuf *mbuf = frame_mbuf(pool, frame.bytes, frame.length);
	struct captured *captured;

	(void)state;
	capture_frames(lane, CAPTURE_OUT, 0, &mbuf, 1); // not of this stage
	capture_frames(lane, CAPTURE_IN, 1, &mbuf, 1);  // nor of this port
	assert_null(record_ring_first(lane->ring));
	mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
	mbuf->vlan_tci = 100;
	capture_frames(lane, CAPTURE_IN, 0, &mbuf, 1);
	mbuf->ol_flags = 0;
	memset(rte_pktmbuf_mtod(mbuf, uint8_t *), 0, 14); // the header is not written yet
	capture_drop(lane, 0, mbuf, 4, DROP_NO_ROUTE);
	captured = record_ring_first(lane->ring);
	assert_int_equal(captured->length, frame.length + 4);
	assert_memory_equal(captured->frame + 12, "\x81\x00\x00\x64\x08\x00", 6);
	assert_memory_equal(captured->frame + 18, frame.bytes + 14, frame.length - 14);
	record_ring_drop(lane->ring, &captured->record);
	captured = record_ring_first(lane->ring);
	assert_int_equal(captured->drop, DROP_NO_ROUTE);
	assert_memory_equal(captured->frame + 12, "\x08\x00", 2);
	record_ring_drop(lane->ring, &captured->record);
	capture_frames(lane, CAPTURE_IN, 0, &mbuf, 1);
	capture_frames(lane, CAPTURE_IN, 0, &mbuf, 1); // more than were wanted
	captured = record_ring_first(lane->ring);
	record_ring_drop(lane->ring, &captured->record);
	assert_null(record_ring_first(lane->ring));
	assert_int_equal(lane->lost, 0);
	rte_pktmbuf_free(mbuf);
	capture_end(capture);
	frames_pool_free(pool);
}

static void test_what_finds_no_room_is_counted(void **state)
{
	struct rte_mempool *pool = frames_pool("room", 63);
	struct capture *capture = capture_with(4096, UINT32_MAX);
	struct capture_lane *lane = &capture->lanes[0];
	struct frame frame = tcp_frame("198.51.100.7", "192.0.2.10");
	struct rte_mbuf *mbuf = frame_mbuf(pool, frame.bytes, frame.length);
	struct captured *captured;
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		capture_frames(lane, CAPTURE_IN, 0, &mbuf, 1);
	for (; (captured = record_ring_first(lane->ring)); taken++) {
		assert_memory_equal(captured->frame, frame.bytes, frame.length);
		record_ring_drop(lane->ring, &captured->record);
	}
	assert_true(taken > 20);
	assert_int_equal(taken + lane->lost, 1000);
	capture_frames(lane, CAPTURE_IN, 0, &mbuf, 1);
	assert_non_null(record_ring_first(lane->ring));
	rte_pktmbuf_free(mbuf);
	capture_end(capture);
	frames_pool_free(pool);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_and_ports),
		cmocka_unit_test(test_icmp_is_of_both_families),
		cmocka_unit_test(test_a_later_fragment_has_no_ports),
		cmocka_unit_test(test_tags_and_tunnels),
		cmocka_unit_test(test_arp_has_hosts),
		cmocka_unit_test(test_lane),
		cmocka_unit_test(test_what_finds_no_room_is_counted),
	};

	(void)argc;
	frames_start(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
