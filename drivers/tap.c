// SPDX-License-Identifier: BSD-3-Clause
// tap: a TAP device of the kernel as the wire, made by us (DPDK's net_tap).
//
// device = the name the netdev gets. The other end is the kernel: put it in a bridge or a
// namespace, or give it an address, and the kernel is the neighbour. The kernel cuts its
// super-frames and completes checksums before a TAP's reader sees them. No options.
// Not to be confused with the twins of host/, through which the kernel is reached behind a port.
#include <errno.h>
#include <net/if.h>
#include <rte_hash_crc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netdev.h"
#include "port_internal.h"

static const char *const known[] = {NULL};

// The end we play has an address of its own: net_tap gives its netdev the one we name, and its
// peer, the kernel, would then have ours.
static void make_mac(const struct port *port, struct rte_ether_addr *mac)
{
	char host[64] = "";
	uint32_t hash;

	gethostname(host, sizeof(host) - 1);
	hash = rte_hash_crc(host, (uint32_t)strlen(host), 0);
	hash = rte_hash_crc(port->device, (uint32_t)strlen(port->device), hash);
	*mac = (struct rte_ether_addr){
		{0x02, 0x74, hash >> 24, hash >> 16 & 255, hash >> 8 & 255, hash & 255}};
}

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	char arguments[64];
	int rc;

	if (!options)
		return -EINVAL;
	rte_kvargs_free(options);
	if (!netdev_name_ok(port->device)) {
		reason_add(reason,
			"port %s: device \"%s\": expected the name of a netdev to create",
			port->name, port->device);
		return -EINVAL;
	}
	if (if_nametoindex(port->device)) {
		reason_add(reason,
			"port %s: device %s: exists already; kind tap creates it (af_packet and "
			"af_xdp use "
			"one that exists)",
			port->name, port->device);
		return -EEXIST;
	}
	make_mac(port, &port->mac);
	port->max_queues = UINT16_MAX;
	snprintf(arguments, sizeof(arguments), "iface=%s", port->device);
	rc = port_add_vdev(port, "net_tap", arguments, reason);
	if (rc)
		return rc;
	rc = netdev_set_mtu(port->device, port->mtu);
	if (rc) {
		reason_add(reason, "port %s: device %s: mtu %u: %s", port->name, port->device,
			port->mtu, strerror(-rc));
		port_remove_vdev(port, "net_tap");
	}
	return rc;
}

// The driver says 1522 bytes at most, but only the buffers limit it. What it calls offloads is
// done by itself in software, and costs as much as doing it ourselves.
static int configure(struct port *port, struct rte_eth_conf *conf, struct reason *reason)
{
	conf->txmode.offloads &= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf->rxmode.offloads = 0;
	return 0;
}

static void remove_tap(struct port *port)
{
	port_remove_vdev(port, "net_tap");
}

const struct port_kind port_tap = {
	.name = "tap",
	.probe = probe,
	.configure = configure,
	.remove = remove_tap,
};
