// SPDX-License-Identifier: BSD-3-Clause
// A port: one NIC, or something that behaves as one, driven by DPDK.
//
// A kind (one file each, listed in port.c) turns the configured port into a DPDK device, says what
// it can, and hides its quirks. The rest of the dataplane never asks which kind a port is.
// Opening and closing: main lcore. port_rx/port_tx: one thread a queue at a time.
#pragma once

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

#include "limits.h"
#include "reason.h"
#include "settings.h"

enum port_cap {
	PORT_RSS = 1 << 0,	    // spreads by the 4-tuple over its queues, with port_rss_key
	PORT_TX_IP_CKSUM = 1 << 1,  // IPv4 header checksum on transmit
	PORT_TX_L4_CKSUM = 1 << 2,  // TCP and UDP checksums on transmit
	PORT_RX_CKSUM = 1 << 3,	    // tells bad checksums on receive
	PORT_TX_VLAN = 1 << 4,
};

struct port;

// What a kind does. `probe` creates the DPDK device (rte_eal_hotplug_add, rte_dev_probe) and sets
// port->dpdk_id; it may adjust port->max_queues. `repair`, when not NULL, runs over what was
// received before anyone else sees it. `remove` undoes probe.
struct port_kind {
	const char *name;
	int (*probe)(struct port *port, const struct port_settings *settings, struct reason *reason);
	void (*configure)(struct port *port, struct rte_eth_conf *conf); // NULL: nothing special
	void (*started)(struct port *port);				  // after rte_eth_dev_start; may be NULL
	void (*repair)(struct port *port, struct rte_mbuf **mbufs, uint16_t n);
	void (*remove)(struct port *port);
};

struct port {
	char name[16];
	uint16_t dpdk_id;
	uint16_t index;	      // in the dataplane's array of ports
	uint16_t queues;      // receive queues = transmit queues
	uint16_t max_queues;  // what the device offers
	uint16_t mtu;
	uint32_t caps;	      // enum port_cap
	struct rte_ether_addr mac;
	const struct port_kind *kind;
	const char *device;
	void *state; // the kind's own
};

struct port_link {
	bool up;
	uint32_t speed_mbps; // 0 = unknown
};

// The RSS key every port with PORT_RSS is given (40 bytes), so that equal tuples go to equal queue
// numbers on every port.
extern const uint8_t port_rss_key[40];

// Bytes a packet buffer must hold (without headroom) for these ports: one segment a packet.
uint32_t port_buffer_bytes(const struct port_settings *ports, unsigned count);

// Opens, configures, starts. `queues`: as many as there are workers; the port may end up with fewer.
// Buffers of the pool must be of port_buffer_bytes(). 0 or -errno with the reason.
int port_open(struct port *port, const struct port_settings *settings, uint16_t queues,
	struct rte_mempool *pool, struct reason *reason);
void port_close(struct port *port);
struct port_link port_link(const struct port *port);
int port_counters(const struct port *port, struct rte_eth_stats *stats);

static inline uint16_t port_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	n = rte_eth_rx_burst(port->dpdk_id, queue, mbufs, n);
	if (port->kind->repair && n)
		port->kind->repair(port, mbufs, n);
	return n;
}

static inline uint16_t port_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(port->dpdk_id, queue, mbufs, n);
}
