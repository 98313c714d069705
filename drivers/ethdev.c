// SPDX-License-Identifier: BSD-3-Clause
// A DPDK device made ready the same way whatever drives it: one receive and one transmit queue a
// worker, RSS with the common key where all four tuples can be had, checksum offloads where they
// are, promiscuous, started. Main lcore.
#include <errno.h>
#include <rte_errno.h>
#include <string.h>

#include "log.h"
#include "port_internal.h"

#define RX_SUMS                                                                                    \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |                            \
		RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_SUMS (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

struct plan {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
};

static void choose_offloads(struct plan *plan)
{
	uint64_t rx = plan->info.rx_offload_capa, tx = plan->info.tx_offload_capa;

	if ((rx & RX_SUMS) == RX_SUMS)
		plan->conf.rxmode.offloads |= RX_SUMS;
	if ((tx & TX_SUMS) == TX_SUMS)
		plan->conf.txmode.offloads |= TX_SUMS;
	plan->conf.txmode.offloads |=
		tx & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_VLAN_INSERT |
			     RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

static uint32_t caps_of(const struct rte_eth_conf *conf)
{
	uint64_t rx = conf->rxmode.offloads, tx = conf->txmode.offloads;

	return ((rx & RX_SUMS) == RX_SUMS ? PORT_RX_CKSUM : 0) |
	       ((tx & TX_SUMS) == TX_SUMS ? PORT_TX_L4_CKSUM : 0) |
	       (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM ? PORT_TX_IP_CKSUM : 0) |
	       (tx & RTE_ETH_TX_OFFLOAD_VLAN_INSERT ? PORT_TX_VLAN : 0);
}

static int set_up_queues(struct port *port, struct plan *plan, struct reason *reason)
{
	uint16_t rx = PORT_DESCRIPTORS, tx = PORT_DESCRIPTORS;
	int socket = rte_eth_dev_socket_id(port->dpdk_id);
	struct rte_eth_rxconf rxconf = plan->info.default_rxconf;
	struct rte_eth_txconf txconf = plan->info.default_txconf;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->dpdk_id, &rx, &tx);

	rxconf.offloads = plan->conf.rxmode.offloads;
	txconf.offloads = plan->conf.txmode.offloads;
	for (uint16_t q = 0; q < port->queues && rc == 0; q++) {
		rc = rte_eth_rx_queue_setup(port->dpdk_id, q, rx, socket, &rxconf, port->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->dpdk_id, q, tx, socket, &txconf);
	}
	if (rc)
		reason_add(reason, "port %s: device %s: cannot set up %u queues of %u: %s",
			port->name, port->device, port->queues, rx, rte_strerror(-rc));
	return rc;
}

// Ethernet's own MTU is left for the kinds that keep it from the device (configure).
static int choose_mtu(struct port *port, struct plan *plan, struct reason *reason)
{
	const struct rte_eth_dev_info *info = &plan->info;
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	uint32_t most;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		overhead = info->max_rx_pktlen - info->max_mtu;
	most = RTE_MIN((uint32_t)info->max_mtu, info->max_rx_pktlen - overhead);
	if (port->mtu > most) {
		reason_add(reason, "port %s: device %s: mtu %u is more than it can; at most %u",
			port->name, port->device, port->mtu, most);
		return -EINVAL;
	}
	plan->conf.rxmode.mtu = port->mtu;
	return 0;
}

static int configure(struct port *port, struct plan *plan, struct reason *reason)
{
	int rc;

	choose_offloads(plan);
	rss_choose(port, &plan->info, &plan->conf);
	if (port->kind->configure)
		rc = port->kind->configure(port, &plan->conf, reason);
	else
		rc = choose_mtu(port, plan, reason);
	if (rc)
		return rc;
	rc = rte_eth_dev_configure(port->dpdk_id, port->queues, port->queues, &plan->conf);
	if (rc)
		reason_add(reason, "port %s: device %s: cannot be configured: %s", port->name,
			port->device, rte_strerror(-rc));
	return rc;
}

static int start(struct port *port, struct plan *plan, struct reason *reason)
{
	int rc = rte_eth_dev_start(port->dpdk_id);

	if (rc && port->kind->reconnect) { // the peer is not there yet
		log_notice("port", "%s: %s: waiting for its peer", port->name, port->device);
		port->detached = true;
		rc = 0;
	}
	if (rc) {
		reason_add(reason, "port %s: device %s: cannot be started: %s", port->name,
			port->device, rte_strerror(-rc));
		return rc;
	}
	port->caps |= caps_of(&plan->conf);
	if (plan->conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS && rss_finish(port, &plan->info)) {
		port->caps |= PORT_RSS;
		port->rss_buckets = RTE_MIN(plan->info.reta_size, PORT_RSS_TABLE);
	}
	// Frames for VIPs come to the port's own MAC, neighbour solicitations to multicast ones.
	// Drivers without either switch take everything anyway.
	rc = rte_eth_promiscuous_enable(port->dpdk_id);
	if (rc && rc != -ENOTSUP)
		log_warning("port", "%s: not promiscuous: %s", port->name, rte_strerror(-rc));
	rc = rte_eth_allmulticast_enable(port->dpdk_id);
	if (rc && rc != -ENOTSUP)
		log_warning("port", "%s: not all multicast: %s", port->name, rte_strerror(-rc));
	return rte_is_zero_ether_addr(&port->mac) ? rte_eth_macaddr_get(port->dpdk_id, &port->mac)
						  : 0;
}

int ethdev_open(struct port *port, struct reason *reason)
{
	struct plan plan = {0};
	int rc = rte_eth_dev_info_get(port->dpdk_id, &plan.info);

	if (rc) {
		reason_add(reason, "port %s: device %s: says nothing of itself: %s", port->name,
			port->device, rte_strerror(-rc));
		return rc;
	}
	port->max_queues = RTE_MIN(port->max_queues, plan.info.max_rx_queues);
	port->max_queues = RTE_MIN(port->max_queues, plan.info.max_tx_queues);
	port->queues = RTE_MIN(port->queues, port->max_queues);
	rc = configure(port, &plan, reason);
	if (rc == 0)
		rc = set_up_queues(port, &plan, reason);
	if (rc == 0)
		rc = start(port, &plan, reason);
	return rc;
}

void ethdev_close(struct port *port)
{
	rte_eth_dev_stop(port->dpdk_id);
}

struct port_link ethdev_link(struct port *port)
{
	struct rte_eth_link link = {0};

	if (port->detached || rte_eth_link_get_nowait(port->dpdk_id, &link) < 0)
		link.link_status = RTE_ETH_LINK_DOWN;
	if (!link.link_status && port->kind->reconnect)
		port->kind->reconnect(port);
	if (!link.link_status)
		return (struct port_link){false, 0};
	return (struct port_link){
		.up = true,
		.speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed,
	};
}
