// SPDX-License-Identifier: BSD-3-Clause
// What the kinds of port share among themselves, and nobody else may see.
#pragma once

#include <rte_kvargs.h>

#include "port.h"

#define ETHERNET_OVERHEAD 22 // the header with one VLAN tag, and the frame check sequence

extern const struct port_kind port_af_packet;
extern const struct port_kind port_af_xdp;
extern const struct port_kind port_tap;
extern const struct port_kind port_memif;
extern const struct port_kind port_pci;
extern const struct port_kind port_pcap;

// The options of a port, "key=value,...": every key must be in `known` (ends with NULL) and come
// once. NULL with the reason; else to be freed by rte_kvargs_free().
struct rte_kvargs *port_options(
	const struct port_settings *settings, const char *const known[], struct reason *reason);

// A locally administered address for our end of a virtual wire: the same on this box each time, and
// another for each device and role.
void port_make_mac(const struct port *port, const char *role, struct rte_ether_addr *mac);

// Creates the virtual DPDK device "net_<driver>_<port's name>" and sets port->dpdk_id.
int port_add_vdev(
	struct port *port, const char *driver, const char *arguments, struct reason *reason);
void port_remove_vdev(struct port *port, const char *driver);

// Configures and starts the DPDK device port->dpdk_id. 0 or -errno with the reason, nothing left.
int ethdev_open(struct port *port, struct reason *reason);
void ethdev_close(struct port *port);
struct port_link ethdev_link(struct port *port);

// rss.c: makes a device with several queues spread what it can, before it is configured; and, once
// started, fills its table. True when the queue of every TCP and UDP tuple is port_rss_queue()'s.
void rss_choose(
	const struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);
bool rss_finish(const struct port *port, const struct rte_eth_dev_info *info);
