// SPDX-License-Identifier: BSD-3-Clause
// What is not ours: the kernel behind the ports.
//
// Each interface has a TAP twin of the same name, MAC and MTU in the kernel. It is persistent: it
// and the routes over it outlive this process. Packets for the appliance itself go in by
// host_write(), what the kernel sends comes out of host_read(). The kernel's routes and neighbours
// are mirrored from rtnetlink (RFC 3549) into a fib. libmnl appears only in this folder.
//
// host_answer() and host_announce() are pure and called by workers too; all else is main lcore's.
#pragma once

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "fib.h"
#include "iface.h"
#include "reason.h"
#include "settings.h"
#include "tables.h"

struct host;

// Creates (or finds again) the twins, sets their MAC, MTU, addresses and routes from the settings,
// brings them up, mirrors the kernel once and subscribes. Fills twin and kernel_index of each
// iface. *host is set only on success. 0 or -errno with the reason.
int host_open(struct host **host, struct iface *ifaces, unsigned iface_count,
	const struct settings *settings, struct reason *reason);
void host_close(struct host *host); // twins stay

// To be polled for reading; then host_poll() takes what netlink says. True when a new fib was
// published; the one before is freed by host_reclaim(), once every worker has been quiescent.
int host_fd(const struct host *host);
bool host_poll(struct host *host);
// Milliseconds until host_poll() wants to be called without an event (changes are gathered for a
// few milliseconds, neighbours in use are refreshed), or -1.
int host_timeout_ms(const struct host *host);
const struct fib *const *host_fib_pointer(const struct host *host);
void host_reclaim(struct host *host);

// Asks the kernel to find the neighbour's MAC; the answer comes as a new fib. Cheap to repeat.
void host_resolve(struct host *host, uint16_t iface, const struct addr *neighbour);
// Says that this neighbour carries traffic, so that its entry is kept fresh in the kernel.
void host_use(struct host *host, uint16_t hop);
// The routes of the plan: all of them, each time. Installed with a protocol number of our own, so
// that ours that are no longer named are removed and nobody else's are touched.
int host_set_routes(
	struct host *host, const struct fib_route *routes, unsigned count, struct reason *reason);

// What the kernel is to think of the interface's link: who looks at the twin (keepalived, BIRD)
// sees the port's.
void host_set_carrier(struct host *host, const struct iface *iface, bool up);

// One frame, without VLAN tag, whole. 0, or -errno (-EAGAIN: the twin's queue is full).
int host_write(const struct iface *iface, const struct rte_mbuf *mbuf);
// Reads one frame into the (empty) mbuf, which must have room for a frame of the interface's MTU.
// Its length, 0 when there is none, or -errno.
int host_read(const struct iface *iface, struct rte_mbuf *mbuf);

// An ARP request (RFC 826) or neighbour solicitation (RFC 4861) for a VIP that is owned and
// answered on this interface becomes its answer, in place, ready to be sent out of the same
// interface, and true is returned. Anything else is left as it is. `l3` is the offset of the ARP
// or IPv6 header; the frame has no VLAN tag. Hostile input; never reads beyond the mbuf.
bool host_answer(
	const struct tables *tables, const struct iface *iface, struct rte_mbuf *mbuf, uint16_t l3);
// Writes a gratuitous ARP (RFC 5227 section 3) or unsolicited neighbour advertisement for the VIP
// into the empty mbuf.
void host_announce(const struct iface *iface, const struct addr *vip, struct rte_mbuf *mbuf);
