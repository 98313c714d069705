// SPDX-License-Identifier: BSD-3-Clause
#include "host_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "change_fixture.h"
#include "clock.h"

#define ROOM 128

static void must(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

int host_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0 && access("/dev/net/tun", R_OK | W_OK) == 0) {
		run("ip link set lo up");
		return 0;
	}
	fprintf(stderr, "needs root and /dev/net/tun: %s\n", strerror(errno));
	return 77;
}

static struct prefix with_host_bits(const char *address, uint8_t length)
{
	return (struct prefix){address_of(address), length};
}

static void name_iface(struct host_fixture *fixture, unsigned index, const char *name)
{
	struct iface *iface = &fixture->ifaces[index];

	snprintf(iface->name, sizeof(iface->name), "%s", name);
	iface->index = (uint16_t)index;
	iface->port = index > 0;
	iface->mtu = 1500;
	iface->mac = (struct rte_ether_addr){{2, 0, 0, 0, 9, (uint8_t)(index + 1)}};
	iface->twin = -1;
}

struct host_fixture *fixture_new(void)
{
	struct host_fixture *fixture = calloc(1, sizeof(*fixture));

	must(fixture != NULL, "memory");
	name_iface(fixture, 0, "hwan");
	name_iface(fixture, 1, "hlan");
	name_iface(fixture, 2, "hlan.7");
	fixture->ifaces[2].vlan = 7;
	fixture->wan_addresses[0] = with_host_bits("10.99.0.1", 24);
	fixture->wan_addresses[1] = with_host_bits("2001:db8:99::1", 64);
	fixture->lan_addresses[0] = with_host_bits("10.98.0.1", 24);
	fixture->vlan_addresses[0] = with_host_bits("10.97.0.1", 24);
	fixture->vlan = (struct vlan_settings){7, 1, fixture->vlan_addresses};
	fixture->ports[0] = (struct port_settings){
		.name = "hwan", .address_count = 2, .addresses = fixture->wan_addresses};
	fixture->ports[1] = (struct port_settings){.name = "hlan",
		.address_count = 1,
		.addresses = fixture->lan_addresses,
		.vlan_count = 1,
		.vlans = &fixture->vlan};
	fixture->settings.port_count = 2;
	fixture->settings.ports = fixture->ports;
	fixture->settings.routes = fixture->routes;
	fixture->settings.dataplane.neighbours = 4096;
	return fixture;
}

void fixture_open(struct host_fixture *fixture)
{
	int rc = host_open(
		&fixture->host, fixture->ifaces, HOST_IFACES, &fixture->settings, &fixture->reason);

	if (rc < 0)
		fprintf(stderr, "%s\n", reason_text(&fixture->reason));
	must(rc == 0, "host_open");
}

void fixture_free(struct host_fixture *fixture)
{
	host_close(fixture->host);
	for (unsigned i = 0; i < HOST_IFACES; i++)
		run("ip link del %s 2>/dev/null || true", fixture->ifaces[i].name);
	run("ip route flush table main"); // those of no device
	reason_clear(&fixture->reason);
	free(fixture);
}

void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	must(system(command) == 0, command);
}

const struct fib *current_fib(const struct host_fixture *fixture)
{
	return *host_fib_pointer(fixture->host);
}

struct fib_answer look(const struct host_fixture *fixture, const char *to)
{
	struct addr address = address_of(to);

	return fib_lookup(current_fib(fixture), &address);
}

bool wait_until(struct host_fixture *fixture, unsigned ms,
	bool (*done)(struct host_fixture *, void *), void *arg)
{
	usec_t end = clock_now_us() + (usec_t)ms * 1000;

	for (;;) {
		struct pollfd poller = {.fd = host_fd(fixture->host), .events = POLLIN};
		usec_t now = clock_now_us();
		int left = now < end ? (int)((end - now + 999) / 1000) : 0;
		int wait = host_timeout_ms(fixture->host);

		if (done(fixture, arg))
			return true;
		if (!left)
			return false;
		poll(&poller, 1, wait >= 0 && wait < left ? wait : left);
		if (host_poll(fixture->host))
			host_reclaim(fixture->host); // there are no workers to wait for
	}
}

struct expected {
	const char *to, *way;
	char found[128];
};

