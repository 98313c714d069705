// SPDX-License-Identifier: BSD-3-Clause
// A port: one NIC, or something that behaves as one.
//
// A kind (one file each, listed in port.c) turns the configured port into a DPDK device, or moves
// the frames itself where DPDK's own driver falls short, says what it can, and hides its quirks.
// The rest of the dataplane never asks which kind a port is.
// Opening, closing, link and counters: main lcore. port_rx/port_tx: one thread a queue at a time.
//
// What a port delivers: one frame an mbuf, one segment, TCP and UDP checksums complete. The outer
// VLAN tag is either in the frame, or in vlan_tci with RTE_MBUF_F_RX_VLAN_STRIPPED. What it takes:
// whole frames with the tag inside; checksums are left to it only by flag and only with the cap.
#pragma once

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

#include "limits.h"
#include "reason.h"
#include "settings.h"

enum port_cap {
	PORT_RSS = 1 << 0,         // port_rss_queue() tells the queue of TCP and UDP, v4 and v6
	PORT_TX_IP_CKSUM = 1 << 1, // IPv4 header checksum on transmit
	PORT_TX_L4_CKSUM = 1 << 2, // TCP and UDP checksums on transmit
	PORT_RX_CKSUM = 1 << 3,    // tells bad checksums on receive
	PORT_TX_VLAN = 1 << 4,     // RTE_MBUF_F_TX_VLAN inserts the tag
	// Cuts runs of TCP segments: RTE_MBUF_F_TX_TCP_SEG, tso_segsz, l2_len to l4_len as DPDK has
	// them, in a chain of which the first has the headers, checksums open, and the others any
	// memory of the process, PORT_RUN_MBUFS in all. All is copied before port_tx() returns. May
	// be lost while a port is open.
	PORT_TX_RUN = 1 << 5,
};

#define PORT_RUN_MBUFS 80 // of one run at most

struct port;

struct port_link {
	bool up;
	uint32_t speed_mbps; // 0 = unknown
};

// Frames moved by the kind itself, for what is no DPDK device. `start` readies port->queues queues
// that receive into port->pool. rx and tx have the meaning of rte_eth_rx_burst/rte_eth_tx_burst.
struct port_engine {
	int (*start)(struct port *port, struct reason *reason);
	uint16_t (*rx)(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
	uint16_t (*tx)(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
	struct port_link (*link)(const struct port *port);
	void (*counters)(const struct port *port, struct rte_eth_stats *stats);
	int (*rx_fd)(const struct port *port, uint16_t queue); // readable when frames wait
};

// What a kind does; all but probe and remove may be NULL. `probe` creates the device and sets
// port->dpdk_id, max_queues, max_mtu and, where the device knows none or another's, mac; it may set
// repair. port->mtu and port->queues say what is asked for. `configure` may change what the DPDK
// device is asked. `reconnect` is called by port_link() while a DPDK device has no link; with it, a
// device that cannot start is not an error but detached. `remove` undoes probe.
struct port_kind {
	const char *name;
	const struct port_engine *engine;
	int (*probe)(
		struct port *port, const struct port_settings *settings, struct reason *reason);
	int (*configure)(struct port *port, struct rte_eth_conf *conf, struct reason *reason);
	void (*reconnect)(struct port *port);
	void (*remove)(struct port *port);
};

struct port {
	char name[16];
	uint16_t dpdk_id;    // UINT16_MAX: no DPDK device, the kind has an engine
	uint16_t index;      // in the dataplane's array of ports; set by it
	uint16_t queues;     // receive queues = transmit queues
	uint16_t max_queues; // what the device offers
	uint16_t mtu;
	uint16_t max_mtu;
	// Entries of its RSS table, at most PORT_RSS_TABLE, a power of two; 0 without PORT_RSS.
	uint16_t rss_buckets;
	bool detached; // the device is not started: nothing is received, nothing taken
	uint32_t caps; // enum port_cap
	struct rte_ether_addr mac;
	const struct port_kind *kind;
	// NULL, or makes good what the device does not deliver as promised, before anyone else sees
	// it.
	void (*repair)(struct port *port, struct rte_mbuf **mbufs, uint16_t n);
	const char *device;
	struct rte_mempool *pool;
	void *state; // the kind's own
};

// The RSS key every port with PORT_RSS is given (40 bytes), so that equal tuples hash alike on
// every port: Toeplitz over source address, destination address, source and destination l4_port.
#define PORT_RSS_KEY_BYTES 40
extern const uint8_t *const port_rss_key;

// The indirection tables of all ports begin alike: entry i is queue i % PORT_RSS_TABLE % queues.
#define PORT_RSS_TABLE 128

// The receive queue of a tuple with this hash, on a port with PORT_RSS.
static inline uint16_t port_rss_queue(const struct port *port, uint32_t hash)
{
	return (hash & (port->rss_buckets - 1u)) % port->queues;
}

// Buffers a queue of a port holds at most, each way: what a pool must have beside those in flight.
#define PORT_DESCRIPTORS 1024

// Bytes a packet buffer must hold (without headroom) for these ports: one segment a packet.
uint32_t port_buffer_bytes(const struct port_settings *ports, unsigned count);

// EAL arguments the ports need, beside those of memory and cores. How many there are. PCI devices
// are left alone until their port is opened.
#define PORT_EAL_ARGUMENTS 2
int port_eal_arguments(const struct port_settings *ports, unsigned count,
	const char *arguments[static PORT_EAL_ARGUMENTS]);

// Opens, configures, starts. `queues`: as many as there are workers; the port may end up with
// fewer. Buffers of the pool must be of port_buffer_bytes(). 0 or -errno with the reason.
int port_open(struct port *port, const struct port_settings *settings, uint16_t queues,
	struct rte_mempool *pool, struct reason *reason);
void port_close(struct port *port);
// Cheap; to be called at least every second: a port that lost its peer looks for it again here.
struct port_link port_link(struct port *port);
int port_counters(const struct port *port, struct rte_eth_stats *stats);
// A file descriptor that polls readable when frames wait in the queue, or -1: poll the queue.
int port_rx_fd(const struct port *port, uint16_t queue);

static inline uint16_t port_rx(
	struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	if (port->kind->engine)
		return port->kind->engine->rx(port, queue, mbufs, n);
	if (unlikely(port->detached))
		return 0;
	n = rte_eth_rx_burst(port->dpdk_id, queue, mbufs, n);
	if (unlikely(port->repair && n))
		port->repair(port, mbufs, n);
	return n;
}

static inline uint16_t port_tx(
	struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	if (port->kind->engine)
		return port->kind->engine->tx(port, queue, mbufs, n);
	if (unlikely(port->detached))
		return 0;
	return rte_eth_tx_burst(port->dpdk_id, queue, mbufs, n);
}
