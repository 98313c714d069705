// SPDX-License-Identifier: BSD-3-Clause
// af_xdp: a netdev of the kernel, through AF_XDP sockets, ahead of the kernel's stack.
//
// device = the netdev. Options: copy=yes (for a driver whose zero-copy misbehaves).
// Ours and not DPDK's net_af_xdp, because that waits up to a second in poll() when a driver asks
// to be woken, ends at an MTU of about 3500, leaves checksums unfinished on a veth, and needs
// libxdp, its dispatcher and a BPF file system for a program of five instructions.
// Up to an MTU of 3818 anywhere that knows XDP; beyond, up to 9000, with Linux 6.6 and a driver
// that knows fragments. The netdev is given as many queues as we use, as a queue without a socket
// would lose its frames. Its spreading is its own affair: no PORT_RSS.
// Known limit: a VLAN tag that a veth's other end hands over beside the frame (tx-vlan-offload) is
// not shown to XDP programs and lost; turn it off there. A tag in the frame is delivered.
#include <errno.h>
#include <rte_malloc.h>
#include <string.h>
#include <unistd.h>

#include "gso.h"
#include "netdev.h"
#include "port_internal.h"
#include "xdp.h"
#include "xsk.h"

// The largest whose frames fit one chunk.
#define MTU_OF(chunk) ((chunk)-XSK_HEADROOM - ETHERNET_OVERHEAD)

struct af_xdp {
	struct netdev netdev;
	unsigned flags; // enum xsk_flag
	int map, program;
	uint16_t count;
	struct xsk *queues;
	struct gso_port gso;
};

static const char *const known[] = {"copy", NULL};

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	struct af_xdp *state;
	const char *copy;
	unsigned flags;
	int rc = 0;

	if (!options)
		return -EINVAL;
	copy = rte_kvargs_get(options, "copy");
	flags = copy && strcmp(copy, "yes") == 0 ? XSK_COPY : 0;
	if (copy && !flags && strcmp(copy, "no") != 0) {
		reason_add(
			reason, "port %s: options: copy=%s: expected yes or no", port->name, copy);
		rc = -EINVAL;
	}
	rte_kvargs_free(options);
	if (rc)
		return rc;
	if (port->mtu > MTU_OF(XSK_CHUNK_MAX))
		flags |= XSK_FRAGMENTS;
	state = rte_zmalloc("af_xdp", sizeof(*state), 0);
	if (!state)
		return -ENOMEM;
	state->map = state->program = -1;
	state->flags = flags;
	rc = netdev_seize(&state->netdev, port, reason);
	if (rc) {
		rte_free(state);
		return rc;
	}
	port->max_queues = netdev_set_queues(&state->netdev, port->queues);
	port->mac = state->netdev.mac;
	port->state = state;
	return 0;
}

static void close_queues(struct af_xdp *state)
{
	// First the program, so that nothing more comes for the sockets.
	if (state->program >= 0)
		close(state->program);
	if (state->map >= 0)
		close(state->map);
	state->program = state->map = -1;
	for (uint16_t q = 0; q < state->count; q++)
		xsk_close(&state->queues[q]);
	gso_port_close(&state->gso);
	rte_free(state->queues);
	state->queues = NULL;
	state->count = 0;
}

static int open_sockets(struct port *port, struct af_xdp *state, struct reason *reason)
{
	uint32_t chunk = port->mtu > MTU_OF(XSK_CHUNK_MIN) ? XSK_CHUNK_MAX : XSK_CHUNK_MIN;
	int rc = 0;

	for (uint16_t q = 0; q < port->queues && rc == 0; q++) {
		rc = xsk_open(&state->queues[q], state->netdev.index, q, chunk, state->flags);
		if (rc == 0)
			state->count++;
		if (rc == 0)
			rc = xdp_map_set(state->map, q, state->queues[q].fd);
	}
	if (rc == -EINVAL && (state->flags & XSK_FRAGMENTS))
		reason_add(reason,
			"port %s: device %s: mtu %u needs XDP fragments, which this kernel (before "
			"6.6) or "
			"the driver %s does not have; at most %u",
			port->name, port->device, port->mtu, state->netdev.driver,
			MTU_OF(XSK_CHUNK_MAX));
	else if (rc)
		reason_add(reason, "port %s: device %s: AF_XDP socket: %s", port->name,
			port->device, strerror(-rc));
	return rc;
}