static bool goes_by(struct host_fixture *fixture, void *arg)
{
	struct expected *expected = arg;
	struct fib_answer answer = look(fixture, expected->to);
	char via[ADDR_TEXT];

	switch (answer.result) {
	case FIB_HOP:
	case FIB_NEIGHBOUR:
		snprintf(expected->found, sizeof(expected->found), "%s %s",
			fixture->ifaces[answer.iface].name, addr_format(&answer.via, via));
		break;
	case FIB_LOCAL:
		strcpy(expected->found, "local");
		break;
	case FIB_NONE:
		strcpy(expected->found, "none");
		break;
	case FIB_REJECT:
		strcpy(expected->found, "reject");
		break;
	}
	return strcmp(expected->found, expected->way) == 0;
}

void wait_for(struct host_fixture *fixture, const char *to, const char *way)
{
	struct expected expected = {.to = to, .way = way};

	if (wait_until(fixture, 2000, goes_by, &expected))
		return;
	fprintf(stderr, "%s goes by \"%s\", expected \"%s\"\n", to, expected.found, way);
	run("ip -4 route show table all; ip -6 route show; ip neigh; false");
}

struct expected_hop {
	const char *to;
	enum hop_state state;
	uint16_t hop;
};

static bool is_hop(struct host_fixture *fixture, void *arg)
{
	struct expected_hop *expected = arg;
	struct fib_answer answer = look(fixture, expected->to);

	expected->hop = answer.hop;
	return answer.result == FIB_HOP &&
	       current_fib(fixture)->hops[answer.hop].state == expected->state;
}

uint16_t wait_for_hop(struct host_fixture *fixture, const char *to, enum hop_state state)
{
	struct expected_hop expected = {.to = to, .state = state};

	// The kernel takes 3 seconds to call a neighbour failed.
	if (!wait_until(fixture, 6000, is_hop, &expected)) {
		fprintf(stderr, "%s is no hop in state %d\n", to, state);
		run("ip neigh show nud all; false");
	}
	return expected.hop;
}

uint8_t *frame_bytes(struct host_fixture *fixture)
{
	return fixture->frame.room + ROOM;
}

static void empty_frame(struct host_fixture *fixture)
{
	memset(&fixture->frame.mbuf, 0, sizeof(fixture->frame.mbuf));
	fixture->frame.mbuf.buf_addr = fixture->frame.room;
	fixture->frame.mbuf.buf_len = sizeof(fixture->frame.room);
	fixture->frame.mbuf.data_off = ROOM;
	fixture->frame.mbuf.nb_segs = 1;
}

unsigned wait_for_frame(struct host_fixture *fixture, unsigned iface, unsigned ms, unsigned offset,
	const void *bytes, unsigned length)
{
	usec_t end = clock_now_us() + (usec_t)ms * 1000;

	for (;;) {
		struct pollfd poller = {.fd = fixture->ifaces[iface].twin, .events = POLLIN};
		usec_t now = clock_now_us();
		int got;

		empty_frame(fixture);
		got = host_read(&fixture->ifaces[iface], &fixture->frame.mbuf);
		must(got >= 0 && (unsigned)got == fixture->frame.mbuf.pkt_len, "host_read");
		if ((unsigned)got >= offset + length &&
			memcmp(frame_bytes(fixture) + offset, bytes, length) == 0)
			return (unsigned)got;
		if (got > 0)
			continue;
		if (now >= end)
			return 0;
		poll(&poller, 1, (int)((end - now + 999) / 1000));
	}
}

void from_wire(struct host_fixture *fixture, unsigned iface, const void *bytes, unsigned length)
{
	empty_frame(fixture);
	memcpy(frame_bytes(fixture), bytes, length);
	fixture->frame.mbuf.data_len = (uint16_t)length;
	fixture->frame.mbuf.pkt_len = length;
	errno = -host_write(&fixture->ifaces[iface], &fixture->frame.mbuf);
	must(errno == 0, "host_write");
}

void arp_from_wire(struct host_fixture *fixture, unsigned iface, unsigned opcode,
	const uint8_t *mac, const char *sender, const char *target)
{
	uint8_t frame[42] = {0};
	struct addr address = address_of(sender);

	if (opcode == 1)
		memset(frame, 0xff, 6);
	else
		memcpy(frame, &fixture->ifaces[iface].mac, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, "\x08\x06\0\x01\x08\0\x06\x04\0", 9);
	frame[21] = (uint8_t)opcode;
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, address.byte + 12, 4);
	if (opcode != 1)
		memcpy(frame + 32, &fixture->ifaces[iface].mac, 6);
	address = address_of(target);
	memcpy(frame + 38, address.byte + 12, 4);
	from_wire(fixture, iface, frame, sizeof(frame));
}
