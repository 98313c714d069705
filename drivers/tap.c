// SPDX-License-Identifier: BSD-3-Clause
// tap: a TAP device of the kernel as the wire, made by us.
//
// device = the name the netdev gets; it goes when the port is closed. No options. The other end is
// the kernel: put the netdev in a bridge or a namespace, or give it an address, and the kernel is
// the neighbour. The kernel cuts its super-frames and completes checksums before a TAP's reader
// sees them, and spreads frames over our queues by its own hash: no PORT_RSS.
// Ours and not DPDK's net_tap, which has itself told of frames by signals, gives the kernel's end
// the same MAC address as ours, and ends at an MTU of 1500.
// Not to be confused with the twins of host/, through which the kernel is reached behind a port.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "netdev.h"
#include "port_internal.h"

#define TX_SEGMENTS 4 // of one mbuf; more is refused

struct queue {
	int fd;
	// Written by the worker, read by the main lcore.
	uint64_t rx_frames, rx_bytes, rx_bad, rx_no_buffer;
	uint64_t tx_frames, tx_bytes, tx_bad;
} __rte_cache_aligned;

struct tap {
	struct netdev netdev; // only name, index and control
	uint16_t count;
	struct queue *queues;
};

static const char *const known[] = {NULL};

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	struct tap *state;

	if (!options)
		return -EINVAL;
	rte_kvargs_free(options);
	if (!netdev_name_ok(port->device)) {
		reason_add(reason,
			"port %s: device \"%s\": expected the name of a netdev to create",
			port->name, port->device);
		return -EINVAL;
	}
	state = rte_zmalloc("tap", sizeof(*state), 0);
	if (!state)
		return -ENOMEM;
	snprintf(state->netdev.name, sizeof(state->netdev.name), "%s", port->device);
	state->netdev.control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (state->netdev.control < 0) {
		rte_free(state);
		return -errno;
	}
	port_make_mac(port, "tap", &port->mac);
	port->max_queues = SLUICE_WORKERS_MAX;
	port->state = state;
	return 0;
}

static int open_queue(struct queue *queue, const struct tap *state, bool first)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE};

	if (first)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", state->netdev.name);
	queue->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (queue->fd < 0 || ioctl(queue->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	return 0;
}

static int bring_up(struct tap *state, const struct port *port)
{
	struct ifreq ifr = {0};
	int rc = netdev_set_mtu(port->device, port->mtu);

	if (rc)
		return rc;
	state->netdev.index = (int)if_nametoindex(port->device);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", port->device);
	if (ioctl(state->netdev.control, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(state->netdev.control, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static void close_queues(struct tap *state)
{
	for (uint16_t q = 0; q < state->count; q++)
		if (state->queues[q].fd >= 0)
			close(state->queues[q].fd);
	rte_free(state->queues);
	state->queues = NULL;
	state->count = 0;
}

static int start(struct port *port, struct reason *reason)
{
	struct tap *state = port->state;
	int rc = 0;

	state->queues = rte_calloc("tap", port->queues, sizeof(struct queue), RTE_CACHE_LINE_SIZE);
	if (!state->queues)
		return -ENOMEM;
	for (uint16_t q = 0; q < port->queues && rc == 0; q++, state->count++)
		rc = open_queue(&state->queues[q], state, q == 0);
	if (rc == 0)
		rc = bring_up(state, port);
	if (rc == 0)
		return 0;
	reason_add(reason, "port %s: device %s: %s%s", port->name, port->device, strerror(-rc),
		rc == -EBUSY ? "; it exists already, and kind tap creates it (af_packet and af_xdp "
			       "use one that exists)"
			     : "");
	close_queues(state);
	return rc;
}

static uint16_t receive(struct port *port, uint16_t q, struct rte_mbuf **mbufs, uint16_t n)
{
	struct queue *queue = &((struct tap *)port->state)->queues[q];
	uint16_t got = 0;

	while (got < n) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
		uint16_t room;
		ssize_t length;

		if (!mbuf) {
			queue->rx_no_buffer++;
			break;
		}
		room = rte_pktmbuf_tailroom(mbuf);
		length = read(queue->fd, rte_pktmbuf_mtod(mbuf, void *), room);
		if (length <= 0 || length == room) { // nothing left, or perhaps cut
			rte_pktmbuf_free(mbuf);
			if (length <= 0)
				break;
			queue->rx_bad++;
			continue;
		}
		mbuf->data_len = (uint16_t)length;
		mbuf->pkt_len = (uint32_t)length;
		queue->rx_frames++;
		queue->rx_bytes += (uint64_t)length;
		mbufs[got++] = mbuf;
	}
	return got;
}

static bool send_frame(const struct queue *queue, const struct rte_mbuf *mbuf)
{
	struct iovec vector[TX_SEGMENTS];
	int segments = 0;

	if (mbuf->nb_segs > TX_SEGMENTS)
		return false;
	for (; mbuf; mbuf = mbuf->next) {
		vector[segments].iov_base = rte_pktmbuf_mtod(mbuf, void *);
		vector[segments++].iov_len = mbuf->data_len;
	}
	return writev(queue->fd, vector, segments) > 0;
}

// The kernel takes a frame at once or never, so all of them are done with.
static uint16_t transmit(struct port *port, uint16_t q, struct rte_mbuf **mbufs, uint16_t n)
{
	struct queue *queue = &((struct tap *)port->state)->queues[q];

	for (uint16_t i = 0; i < n; i++) {
		if (send_frame(queue, mbufs[i])) {
			queue->tx_frames++;
			queue->tx_bytes += mbufs[i]->pkt_len;
		} else {
			queue->tx_bad++;
		}
	}
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static struct port_link read_link(const struct port *port)
{
	const struct tap *state = port->state;

	// Moved to another network namespace, where we cannot ask, it works all the same.
	if ((int)if_nametoindex(state->netdev.name) != state->netdev.index)
		return (struct port_link){true, 0};
	return netdev_link(&state->netdev);
}

static void counters(const struct port *port, struct rte_eth_stats *stats)
{
	const struct tap *state = port->state;

	for (uint16_t q = 0; q < state->count; q++) {
		const struct queue *queue = &state->queues[q];

		stats->ipackets += queue->rx_frames;
		stats->ibytes += queue->rx_bytes;
		stats->ierrors += queue->rx_bad;
		stats->rx_nombuf += queue->rx_no_buffer;
		stats->opackets += queue->tx_frames;
		stats->obytes += queue->tx_bytes;
		stats->oerrors += queue->tx_bad;
	}
	stats->imissed = netdev_unsent(state->netdev.index);
}

static int rx_fd(const struct port *port, uint16_t queue)
{
	return ((struct tap *)port->state)->queues[queue].fd;
}

static void remove_tap(struct port *port)
{
	struct tap *state = port->state;

	close_queues(state);
	close(state->netdev.control);
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

const struct port_kind port_tap = {
	.name = "tap",
	.engine = &engine,
	.probe = probe,
	.remove = remove_tap,
};
