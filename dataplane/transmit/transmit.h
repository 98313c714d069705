// SPDX-License-Identifier: BSD-3-Clause
// The last stage: next hop, Ethernet header, VLAN tag, checksums of IPv4 and TCP where they are
// owed (by the port where it can), and out. Packets whose neighbour is not known yet are held,
// within bounds, until the fib says more. One context a worker, one thread.
#pragma once

#include <stdint.h>

#include "capture.h"
#include "fib.h"
#include "iface.h"
#include "packet.h"
#include "port.h"

#define TRANSMIT_BUFFER     128 // packets a port gathers before it must send
#define TRANSMIT_HELD_MAX   256 // packets held a worker
#define TRANSMIT_HELD_HOP   16  // packets held a neighbour
#define TRANSMIT_HELD_TICKS 2000
#define TRANSMIT_ROUTES     256 // answers of the fib that are remembered; a power of two

struct transmit_buffer {
	uint16_t count;
	struct rte_mbuf *mbufs[TRANSMIT_BUFFER];
};

struct transmit_held {
	struct rte_mbuf *mbuf; // with Ethernet header room, l3 at RTE_ETHER_HDR_LEN
	struct addr neighbour;
	uint16_t iface;
	uint8_t family;
	uint32_t since;
};

struct transmit_route {
	uint64_t edition; // of the fib that said so
	struct addr to;
	struct fib_answer answer;
};

struct transmitter {
	const struct fib *fib; // of this burst
	const struct iface *ifaces;
	struct port *ports;
	unsigned port_count;
	uint16_t queue; // this worker's transmit queue, where the port has as many
	struct rte_ring *const
		*relays;          // by port: who sends for us where it has fewer; NULL = ourselves
	struct rte_ring *resolve; // neighbours that the main lcore shall ask for
	struct rte_mempool *pool; // for what must be fragmented
	uint64_t *drops;
	struct capture_lane *lane; // NULL: no capture
	uint32_t now;
	uint64_t resolve_asked; // doorbell: something was put into `resolve`
	struct transmit_buffer buffers[SLUICE_PORTS_MAX];
	unsigned held_count;
	struct transmit_held held[TRANSMIT_HELD_MAX];
	uint64_t held_edition;                         // of the fib the held were last tried with
	struct transmit_route routes[TRANSMIT_ROUTES]; // by the address
};

// Does what goes to this address, in segments of `length` bytes of IP, leave by a port that cuts a
// PACKET_RUN? Then a transmit() that follows takes one, with tso_segsz and all its headers in the
// first mbuf.
bool transmit_takes_run(struct transmitter *transmitter, const struct addr *to, uint32_t length);
// Packets that are PACKET_ROUTE or PACKET_TRANSMIT; they become PACKET_TAKEN or PACKET_DROP. True
// when one was dropped.
bool transmit(struct transmitter *transmitter, struct packet *packets, unsigned n);
// A whole frame without tag, with its Ethernet header, out of this interface. Takes the mbuf.
void transmit_frame(struct transmitter *transmitter, struct rte_mbuf *mbuf, uint16_t iface);
// Sends what is gathered. At the end of every round.
void transmit_flush(struct transmitter *transmitter);
// Tries the held packets again when the fib has changed, and gives up the old ones.
void transmit_held(struct transmitter *transmitter);