static int attach(struct port *port, struct af_xdp *state, struct reason *reason)
{
	state->program =
		xdp_attach_redirect(state->netdev.index, state->map, state->flags & XSK_FRAGMENTS);
	if (state->program >= 0) {
		// A veth that gets a program starts to gather segments, unless told otherwise anew.
		netdev_disable_gro(&state->netdev);
		return 0;
	}
	reason_add(reason, "port %s: device %s: its driver %s takes no XDP program: %s%s",
		port->name, port->device, state->netdev.driver, strerror(-state->program),
		state->program == -ERANGE
			? "; the mtu is too large for it, here or at a veth's other end"
		: state->program == -ENOSPC
			? "; the other end of the veth has more queues than this one"
		: state->program == -EBUSY ? "; it has one already (ip link set dev ... xdp off)"
					   : "");
	return state->program;
}

static int start(struct port *port, struct reason *reason)
{
	struct af_xdp *state = port->state;
	int rc;

	state->queues = rte_calloc("af_xdp", port->queues, sizeof(struct xsk), RTE_CACHE_LINE_SIZE);
	if (!state->queues)
		return -ENOMEM;
	state->map = xdp_map_create(port->queues);
	if (state->map < 0) {
		reason_add(reason, "port %s: device %s: no BPF map: %s", port->name, port->device,
			strerror(-state->map));
		rc = state->map;
	} else {
		rc = open_sockets(port, state, reason);
	}
	if (rc == 0)
		rc = attach(port, state, reason);
	if (rc) {
		close_queues(state);
		return rc;
	}
	gso_port_open(&state->gso, port, &state->netdev);
	if (state->gso.queues)
		port->caps |= PORT_TX_L4_CKSUM; // the kernel's for a run, ours for one
	return 0;
}

static uint16_t receive(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct af_xdp *state = port->state;

	return xsk_receive(&state->queues[queue], port->pool, mbufs, n);
}

static uint16_t send_rest(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return xsk_send(queue, mbufs, n);
}

static void sent(void *queue, uint32_t frames, uint64_t bytes)
{
	struct xsk *xsk = queue;

	xsk->tx_frames += frames;
	xsk->tx_bytes += bytes;
}

static uint16_t transmit(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct af_xdp *state = port->state;
	const struct gso_rest rest = {port, &state->queues[queue], send_rest, sent};

	return gso_transmit(&state->gso, queue, mbufs, n, &rest);
}

static struct port_link read_link(const struct port *port)
{
	return netdev_link(&((struct af_xdp *)port->state)->netdev);
}

static void counters(const struct port *port, struct rte_eth_stats *stats)
{
	const struct af_xdp *state = port->state;

	for (uint16_t q = 0; q < state->count; q++) {
		const struct xsk *xsk = &state->queues[q];

		stats->ipackets += xsk->rx_frames;
		stats->ibytes += xsk->rx_bytes;
		stats->ierrors += xsk->rx_bad;
		stats->rx_nombuf += xsk->rx_no_buffer;
		stats->opackets += xsk->tx_frames;
		stats->obytes += xsk->tx_bytes;
		stats->oerrors += xsk->tx_bad;
		xsk_losses(xsk, &stats->imissed, &stats->oerrors);
	}
}

static int rx_fd(const struct port *port, uint16_t queue)
{
	return ((struct af_xdp *)port->state)->queues[queue].fd;
}

static void remove_af_xdp(struct port *port)
{
	struct af_xdp *state = port->state;

	close_queues(state);
	netdev_release(&state->netdev);
	rte_free(state);
	port->state = NULL;
}

static const struct port_engine engine = {
	.start = start,
	.rx = receive,
	.tx = transmit,
	.link = read_link,
	.counters = counters,
	.rx_fd = rx_fd,
};

const struct port_kind port_af_xdp = {
	.name = "af_xdp",
	.engine = &engine,
	.probe = probe,
	.remove = remove_af_xdp,
};
