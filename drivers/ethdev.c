// SPDX-License-Identifier: BSD-3-Clause
// A DPDK device made ready the same way whatever drives it: one receive and one transmit queue a
// worker, RSS with the common key where all four tuples can be had, checksum offloads where they
// are, promiscuous, started. Main lcore.
#include <errno.h>
#include <rte_errno.h>
#include <string.h>

#include "log.h"
#include "port_internal.h"

#define RSS_WANTED                                                                                 \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                             \
		RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

#define RX_SUMS                                                                                    \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |                            \
		RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_SUMS (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

// Longest key among the drivers linked (i40e, ice, iavf: 52 bytes). A tuple of two IPv6 addresses
// and two ports needs 36 bytes and 4 more; what follows is never used and may be zero.
#define RSS_KEY_MAX 64

struct plan {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	uint8_t key[RSS_KEY_MAX];
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

	return (conf->rxmode.mq_mode == RTE_ETH_MQ_RX_RSS ? PORT_RSS : 0) |
	       ((rx & RX_SUMS) == RX_SUMS ? PORT_RX_CKSUM : 0) |
	       ((tx & TX_SUMS) == TX_SUMS ? PORT_TX_L4_CKSUM : 0) |
	       (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM ? PORT_TX_IP_CKSUM : 0) |
	       (tx & RTE_ETH_TX_OFFLOAD_VLAN_INSERT ? PORT_TX_VLAN : 0);
}

// RSS is taken only when the device spreads TCP and UDP of both families over a table we can fill
// and with our key: half of it would be worse than none, as nobody could tell the queue of a tuple.
static void choose_rss(struct port *port, struct plan *plan)
{
	const struct rte_eth_dev_info *info = &plan->info;
	struct rte_eth_rss_conf *rss = &plan->conf.rx_adv_conf.rss_conf;
	uint16_t reta = info->reta_size;

	if (port->queues < 2 || (info->flow_type_rss_offloads & RSS_WANTED) != RSS_WANTED ||
		info->hash_key_size < sizeof(port_rss_key) || info->hash_key_size > RSS_KEY_MAX ||
		reta == 0 || (reta & (reta - 1)) || reta > RTE_ETH_RSS_RETA_SIZE_512)
		return;
	memcpy(plan->key, port_rss_key, sizeof(port_rss_key));
	plan->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	plan->conf.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	rss->rss_key = plan->key;
	rss->rss_key_len = info->hash_key_size;
	rss->rss_hf = RSS_WANTED | (info->flow_type_rss_offloads &
					   (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 |
						   RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6));
}

static int fill_reta(struct port *port, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							  << (i % RTE_ETH_RETA_GROUP_SIZE);
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			i % port->queues;
	}
	return rte_eth_dev_rss_reta_update(port->dpdk_id, reta, size);
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
	choose_rss(port, plan);
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
	if ((port->caps & PORT_RSS) && fill_reta(port, plan->info.reta_size)) {
		log_warning("port", "%s: %s: no RSS, its table cannot be written", port->name,
			port->device);
		port->caps &= ~PORT_RSS;
	}
	port->rss_buckets = port->caps & PORT_RSS ? plan->info.reta_size : 0;
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
