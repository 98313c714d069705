// SPDX-License-Identifier: BSD-3-Clause
// host_answer() and host_announce(): ARP and neighbour discovery for VIPs, byte by byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "change_fixture.h"
#include "host.h"

#define ETHER 14

struct frame { // an mbuf without a pool
	struct rte_mbuf mbuf;
	uint8_t room[512];
};

struct fixture {
	struct tables_store *store;
	const struct tables *tables;
	struct iface iface;
	struct frame frame;
};

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t asker_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 7};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct plan_change *change = change_new(0, 1);
	struct reason reason = {0};

	change_vip(change, "192.0.2.10")->ifaces = 1 << 3;
	change_vip(change, "2001:db8::10")->ifaces = 1 << 3;
	change_vip(change, "192.0.2.11")->ifaces = 1 << 2; // not answered here
	change_vip(change, "2001:db8::11")->ifaces = 1 << 2;
	change_vip(change, "192.0.2.12")->owned = false;
	change_vip(change, "2001:db8::12")->owned = false;
	fixture->store = tables_store_new();
	assert_int_equal(tables_apply(fixture->store, change, &reason), 0);
	change_free(change);
	fixture->tables = tables_current(fixture->store);
	fixture->iface.index = 3;
	memcpy(&fixture->iface.mac, own_mac, 6);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	tables_store_free(fixture->store);
	free(fixture);
	return 0;
}

static void put_frame(struct fixture *fixture, const void *bytes, size_t length)
{
	struct frame *frame = &fixture->frame;

	memset(frame, 0, sizeof(*frame));
	frame->mbuf.buf_addr = frame->room;
	frame->mbuf.buf_len = sizeof(frame->room);
	frame->mbuf.data_off = 128;
	frame->mbuf.nb_segs = 1;
	frame->mbuf.data_len = (uint16_t)length;
	frame->mbuf.pkt_len = (uint32_t)length;
	if (length)
		memcpy(frame->room + 128, bytes, length);
}

static const uint8_t *got(const struct fixture *fixture)
{
	return fixture->frame.room + 128;
}

static bool answered(struct fixture *fixture, const void *bytes, size_t length)
{
	bool answer;

	put_frame(fixture, bytes, length);
	answer = host_answer(fixture->tables, &fixture->iface, &fixture->frame.mbuf, ETHER);
	if (!answer) { // then nothing may have changed
		assert_int_equal(fixture->frame.mbuf.pkt_len, length);
		assert_memory_equal(got(fixture), bytes, length);
	}
	return answer;
}

static size_t make_arp(uint8_t *bytes, const char *sender, const char *target)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	struct addr address = address_of(sender);

	memcpy(bytes, broadcast, 6);
	memcpy(bytes + 6, asker_mac, 6);
	memcpy(bytes + 12, "\x08\x06", 2);
	memcpy(bytes + ETHER, head, 8);
	memcpy(bytes + 22, asker_mac, 6);
	memcpy(bytes + 28, address.byte + 12, 4);
	memset(bytes + 32, 0, 6);
	address = address_of(target);
	memcpy(bytes + 38, address.byte + 12, 4);
	return 42;
}

