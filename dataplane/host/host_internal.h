// SPDX-License-Identifier: BSD-3-Clause
// What the files of host/ share and nobody else may see.
//
//   netlink.c     the two rtnetlink sockets: requests with their answers, and events
//   twin.c        one TAP twin: made, configured, written to and read from
//   mirror.c      the kernel's routes and addresses as last dumped, and the fib made of them
//   neighbours.c  the kernel's neighbours, kept current by its events
//   routes.c      the routes we want in the kernel, compared with those that are there
//   host.c        the whole: open, poll, publish
//
// Main lcore only.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "fib.h"
#include "host.h"
#include "iface.h"
#include "reason.h"
#include "settings.h"

struct mnl_socket;

struct netlink {
	struct mnl_socket *request; // one question at a time
	struct mnl_socket *events;  // non-blocking
	uint32_t sequence;
	char said[128]; // what the kernel said of the last refusal; "" = nothing
	char message[1024];
	char buffer[32768];
};

typedef void (*netlink_visit)(void *arg, const struct nlmsghdr *message);

int netlink_open(struct netlink *netlink);
void netlink_close(struct netlink *netlink);
// Begins a request in netlink->message; attributes are then put with libmnl.
struct nlmsghdr *netlink_begin(
	struct netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t length);
// Sends it and waits for the kernel's verdict: 0 or -errno (and netlink->said).
int netlink_talk(struct netlink *netlink, struct nlmsghdr *message);
// Sends it as a dump and visits every answer. -EINTR when the kernel's table changed meanwhile.
int netlink_dump(struct netlink *netlink, struct nlmsghdr *message, netlink_visit visit, void *arg);
// Visits events that wait: 0 when there are no more, 1 when there may be (a call reads a limited
// number), -ENOBUFS when some were lost.
int netlink_events(struct netlink *netlink, netlink_visit visit, void *arg);
int netlink_events_fd(const struct netlink *netlink);
// Puts an address in its family's own form.
void netlink_put_address(struct nlmsghdr *message, uint16_t type, const struct addr *address);
// The attribute as an address; false when it is none (length, IPv4-mapped).
bool netlink_get_address(const struct rtattr *attribute, struct addr *address);
// Fills table[type] for every type up to `most`; later ones win, what is malformed ends it.
void netlink_attributes(
	const struct nlmsghdr *message, size_t header, const struct rtattr **table, unsigned most);

// Opens the twin of `iface` and brings it up with these addresses. 0 or -errno with the reason;
// iface->twin is then -1. The twin is not persistent before twin_keep().
int twin_open(struct netlink *netlink, struct iface *iface, const struct prefix *addresses,
	unsigned address_count, struct reason *reason);
int twin_keep(const struct iface *iface, struct reason *reason);
bool twin_has_mac(const struct iface *iface); // now, the port's
int twin_set_mac(struct netlink *netlink, const struct iface *iface);
void twin_set_carrier(struct netlink *netlink, const struct iface *iface, bool up);
// The kernel shall not begin connections from the ports that full NAT uses: both may use the same
// address. Where more of its own ports are left to it above those, it takes them from there.
void twin_reserve_ports(uint16_t first, uint16_t last);

#define ADDRESSES_MAX 2048 // of full NAT's sources, an interface

// The addresses of interface `index`, to be freed. Their number, or -1 when out of memory.
int addresses_of(const struct settings *settings, const struct iface *ifaces, unsigned iface_count,
	unsigned index, struct prefix **addresses);

void twin_close(struct iface *iface);

// Neighbours: a hash by (interface, address) over a dense array.
struct neighbours {
	struct fib_neighbour *list;
	bool *fixed; // beside it: set by hand, never to be asked for
	uint32_t count, most;
	uint32_t *slots; // index in list plus one; 0 = free
	uint32_t mask;
	bool full; // some had no room: said once
};

int neighbours_init(struct neighbours *neighbours, uint32_t most);
void neighbours_fini(struct neighbours *neighbours);
void neighbours_clear(struct neighbours *neighbours);
const struct fib_neighbour *neighbours_find(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address);
bool neighbours_is_fixed(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address);
// True when it changed what a fib is made of.
bool neighbours_put(
	struct neighbours *neighbours, const struct fib_neighbour *neighbour, bool fixed);
bool neighbours_remove(struct neighbours *neighbours, uint16_t iface, const struct addr *address);

struct next_hop {
	struct addr via; // zero = on the link
	uint16_t iface;  // IFACE_FOREIGN = not one of ours
	bool dead;
};

#define IFACE_FOREIGN UINT16_MAX

struct kernel_route {
	struct prefix to;
	uint32_t priority;
	uint8_t type; // RTN_*
	uint8_t protocol;
	bool local_table;
	uint32_t first_hop, hop_count; // in mirror->hops
};

struct mirror {
	struct iface *ifaces;
	unsigned iface_count;
	struct kernel_route *routes; // sorted: the local table first, then by priority
	uint32_t route_count, route_room;
	struct next_hop *hops;
	uint32_t hop_count, hop_room;
	struct fib_source *sources;
	uint32_t source_count, source_room;
	struct neighbours neighbours;
	bool no_memory; // while dumping
};

int mirror_init(
	struct mirror *mirror, struct iface *ifaces, unsigned iface_count, uint32_t neighbours);
void mirror_fini(struct mirror *mirror);
// The iface whose twin has this kernel index, or NULL.
struct iface *mirror_iface(const struct mirror *mirror, int kernel_index);
// Read the kernel's whole tables anew. 0 or -errno; on failure the old content is partly lost and
// the call must be repeated.
int mirror_dump_routes(struct mirror *mirror, struct netlink *netlink); // and addresses
int mirror_dump_neighbours(struct mirror *mirror, struct netlink *netlink);
// One RTM_NEWNEIGH or RTM_DELNEIGH. True when it changed what a fib is made of.
bool mirror_neighbour(struct mirror *mirror, const struct nlmsghdr *message);
struct fib *mirror_build(const struct mirror *mirror, const struct fib *previous);

// Routes of ours have a protocol number and a metric of their own, one pair for those of
// sluice.conf and one for those of the plan: what an operator adds by hand, with no metric, wins.
struct wanted_route {
	struct prefix to;
	struct addr via;
	bool refused; // said once
};

struct wanted_routes {
	struct wanted_route *list; // sorted by prefix, no two equal
	uint32_t count;
	uint8_t protocol;
	uint32_t priority;
	const char *what; // "sluice.conf", "the plan"
	bool touched;     // the last wanted_apply() asked the kernel for changes
};

int wanted_set(struct wanted_routes *wanted, const struct fib_route *routes, unsigned count);
// Makes the kernel's routes of this protocol those that are wanted, as far as it lets us; `mirror`
// says what is there. 0, or the first -errno. `reason` may be NULL: refusals are then logged, once.
int wanted_apply(struct wanted_routes *wanted, const struct mirror *mirror, struct netlink *netlink,
	struct reason *reason);
