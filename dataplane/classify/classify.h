// SPDX-License-Identifier: BSD-3-Clause
// The first stage: parse once. Ethernet, VLAN, IPv4 (RFC 791), IPv6 with its extension headers
// (RFC 8200), TCP, UDP, ICMP. What is malformed is dropped by name; nothing behind this stage
// checks a length again, but for what ICMP errors quote.
//
// Reads hostile input; never beyond the first segment of the mbuf. Pure but for the mbuf: a VLAN
// tag is taken out of the frame, padding behind the IP packet is cut off.
#pragma once

#include <stdint.h>

#include "iface.h"
#include "packet.h"

#define CLASSIFY_NO_IFACE UINT8_MAX

// Which interface a frame belongs to, for one port. Immutable after start.
struct classify_port {
	const struct iface *ifaces;  // the dataplane's whole array
	uint8_t iface_of_vlan[4096]; // [0]: without tag; CLASSIFY_NO_IFACE: not configured
};

// Fills packets[i] from mbufs[i], as received on this port. The set of their next steps.
uint32_t classify(const struct classify_port *port, struct rte_mbuf **mbufs, struct packet *packets,
	unsigned n);
// The same for one frame without tag, of a known interface, whose Ethernet address was checked.
void classify_frame(struct packet *packet, struct rte_mbuf *mbuf, uint16_t iface);
