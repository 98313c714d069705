// SPDX-License-Identifier: BSD-3-Clause
// A host in a network namespace of its own, with the test in the place of the ports: what the
// kernel sends out of a twin is read and answered here as the wire would.
//
// Interfaces: "hwan" (port 0, index 0), "hlan" (port 1, index 1), "hlan.7" (VLAN 7 of port 1, index
// 2).
#pragma once

#include "host.h"

#define HOST_IFACES 3

struct wire_frame {
	struct rte_mbuf mbuf;
	uint8_t room[128 + 9216];
};

struct host_fixture {
	struct settings settings;
	struct port_settings ports[2];
	struct vlan_settings vlan;
	struct prefix wan_addresses[4], lan_addresses[4], vlan_addresses[4];
	struct route_settings routes[4];
	struct iface ifaces[HOST_IFACES];
	struct host *host;
	struct reason reason;
	struct wire_frame frame;
};

// 0, or 77 (meson's code for a skipped test) when no namespace can be made.
int host_namespace(void);

// hwan 10.99.0.1/24 and 2001:db8:99::1/64, hlan 10.98.0.1/24, hlan.7 10.97.0.1/24; not opened yet.
struct host_fixture *fixture_new(void);
void fixture_open(struct host_fixture *fixture); // must succeed
// Closes, and removes the twins.
void fixture_free(struct host_fixture *fixture);

// Runs a shell command, which must succeed.
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Takes events and turns for `ms`, or until done(arg) says so: whether it did.
bool wait_until(struct host_fixture *fixture, unsigned ms,
	bool (*done)(struct host_fixture *, void *), void *arg);
const struct fib *current_fib(const struct host_fixture *fixture);
struct fib_answer look(const struct host_fixture *fixture, const char *to);
// Waits (at most 2 s) for the lookup of `to` to give this result by this way: "local", "none",
// "reject", or "hwan 10.99.0.2" (hop or neighbour).
void wait_for(struct host_fixture *fixture, const char *to, const char *way);
// Waits for the neighbour to be a hop in this state.
uint16_t wait_for_hop(struct host_fixture *fixture, const char *to, enum hop_state state);

// Reads frames of an interface for at most `ms` until one has these bytes at this offset; its
// length, or 0. The frame is then in fixture->frame.
unsigned wait_for_frame(struct host_fixture *fixture, unsigned iface, unsigned ms, unsigned offset,
	const void *bytes, unsigned length);
uint8_t *frame_bytes(struct host_fixture *fixture);
// What the port would receive.
void from_wire(struct host_fixture *fixture, unsigned iface, const void *bytes, unsigned length);
// An ARP packet in a frame of 42 bytes; the target's MAC is that of the interface, or broadcast for
// a request.
void arp_from_wire(struct host_fixture *fixture, unsigned iface, unsigned opcode,
	const uint8_t *mac, const char *sender, const char *target);
