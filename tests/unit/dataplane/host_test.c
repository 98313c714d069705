// SPDX-License-Identifier: BSD-3-Clause
// Twins and neighbours, with the real kernel behind them, in a network namespace of the test's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "change_fixture.h"
#include "clock.h"
#include "host_fixture.h"

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x77};
static const uint8_t moved_mac[6] = {2, 0, 0, 0, 0, 0x88};

static int setup(void **state)
{
	*state = fixture_new();
	fixture_open(*state);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += (i & 1) ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned make_echo(const struct host_fixture *fixture, uint8_t *frame, unsigned data)
{
	uint8_t *ip = frame + 14, *icmp = ip + 20;

	memset(frame, 0, 42);
	memcpy(frame, &fixture->ifaces[0].mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	put16(frame + 12, 0x0800);
	memcpy(ip, "\x45\0", 2);
	put16(ip + 2, (uint16_t)(28 + data));
	memcpy(ip + 8, "\x40\x01", 2);
	memcpy(ip + 12, "\x0a\x63\0\x02\x0a\x63\0\x01", 8); // 10.99.0.2 to 10.99.0.1
	put16(ip + 10, checksum(ip, 20));
	icmp[0] = 8;
	put16(icmp + 4, 0x5111);
	for (unsigned i = 0; i < data; i++)
		icmp[8 + i] = (uint8_t)i;
	put16(icmp + 2, checksum(icmp, 8 + data));
	return 42 + data;
}

static bool never(struct host_fixture *fixture, void *arg)
{
	return false;
}

static bool has_moved(struct host_fixture *fixture, void *hop)
{
	return memcmp(&current_fib(fixture)->hops[*(uint16_t *)hop].mac, moved_mac, 6) == 0;
}

static void twins_are_as_configured(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr own = address_of("10.98.0.1");
	unsigned count = 0;

	for (unsigned i = 0; i < HOST_IFACES; i++) {
		const struct iface *iface = &fixture->ifaces[i];

		assert_true(iface->twin >= 0);
		assert_int_equal(iface->kernel_index, if_nametoindex(iface->name));
		run("ip -o link show dev %s | grep -q 'mtu 1500 .*02:00:00:00:09:%02x'",
			iface->name, i + 1);
		run("ip link show dev %s up | grep -q LOWER_UP", iface->name);
		run("grep -qx 1 /proc/sys/net/ipv4/conf/%s/arp_ignore", iface->name);
		count++;
	}
	assert_int_equal(count, 3);
	run("grep -qx 0 /proc/sys/net/ipv6/conf/hwan/accept_ra");
	run("ip -4 addr show dev hwan | grep -q 'inet 10.99.0.1/24 brd 10.99.0.255'");
	run("ip -4 addr show dev hlan.7 | grep -q 'inet 10.97.0.1/24'");
	run("ip -6 addr show dev hwan | grep -q 'inet6 2001:db8:99::1/64'");
	wait_for(fixture, "10.99.0.1", "local");
	wait_for(fixture, "10.99.0.255", "local"); // broadcasts are the kernel's
	wait_for(fixture, "2001:db8:99::1", "local");
	wait_for(fixture, "10.98.0.9", "hlan 10.98.0.9");
	wait_for(fixture, "10.97.0.9", "hlan.7 10.97.0.9");
	wait_for(fixture, "192.0.2.1", "none");
	assert_true(fib_is_local(current_fib(fixture), &own));
}

// What a neighbour sees: our kernel answers ARP for its own addresses and no others, and pings.
static void kernel_answers_through_the_twin(void **state)
{
	struct host_fixture *fixture = *state;
	uint8_t echo[1500];
	unsigned length = make_echo(fixture, echo, 56), got;

	arp_from_wire(fixture, 0, 1, peer_mac, "10.99.0.2", "10.99.0.1");
	got = wait_for_frame(fixture, 0, 1000, 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x02", 10);
	assert_int_equal(got, 42);
	assert_memory_equal(frame_bytes(fixture), peer_mac, 6);
	assert_memory_equal(frame_bytes(fixture) + 22, &fixture->ifaces[0].mac, 6);
	// An address of another interface of ours is not said to be here.
	arp_from_wire(fixture, 0, 1, peer_mac, "10.99.0.2", "10.98.0.1");
	assert_int_equal(
		wait_for_frame(fixture, 0, 200, 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x02", 10), 0);

	from_wire(fixture, 0, echo, length);
	got = wait_for_frame(fixture, 0, 1000, 30, "\x0a\x63\0\x02\0\0", 6);
	assert_int_equal(got, length);
	assert_memory_equal(frame_bytes(fixture), peer_mac, 6);
	assert_memory_equal(frame_bytes(fixture) + 42, echo + 42, 56);
	assert_int_equal(checksum(frame_bytes(fixture) + 34, 64), 0);
}

static void frames_of_several_segments(void **state)
{
	struct host_fixture *fixture = *state;
	struct rte_mbuf parts[3];
	uint8_t echo[1514];
	unsigned length = make_echo(fixture, echo, 1472), at = 0;
	static const unsigned sizes[3] = {14, 700, 800};

	run("ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:77 nud permanent dev hwan");
	memset(parts, 0, sizeof(parts));
	for (unsigned i = 0; i < 3; i++) {
		parts[i].buf_addr = echo + at;
		parts[i].data_len = (uint16_t)sizes[i];
		parts[i].next = i < 2 ? &parts[i + 1] : NULL;
		at += sizes[i];
	}
	assert_int_equal(at, length);
	parts[0].nb_segs = 3;
	parts[0].pkt_len = length;
	assert_int_equal(host_write(&fixture->ifaces[0], &parts[0]), 0);
	assert_int_equal(wait_for_frame(fixture, 0, 1000, 30, "\x0a\x63\0\x02\0\0", 6), length);
	assert_memory_equal(frame_bytes(fixture) + 42, echo + 42, 1472);
}

static void nothing_to_read_and_nobody_up(void **state)
{
	struct host_fixture *fixture = *state;
	uint8_t echo[128];
	unsigned length = make_echo(fixture, echo, 0);

	while (wait_for_frame(fixture, 1, 0, 0, "", 0)) {
	} // what the kernel says by itself
	fixture->frame.mbuf.data_off = 128;
	fixture->frame.mbuf.data_len = 0;
	assert_int_equal(host_read(&fixture->ifaces[1], &fixture->frame.mbuf), 0);
	run("ip link set hlan down");
	from_wire(fixture, 0, echo, length);
	assert_true(host_write(&fixture->ifaces[1], &fixture->frame.mbuf) < 0);
	// A frame that does not fit is told of, not cut.
	run("ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:77 nud permanent dev hwan");
	while (wait_for_frame(fixture, 0, 0, 0, "", 0)) {
	}
	from_wire(fixture, 0, echo, make_echo(fixture, echo, 60));
	fixture->frame.mbuf.buf_len = 128 + 60;
	fixture->frame.mbuf.data_len = 0;
	fixture->frame.mbuf.pkt_len = 0;
	assert_int_equal(host_read(&fixture->ifaces[0], &fixture->frame.mbuf), -EMSGSIZE);
}

static void neighbour_is_asked_for_and_found(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr peer = address_of("10.99.0.2");
	uint32_t generation;
	uint16_t hop;

	wait_for(fixture, "10.99.0.2", "hwan 10.99.0.2");
	assert_int_equal(look(fixture, "10.99.0.2").result, FIB_NEIGHBOUR);
	host_resolve(fixture->host, 0, &peer);
	host_resolve(fixture->host, 0, &peer);
	assert_int_equal(
		wait_for_frame(fixture, 0, 1000, 20, "\0\x01\x02\0\0\0\x09\x01\x0a\x63\0\x01", 12),
		42);
	assert_memory_equal(frame_bytes(fixture) + 38, "\x0a\x63\0\x02", 4);
	arp_from_wire(fixture, 0, 2, peer_mac, "10.99.0.2", "10.99.0.1");
	hop = wait_for_hop(fixture, "10.99.0.2", HOP_REACHABLE);
	assert_memory_equal(&current_fib(fixture)->hops[hop].mac, peer_mac, 6);

	// It gets another MAC: the hop stays, what it says changes.
	generation = current_fib(fixture)->generation;
	run("ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:88 nud reachable dev hwan");
	assert_true(wait_until(fixture, 1000, has_moved, &hop));
	assert_int_equal(look(fixture, "10.99.0.2").hop, hop);
	assert_int_equal(current_fib(fixture)->generation, generation);
	run("ip neigh del 10.99.0.2 dev hwan");
	wait_until(fixture, 50, never, NULL);
	assert_int_equal(look(fixture, "10.99.0.2").result, FIB_NEIGHBOUR);
}

// Those that are asked for all the time leave room for others.
static void two_that_are_asked_for_often_are_two(void **state)
{
	struct host_fixture *fixture = *state;
	const struct addr often[] = {address_of("10.99.0.11"), address_of("10.99.0.12")};
	struct addr peer = address_of("10.99.0.77");

	wait_for(fixture, "10.99.0.77", "hwan 10.99.0.77");
	for (unsigned i = 0; i < 5000; i++)
		host_resolve(fixture->host, 0, &often[i % 2]);
	host_resolve(fixture->host, 0, &peer);
	while (wait_for_frame(fixture, 0, 1000, 20, "\0\x01\x02\0\0\0\x09\x01\x0a\x63\0\x01", 12) ==
		42)
		if (memcmp(frame_bytes(fixture) + 38, "\x0a\x63\0\x4d", 4) == 0)
			return;
	fail_msg("10.99.0.77 is not asked for");
}

static void neighbour_of_ipv6(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr peer = address_of("2001:db8:99::2");
	uint8_t na[86] = {0};
	uint8_t *ip = na + 14;
	uint32_t sum;

	host_resolve(fixture->host, 0, &peer);
	// To the solicited nodes' group, from the kernel (fe80:: while the other is being checked).
	assert_true(wait_for_frame(fixture, 0, 3000, 62, peer.byte, 16) >= 86);
	assert_memory_equal(frame_bytes(fixture), "\x33\x33\xff\0\0\x02", 6);
	assert_int_equal(frame_bytes(fixture)[54], 135);

	memcpy(na, &fixture->ifaces[0].mac, 6);
	memcpy(na + 6, peer_mac, 6);
	put16(na + 12, 0x86dd);
	memcpy(ip, "\x60\0\0\0\0\x20\x3a\xff", 8);
	memcpy(ip + 8, peer.byte, 16);
	memcpy(ip + 24, frame_bytes(fixture) + 22, 16); // to who asked
	memcpy(ip + 40, "\x88\0\0\0\x60\0\0\0", 8);
	memcpy(ip + 48, peer.byte, 16);
	memcpy(ip + 64, "\x02\x01", 2);
	memcpy(ip + 66, peer_mac, 6);
	sum = 58 + 32;
	for (unsigned i = 8; i < 72; i++)
		sum += (i & 1) ? ip[i] : (uint32_t)ip[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 42, (uint16_t)~sum);
	from_wire(fixture, 0, na, sizeof(na));
	wait_for_hop(fixture, "2001:db8:99::2", HOP_REACHABLE);
}

static void silent_neighbour_fails_and_is_asked_again(void **state)
{
	struct host_fixture *fixture = *state;
	struct addr peer = address_of("10.98.0.66");
	uint16_t hop;

	host_resolve(fixture->host, 1, &peer);
	hop = wait_for_hop(fixture, "10.98.0.66", HOP_FAILED);
	while (wait_for_frame(fixture, 1, 0, 12, "\x08\x06", 2)) {
	}                             // the three requests
	host_use(fixture->host, hop); // as the endpoints' hops are: a failed one is asked for again
	assert_int_equal(wait_for_frame(fixture, 1, 1000, 38, "\x0a\x62\0\x42", 4), 42);
	arp_from_wire(fixture, 1, 2, peer_mac, "10.98.0.66", "10.98.0.1");
	assert_int_equal(wait_for_hop(fixture, "10.98.0.66", HOP_REACHABLE), hop);
}

// One that was not heard of for long is asked whether it is still there, by unicast.
static void neighbour_in_use_is_kept_fresh(void **state)
{
	struct host_fixture *fixture = *state;
	uint16_t hop;

	run("echo 1 >/proc/sys/net/ipv4/neigh/hwan/delay_first_probe_time");
	run("ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:77 nud stale dev hwan");
	hop = wait_for_hop(fixture, "10.99.0.2", HOP_REACHABLE);
	host_use(fixture->host, hop);
	assert_int_equal(wait_for_frame(fixture, 0, 4000, 38, "\x0a\x63\0\x02", 4), 42);
	assert_memory_equal(frame_bytes(fixture), peer_mac, 6);
	// The kernel believes in a new MAC when its last news is a second old (locktime): it asks
	// on.
	for (unsigned i = 0; i < 5 && !has_moved(fixture, &hop); i++) {
		arp_from_wire(fixture, 0, 2, moved_mac, "10.99.0.2", "10.99.0.1");
		if (!wait_until(fixture, 50, has_moved, &hop))
			wait_for_frame(fixture, 0, 2000, 38, "\x0a\x63\0\x02", 4);
	}
	assert_true(has_moved(fixture, &hop));
	run("ip neigh replace 10.99.0.3 lladdr 02:00:00:00:00:77 nud permanent dev hwan");
	hop = wait_for_hop(fixture, "10.99.0.3", HOP_REACHABLE);
	host_use(fixture->host, hop);
	run("ip neigh show 10.99.0.3 dev hwan | grep -q PERMANENT");
	host_use(fixture->host, HOP_NONE);
	host_use(fixture->host, HOP_MAX);
}

static void lost_events_are_made_good(void **state)
{
	struct host_fixture *fixture = *state;
	int small = 4096;

	setsockopt(host_fd(fixture->host), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	run("for i in $(seq 1 200); do echo neigh replace 10.98.0.$i lladdr 02:00:00:00:07:77 "
	    "nud permanent dev hlan; done | ip -batch -");
	run("ip route add 192.0.2.0/24 via 10.98.0.200");
	for (unsigned i = 2; i <= 200; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.98.0.%u", i);
		wait_for_hop(fixture, text, HOP_REACHABLE);
	}
	wait_for(fixture, "192.0.2.1", "hlan 10.98.0.200");
}

static void restart_finds_what_there_was(void **state)
{
	struct host_fixture *fixture = *state;
	int index = fixture->ifaces[0].kernel_index;

	run("ip route add 192.0.2.0/24 via 10.99.0.254");
	run("ip addr add 10.99.0.201/24 dev hwan"); // by hand: not ours to remove
	run("ip neigh replace 10.98.0.5 lladdr 02:00:00:00:00:77 nud permanent dev hlan");
	host_close(fixture->host);
	fixture->host = NULL;
	fixture->wan_addresses[0].addr = address_of("10.99.0.7");
	fixture_open(fixture);
	assert_int_equal(fixture->ifaces[0].kernel_index, index);
	assert_int_equal(look(fixture, "10.99.0.7").result, FIB_LOCAL); // at once, without an event
	assert_int_equal(look(fixture, "10.99.0.1").result, FIB_NEIGHBOUR);
	assert_int_equal(look(fixture, "10.99.0.201").result, FIB_LOCAL);
	wait_for(fixture, "192.0.2.1", "hwan 10.99.0.254");
}

static void refusals_name_the_interface(void **state)
{
	struct host_fixture *second = fixture_new();
	struct host *host = NULL;

	assert_int_equal(
		host_open(&host, second->ifaces, HOST_IFACES, &second->settings, &second->reason),
		-EBUSY);
	assert_null(host);
	assert_non_null(strstr(reason_text(&second->reason), "interface hwan: another process"));
	reason_clear(&second->reason);

	run("ip link add hbridge type bridge");
	strcpy(second->ifaces[0].name, "hbridge");
	assert_true(host_open(&host, second->ifaces, 1, &second->settings, &second->reason) < 0);
	assert_non_null(strstr(reason_text(&second->reason), "interface hbridge: the kernel has"));
	run("ip link del hbridge");
	reason_clear(&second->reason);

	// A refused address: the twin just made for it is gone again.
	strcpy(second->ifaces[0].name, "hnew");
	second->wan_addresses[0] = (struct prefix){address_of("2001:db8::"), 200};
	assert_true(host_open(&host, second->ifaces, 1, &second->settings, &second->reason) < 0);
	assert_non_null(strstr(reason_text(&second->reason), "interface hnew: the kernel refuses"));
	assert_int_equal(if_nametoindex("hnew"), 0);
	fixture_free(second); // takes away the twins of the first, too
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(twins_are_as_configured, setup, teardown),
		cmocka_unit_test_setup_teardown(kernel_answers_through_the_twin, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_of_several_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_read_and_nobody_up, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbour_is_asked_for_and_found, setup, teardown),
		cmocka_unit_test_setup_teardown(
			two_that_are_asked_for_often_are_two, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbour_of_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(
			silent_neighbour_fails_and_is_asked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbour_in_use_is_kept_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_events_are_made_good, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_finds_what_there_was, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_name_the_interface, setup, teardown),
	};
	int skip = host_namespace();

	return skip ? skip : cmocka_run_group_tests(tests, NULL, NULL);
}
