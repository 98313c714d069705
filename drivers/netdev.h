// SPDX-License-Identifier: BSD-3-Clause
// A netdev of the kernel taken for a port (af_packet, af_xdp).
//
// The kernel goes on driving it, but must not also answer what arrives on it, glue segments
// together, or give it addresses: VIPs and our own addresses live in the dataplane and on the
// port's twin. Seizing sees to that and says what stands in the way; releasing puts back what was
// found. After a crash the netdev stays seized, so that the kernel does not answer for us, and the
// next seizing finds it so. Main lcore.
#pragma once

#include <net/if.h>
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

#include "port.h"

struct netdev {
	char name[IFNAMSIZ];
	int index;
	int control; // a socket for ioctls
	int members; // a packet socket that keeps it promiscuous, for as long as it is open
	struct rte_ether_addr mac;
	char driver[32]; // "veth", "ixgbe", ...
	bool former_ipv6, former_gro, former_lro;
	uint16_t former_queues; // 0 = unchanged
};

bool netdev_name_ok(const char *name);
int netdev_set_mtu(const char *name, uint16_t mtu);

// Opens port->device, refuses it when it has addresses, sets the MTU, takes it from the kernel's
// own stack and brings it up, promiscuous. 0 or -errno with the reason and nothing changed.
int netdev_seize(struct netdev *netdev, const struct port *port, struct reason *reason);
void netdev_release(struct netdev *netdev);

struct port_link netdev_link(const struct netdev *netdev);
// To be said again when something else turns it on.
void netdev_disable_gro(const struct netdev *netdev);
// Gives the netdev as many receive and transmit queues as asked, or fewer when it has fewer.
// The number it has now.
uint16_t netdev_set_queues(struct netdev *netdev, uint16_t queues);

// netdev_query.c: what rtnetlink knows. The addresses as text, without those that are link-local:
// how many, or -errno.
int netdev_addresses(int index, char *text, unsigned size);
// Appends what the kernel uses it for: "eth0 is up, it has 192.0.2.1/24". False: for nothing.
bool netdev_in_use(const char *name, char *uses, unsigned size);
// Frames the kernel wanted to send by it and dropped.
uint64_t netdev_unsent(int index);

// netdev_nft.c: everything that arrives is dropped before the kernel's stack sees it, but after
// packet sockets did. The netdev's name is in the name of the table.
int netdev_block(const char *name); // 0 or -errno; no harm when already there
int netdev_unblock(const char *name);
bool netdev_blocked(const char *name);
