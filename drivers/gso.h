// SPDX-License-Identifier: BSD-3-Clause
// Segments of one TCP connection that follow each other, sent by one call: the kernel is given them
// as one large segment that it cuts again (GSO) where the netdev cannot. On a veth a call a frame
// is what sending costs; the frames that come out are the same.
//
// By a packet socket with virtio_net_hdr (packet(7), PACKET_VNET_HDR). One thread at a time.
#pragma once

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "netdev.h"
#include "port.h"

#define GSO_LEAST 2
#define GSO_MOST  48 // segments of one call

struct gso {
	int fd; // -1 = closed
	int index;
	bool disowned; // by tcx_attach_disown(): what was sent says ENOBUFS
};

// 0 or -errno: then it is closed.
int gso_open(struct gso *gso, int index, bool disowned);
void gso_close(struct gso *gso);

// How many from the first one on are segments that can go as one: plain frames with IPv4 that must
// not be cut, or IPv6, and TCP that differ in sequence number, length and PSH alone, all as long as
// the first but the last. Below GSO_LEAST: none.
uint16_t gso_run(struct rte_mbuf *const *mbufs, uint16_t n);
// Sends a run; the mbufs stay the caller's, the first one's headers change. False: there was no
// room, or the kernel takes no such packets, and then it is closed.
bool gso_send(struct gso *gso, struct rte_mbuf *const *mbufs, uint16_t n);
// The same for one that is a run already (PORT_TX_RUN). Its headers change.
bool gso_send_run(struct gso *gso, struct rte_mbuf *run);
// Frames that such a run becomes, and their bytes.
uint32_t gso_frames(const struct rte_mbuf *run, uint64_t *bytes);

// A port's, a gso each queue. NULL: it has none. A NIC of its own has a queue for what we send and
// another for what the kernel sends, which would overtake each other; a veth has none.
struct gso_port {
	int disown; // tcx_attach_disown(); -1 = none
	uint16_t count;
	struct gso *queues;
};
// Where the netdev is a veth; the port gets PORT_TX_RUN.
void gso_port_open(struct gso_port *gso, struct port *port, const struct netdev *netdev);
void gso_port_close(struct gso_port *gso);

// How a queue of a port sends what is no run. `send` as rte_eth_tx_burst; `sent` counts.
struct gso_rest {
	struct port *port; // which has PORT_TX_RUN while runs can be sent
	void *queue;
	uint16_t (*send)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	void (*sent)(void *queue, uint32_t frames, uint64_t bytes);
};
// Everything in its order, as rte_eth_tx_burst.
uint16_t gso_transmit(const struct gso_port *gso, uint16_t queue, struct rte_mbuf **mbufs,
	uint16_t n, const struct gso_rest *rest);