// RFC 1071, written once more so that the code is not measured with itself.
static uint16_t icmp6_checksum(const uint8_t *ip)
{
	size_t length = (size_t)ip[4] << 8 | ip[5];
	uint32_t sum = 58 + (uint32_t)length;

	for (size_t i = 8; i < 40 + length; i++)
		sum += (i & 1) ? ip[i] : (uint32_t)ip[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void seal(uint8_t *bytes)
{
	uint16_t sum;

	memset(bytes + ETHER + 42, 0, 2);
	sum = icmp6_checksum(bytes + ETHER);
	bytes[ETHER + 42] = (uint8_t)(sum >> 8);
	bytes[ETHER + 43] = (uint8_t)sum;
}

// A solicitation; `link` is the source link-layer address option, or NULL.
static size_t make_ns(uint8_t *bytes, const char *source, const char *target, const uint8_t *link)
{
	static const uint8_t solicited[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	struct addr address = address_of(source);
	uint8_t *ip = bytes + ETHER;

	memset(bytes, 0, 128);
	memcpy(ip + 8, address.byte, 16);
	address = address_of(target);
	memcpy(ip + 24, solicited, 13);
	memcpy(ip + 37, address.byte + 13, 3);
	memcpy(bytes, "\x33\x33", 2);
	memcpy(bytes + 2, ip + 36, 4);
	memcpy(bytes + 6, asker_mac, 6);
	memcpy(bytes + 12, "\x86\xdd", 2);
	ip[0] = 0x60;
	ip[5] = link ? 32 : 24;
	ip[6] = 58;
	ip[7] = 255;
	ip[40] = 135;
	memcpy(ip + 48, address.byte, 16);
	if (link) {
		memcpy(ip + 64, "\x01\x01", 2);
		memcpy(ip + 66, link, 6);
	}
	seal(bytes);
	return ETHER + 40 + (size_t)ip[5];
}

static void arp_request_is_answered(void **state)
{
	static const uint8_t expected[42] = {
		2,
		0,
		0,
		0,
		0,
		9,
		2,
		0,
		0,
		0,
		0,
		1,
		8,
		6, // to the asker, from us
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		2, // a reply
		2,
		0,
		0,
		0,
		0,
		1,
		192,
		0,
		2,
		10, // the VIP is here
		2,
		0,
		0,
		0,
		0,
		9,
		192,
		0,
		2,
		77,
	};
	struct fixture *fixture = *state;
	uint8_t bytes[128] = {0};

	make_arp(bytes, "192.0.2.77", "192.0.2.10");
	assert_true(answered(fixture, bytes, 60)); // with the padding of a short frame
	assert_int_equal(fixture->frame.mbuf.pkt_len, 42);
	assert_int_equal(fixture->frame.mbuf.data_len, 42);
	assert_memory_equal(got(fixture), expected, 42);
	memcpy(bytes, own_mac, 6); // a unicast poll
	assert_true(answered(fixture, bytes, 42));
	assert_memory_equal(got(fixture), expected, 42);
}

static void arp_probe_is_answered(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[128];
	size_t length = make_arp(bytes, "0.0.0.0", "192.0.2.10");

	assert_true(answered(fixture, bytes, length));
	assert_memory_equal(got(fixture), asker_mac, 6);
	assert_memory_equal(got(fixture) + 28, "\xc0\x00\x02\x0a", 4);
	assert_memory_equal(got(fixture) + 38, "\0\0\0\0", 4);
}

static void arp_that_is_no_question_for_us(void **state)
{
	static const struct {
		uint8_t offset, value;
	} changes[] = {
		{14, 1}, {15, 6}, {16, 0x86}, {17, 1}, {18, 8}, {19, 16}, {20, 1}, {21, 2}, {21, 0},
		{41, 13}, // no VIP
		{41, 11}, // not on this interface
		{41, 12}, // another box has it
		{13, 0},  // an IPv4 frame
		{0, 2},   // to somebody else
		{6, 3},   // from a group
		{22, 1},  // says it is at a group
	};
	struct fixture *fixture = *state;
	uint8_t bytes[128];
	size_t length = make_arp(bytes, "192.0.2.77", "192.0.2.10");

	assert_true(answered(fixture, bytes, length));
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		make_arp(bytes, "192.0.2.77", "192.0.2.10");
		bytes[changes[i].offset] = changes[i].value;
		assert_false(answered(fixture, bytes, length));
	}
	make_arp(bytes, "192.0.2.10", "192.0.2.10"); // somebody announces our address
	assert_false(answered(fixture, bytes, length));
	make_arp(bytes, "192.0.2.77", "192.0.2.10");
	memcpy(bytes + 6, own_mac, 6); // our own, come back
	assert_false(answered(fixture, bytes, length));
	make_arp(bytes, "192.0.2.77", "192.0.2.10");
	memcpy(bytes + 22, own_mac, 6);
	assert_false(answered(fixture, bytes, length));
	for (size_t cut = 0; cut < length; cut++) {
		make_arp(bytes, "192.0.2.77", "192.0.2.10");
		assert_false(answered(fixture, bytes, cut));
	}
}

static void check_na(
	const struct fixture *fixture, const char *to, const uint8_t *to_mac, uint8_t flags)
{
	const uint8_t *frame = got(fixture), *ip = frame + ETHER;
	struct addr vip = address_of("2001:db8::10"), destination = address_of(to);

	assert_int_equal(fixture->frame.mbuf.pkt_len, ETHER + 72);
	assert_int_equal(fixture->frame.mbuf.data_len, ETHER + 72);
	assert_memory_equal(frame, to_mac, 6);
	assert_memory_equal(frame + 6, own_mac, 6);
	assert_memory_equal(frame + 12, "\x86\xdd\x60\0\0\0\0\x20\x3a\xff", 10);
	assert_memory_equal(ip + 8, vip.byte, 16);
	assert_memory_equal(ip + 24, destination.byte, 16);
	assert_memory_equal(ip + 40, "\x88\0", 2);
	assert_int_equal(icmp6_checksum(ip), 0);
	assert_int_equal(ip[44], flags);
	assert_memory_equal(ip + 45, "\0\0\0", 3);
	assert_memory_equal(ip + 48, vip.byte, 16);
	assert_memory_equal(ip + 64, "\x02\x01", 2);
	assert_memory_equal(ip + 66, own_mac, 6);
}

static void solicitation_is_answered(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[192];
	size_t length = make_ns(bytes, "fe80::9", "2001:db8::10", other_mac);

	assert_true(answered(fixture, bytes, length));
	check_na(fixture, "fe80::9", other_mac, 0x60);      // to the address of its option
	assert_true(answered(fixture, bytes, length + 10)); // bytes behind the packet are cut off
	check_na(fixture, "fe80::9", other_mac, 0x60);

	length = make_ns(bytes, "2001:db8::9", "2001:db8::10", NULL); // a unicast probe (NUD)
	memcpy(bytes, own_mac, 6);
	memcpy(bytes + ETHER + 24, bytes + ETHER + 48, 16);
	seal(bytes);
	assert_true(answered(fixture, bytes, length));
	check_na(fixture, "2001:db8::9", asker_mac, 0x60);
}

static void duplicate_detection_is_answered_to_all(void **state)
{
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t nonce[8] = {14, 1, 1, 2, 3, 4, 5, 6};
	struct fixture *fixture = *state;
	uint8_t bytes[192];
	size_t length = make_ns(bytes, "::", "2001:db8::10", NULL);

	assert_true(answered(fixture, bytes, length));
	check_na(fixture, "ff02::1", all_nodes, 0x20);

	memcpy(bytes + length, nonce, 8); // RFC 7527
	bytes[ETHER + 5] = 32;
	seal(bytes);
	assert_true(answered(fixture, bytes, length + 8));
	check_na(fixture, "ff02::1", all_nodes, 0x20);

	length = make_ns(bytes, "::", "2001:db8::10", asker_mac); // must not have the option
	assert_false(answered(fixture, bytes, length));
}

static void solicitation_that_is_invalid(void **state)
{
	static const struct {
		uint8_t offset, value;
	} changes[] = {
		{0, 0x40},              // IP version
		{5, 23},                // shorter than a solicitation
		{5, 40},                // longer than the frame
		{4, 1}, {6, 17},        // not ICMPv6
		{7, 254},               // came through a router
		{40, 136},              // an advertisement
		{41, 1},                // code
		{8, 0xff},              // from a group
		{24, 0x20},             // to neither the solicited nodes' group nor the target
		{39, 0x11}, {48, 0xff}, // about a group
		{63, 0x13},             // no VIP; and no longer of its group
		{65, 0},                // an option of no length
		{65, 2},                // an option that ends behind the packet
	};
	struct fixture *fixture = *state;
	uint8_t bytes[192];
	size_t length = make_ns(bytes, "fe80::9", "2001:db8::10", asker_mac);

	assert_true(answered(fixture, bytes, length));
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		make_ns(bytes, "fe80::9", "2001:db8::10", asker_mac);
		bytes[ETHER + changes[i].offset] = changes[i].value;
		if (changes[i].offset != 4 && changes[i].value != 40 && changes[i].value != 23)
			seal(bytes); // so that it is not the checksum that makes it invalid
		assert_false(answered(fixture, bytes, length));
	}
	for (size_t offset = 8; offset < length - ETHER; offset++) {
		make_ns(bytes, "fe80::9", "2001:db8::10", asker_mac);
		bytes[ETHER + offset] ^= 0x55; // any damage breaks the checksum
		assert_false(answered(fixture, bytes, length));
	}
	make_ns(bytes, "fe80::9", "2001:db8::10", asker_mac);
	for (size_t cut = 0; cut < length; cut++)
		assert_false(answered(fixture, bytes, cut));
	length = make_ns(
		bytes, "2001:db8::10", "2001:db8::10", asker_mac); // another has our address
	assert_false(answered(fixture, bytes, length));
	length = make_ns(bytes, "fe80::9", "2001:db8::11", asker_mac); // not on this interface
	assert_false(answered(fixture, bytes, length));
	length = make_ns(bytes, "fe80::9", "2001:db8::12", asker_mac); // not ours now
	assert_false(answered(fixture, bytes, length));
	length = make_ns(bytes, "fe80::9", "192.0.2.10", NULL); // in its mapped form
	assert_false(answered(fixture, bytes, length));
}

static void no_room_for_the_answer(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[192];
	size_t length = make_ns(bytes, "::", "2001:db8::10", NULL);

	put_frame(fixture, bytes, length);
	fixture->frame.mbuf.buf_len = (uint16_t)(128 + length + 7); // the answer needs 8 more
	assert_false(host_answer(fixture->tables, &fixture->iface, &fixture->frame.mbuf, ETHER));
	assert_memory_equal(got(fixture), bytes, length);
	fixture->frame.mbuf.buf_len++;
	assert_true(host_answer(fixture->tables, &fixture->iface, &fixture->frame.mbuf, ETHER));
}

static void without_tables_nothing_is_answered(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[128];

	fixture->tables = NULL;
	assert_false(answered(fixture, bytes, make_arp(bytes, "192.0.2.77", "192.0.2.10")));
}

static void announcements(void **state)
{
	static const uint8_t arp[42] = {
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		2,
		0,
		0,
		0,
		0,
		1,
		8,
		6,
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		1,
		2,
		0,
		0,
		0,
		0,
		1,
		192,
		0,
		2,
		10,
		0,
		0,
		0,
		0,
		0,
		0,
		192,
		0,
		2,
		10,
	};
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct fixture *fixture = *state;
	struct addr v4 = address_of("192.0.2.10"), v6 = address_of("2001:db8::10");

	put_frame(fixture, NULL, 0);
	host_announce(&fixture->iface, &v4, &fixture->frame.mbuf);
	assert_int_equal(fixture->frame.mbuf.pkt_len, 42);
	assert_memory_equal(got(fixture), arp, 42);
	put_frame(fixture, NULL, 0);
	host_announce(&fixture->iface, &v6, &fixture->frame.mbuf);
	check_na(fixture, "ff02::1", all_nodes, 0x20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(arp_request_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(arp_probe_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(arp_that_is_no_question_for_us, setup, teardown),
		cmocka_unit_test_setup_teardown(solicitation_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			duplicate_detection_is_answered_to_all, setup, teardown),
		cmocka_unit_test_setup_teardown(solicitation_that_is_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_for_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_tables_nothing_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(announcements, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
