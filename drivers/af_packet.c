// SPDX-License-Identifier: BSD-3-Clause
// af_packet: a netdev of the kernel, through packet sockets. For labs on veth pairs and for NICs
// that nothing else drives.
//
// device = the netdev. No options. We move the frames ourselves: DPDK's net_af_packet asks the
// kernel to reassemble IP fragments and then cuts what it gets at its frame size, cannot tell a cut
// frame from a whole one, knows neither what was lost nor whether a checksum is whole, and may
// wait in poll() for ever.
//
// Receiving: a ring of TPACKET_V2 frames a queue, shared with the kernel, each behind a
// virtio_net_hdr, which says where an unfinished checksum is. With several queues the kernel
// spreads by its own hash (PACKET_FANOUT_HASH), so there is no PORT_RSS.
// Sending: sendmmsg(), one copy, past the queueing discipline; runs of segments on a veth by gso.h.
// A send error means this frame only.
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <rte_malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gso.h"
#include "log.h"
#include "netdev.h"
#include "partial_checksum.h"
#include "port_internal.h"
#include "xdp.h"

#define RING_BYTES  (8u << 20) // a queue
#define BLOCK_BYTES (1u << 18)
#define TX_BURST    64
#define TX_SEGMENTS 4 // of one mbuf; more is refused
#define SNDBUF      (8 << 20)

struct queue {
	int rx; // the socket with the ring
	int tx;
	uint8_t *ring;
	uint32_t frame_bytes, frames_a_block, frames;
	uint32_t block, slot; // of the frame that comes next
	// Written by the worker, read by the main lcore.
	uint64_t rx_frames, rx_bytes, rx_bad, rx_no_buffer;
	uint64_t tx_frames, tx_bytes, tx_bad;
} __rte_cache_aligned;

struct af_packet {
	struct netdev netdev;
	int pass; // file descriptor of the XDP program that keeps veth peers from super-frames, or
		  // -1
	uint64_t missed; // the kernel's counter starts anew each time it is read
	uint16_t count;
	struct queue *queues;
	struct gso_port gso;
};

static const char *const known[] = {NULL};

static int probe(struct port *port, const struct port_settings *settings, struct reason *reason)
{
	struct rte_kvargs *options = port_options(settings, known, reason);
	struct af_packet *state;
	int rc;

	if (!options)
		return -EINVAL;
	rte_kvargs_free(options);
	state = rte_zmalloc("af_packet", sizeof(*state), 0);
	if (!state)
		return -ENOMEM;
	state->pass = -1;
	rc = netdev_seize(&state->netdev, port, reason);
	if (rc) {
		rte_free(state);
		return rc;
	}
	if (strcmp(state->netdev.driver, "veth") == 0) {
		state->pass = xdp_attach_pass(state->netdev.index);
		if (state->pass < 0)
			log_warning("port",
				"%s: %s: no XDP program can be attached (%s): TCP from the other "
				"end "
				"of this veth will be lost unless it turns off tso and gso",
				port->name, port->device, strerror(-state->pass));
		// Attaching makes a veth gather segments by itself, unless told otherwise anew.
		netdev_disable_gro(&state->netdev);
	}
	port->mac = state->netdev.mac;
	port->max_queues = SLUICE_WORKERS_MAX;
	port->state = state;
	return 0;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_ring(struct queue *queue, const struct port *port)
{
	// Ahead of the frame stand the kernel's header, its address and the virtio_net_hdr.
	uint32_t frame = TPACKET_ALIGN(TPACKET2_HDRLEN + sizeof(struct virtio_net_hdr) + 32 +
				       port->mtu + ETHERNET_OVERHEAD);
	struct tpacket_req request = {.tp_block_size = BLOCK_BYTES, .tp_frame_size = frame};

	queue->frame_bytes = frame;
	queue->frames_a_block = BLOCK_BYTES / frame;
	request.tp_block_nr = RING_BYTES / BLOCK_BYTES;
	request.tp_frame_nr = queue->frames = request.tp_block_nr * queue->frames_a_block;
	if (setsockopt(queue->rx, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
		return -errno;
	queue->ring = mmap(
		NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, queue->rx, 0);
	if (queue->ring == MAP_FAILED) {
		queue->ring = NULL;
		return -errno;
	}
	return 0;
}

static int set_filter(const struct queue *queue, struct sock_filter *filter, uint16_t length)
{
	struct sock_fprog program = {.len = length, .filter = filter};

	return setsockopt(queue->rx, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
		       ? -errno
		       : 0;
}

// A socket must be bound before it can join, and would have every frame until then.
static int let_nothing_in(const struct queue *queue)
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};

	return set_filter(queue, &nothing, 1);
}

// A group of sockets is given what goes out, too, whatever each of them asked for.
static int let_received_in(const struct queue *queue)
{
	struct sock_filter received[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};

	return set_filter(queue, received, RTE_DIM(received));
}

static int open_rx(struct queue *queue, const struct port *port, const struct sockaddr_ll *address)
{
	int rc;

	queue->rx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (queue->rx < 0)
		return -errno;
	rc = set(queue->rx, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	if (rc == 0)
		rc = set(queue->rx, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (rc == 0)
		rc = set(queue->rx, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (rc == 0)
		rc = let_nothing_in(queue);
	if (rc == 0)
		rc = open_ring(queue, port);
	if (rc == 0 && bind(queue->rx, (const void *)address, sizeof(*address)) < 0)
		rc = -errno;
	return rc;
}

static int open_tx(struct queue *queue, const struct sockaddr_ll *address)
{
	struct sockaddr_ll mute = *address;

	mute.sll_protocol = 0;
	queue->tx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (queue->tx < 0)
		return -errno;
	// Without it there is only more work for the kernel.
	set(queue->tx, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	set(queue->tx, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF);
	return bind(queue->tx, (const void *)&mute, sizeof(mute)) < 0 ? -errno : 0;
}

// The first socket of a group gets the group's number from the kernel, the others are told it.
static int join_fanout(const struct queue *queue, bool first, uint16_t *group)
{
	uint32_t value = PACKET_FANOUT_HASH << 16;
	socklen_t length = sizeof(value);

	value |= first ? PACKET_FANOUT_FLAG_UNIQUEID << 16 : *group;
	if (setsockopt(queue->rx, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)) < 0 ||
		getsockopt(queue->rx, SOL_PACKET, PACKET_FANOUT, &value, &length) < 0)
		return -errno;
	*group = (uint16_t)value;
	return 0;
}

static void close_queues(struct af_packet *state)
{
	for (uint16_t q = 0; q < state->count; q++) {
		struct queue *queue = &state->queues[q];

		if (queue->ring)
			munmap(queue->ring, RING_BYTES);
		if (queue->rx >= 0)
			close(queue->rx);
		if (queue->tx >= 0)
			close(queue->tx);
	}
	rte_free(state->queues);
	gso_port_close(&state->gso);
	state->queues = NULL;
	state->count = 0;
}

static int start(struct port *port, struct reason *reason)
{
	struct af_packet *state = port->state;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = state->netdev.index,
	};
	uint16_t group = 0;
	int rc = 0;

	state->queues =
		rte_calloc("af_packet", port->queues, sizeof(struct queue), RTE_CACHE_LINE_SIZE);
	if (!state->queues)
		return -ENOMEM;
	state->count = port->queues;
	for (uint16_t q = 0; q < state->count; q++)
		state->queues[q].rx = state->queues[q].tx = -1;
	for (uint16_t q = 0; q < state->count && rc == 0; q++) {
		rc = open_rx(&state->queues[q], port, &address);
		if (rc == 0)
			rc = open_tx(&state->queues[q], &address);
		if (rc == 0 && state->count > 1)
			rc = join_fanout(&state->queues[q], q == 0, &group);
	}
	for (uint16_t q = 0; q < state->count && rc == 0; q++)
		rc = state->count > 1 ? let_received_in(&state->queues[q])
				      : set(state->queues[q].rx, SOL_SOCKET, SO_DETACH_FILTER, 0);
	if (rc) {
		reason_add(reason, "port %s: device %s: packet sockets: %s", port->name,
			port->device, strerror(-rc));
		close_queues(state);
		return rc;
	}
	gso_port_open(&state->gso, port, &state->netdev);
	return 0;
}

static struct tpacket2_hdr *next_frame(const struct queue *queue)
{
	return (void *)(queue->ring + (size_t)queue->block * BLOCK_BYTES +
			(size_t)queue->slot * queue->frame_bytes);
}

static void release_frame(struct queue *queue, struct tpacket2_hdr *head)
{
	__atomic_store_n(&head->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	if (++queue->slot == queue->frames_a_block) {
		queue->slot = 0;
		if (++queue->block == RING_BYTES / BLOCK_BYTES)
			queue->block = 0;
	}
}

// The kernel takes the outer tag out of every frame. An mbuf has no place for its type, so that one
// of another type than 802.1Q goes back in.
static bool take_tag(const struct tpacket2_hdr *head, struct rte_mbuf *mbuf, uint32_t status)
{
	struct rte_ether_hdr *ether;
	struct rte_vlan_hdr *tag;

	if (!(status & TP_STATUS_VLAN_TPID_VALID) || head->tp_vlan_tpid == RTE_ETHER_TYPE_VLAN) {
		mbuf->vlan_tci = head->tp_vlan_tci;
		mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		return true;
	}
	ether = (void *)rte_pktmbuf_prepend(mbuf, sizeof(*tag));
	if (!ether)
		return false;
	memmove(ether, (uint8_t *)ether + sizeof(*tag), sizeof(struct rte_ether_addr[2]));
	tag = (struct rte_vlan_hdr *)(ether + 1);
	ether->ether_type = htons(head->tp_vlan_tpid);
	tag->vlan_tci = htons(head->tp_vlan_tci);
	return true;
}

// False when the frame is no good: cut, or a super-frame that did not become smaller.
static bool take_frame(const struct tpacket2_hdr *head, struct rte_mbuf *mbuf, uint32_t status)
{
	const uint8_t *data = (const uint8_t *)head + head->tp_mac;
	const struct virtio_net_hdr *net = (const void *)(data - sizeof(*net));
	uint8_t *to = rte_pktmbuf_mtod(mbuf, uint8_t *);

	if (head->tp_snaplen < head->tp_len || head->tp_snaplen > rte_pktmbuf_tailroom(mbuf))
		return false;
	rte_memcpy(to, data, head->tp_snaplen);
	mbuf->data_len = (uint16_t)head->tp_snaplen;
	mbuf->pkt_len = head->tp_snaplen;
	if (net->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!partial_checksum_complete(
			    to, head->tp_snaplen, net->csum_start, net->csum_offset))
			return false;
		mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	} else if (net->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	}
	return !(status & TP_STATUS_VLAN_VALID) || take_tag(head, mbuf, status);
}

static uint16_t receive(struct port *port, uint16_t q, struct rte_mbuf **mbufs, uint16_t n)
{
	struct queue *queue = &((struct af_packet *)port->state)->queues[q];
	uint16_t got = 0;

	while (got < n) {
		struct tpacket2_hdr *head = next_frame(queue);
		uint32_t status = __atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE);
		struct rte_mbuf *mbuf;

		if (!(status & TP_STATUS_USER))
			break;
		mbuf = rte_pktmbuf_alloc(port->pool);
		if (!mbuf) { // the frame stays; what finds no room behind it counts as missed
			queue->rx_no_buffer++;
			break;
		}
		if (take_frame(head, mbuf, status)) {
			queue->rx_frames++;
			queue->rx_bytes += mbuf->pkt_len;
			mbufs[got++] = mbuf;
		} else {
			queue->rx_bad++;
			rte_pktmbuf_free(mbuf);
		}
		release_frame(queue, head);
	}
	return got;
}

// Fills one message; false when the mbuf has more segments than we send.
static bool put_message(struct mmsghdr *message, struct iovec *vector, const struct rte_mbuf *mbuf)
{
	unsigned segments = 0;

	if (mbuf->nb_segs > TX_SEGMENTS)
		return false;
	for (; mbuf; mbuf = mbuf->next) {
		vector[segments].iov_base = rte_pktmbuf_mtod(mbuf, void *);
		vector[segments++].iov_len = mbuf->data_len;
	}
	message->msg_hdr = (struct msghdr){.msg_iov = vector, .msg_iovlen = segments};
	return true;
}

// Sends what it can of one burst: how many frames it has done with, sent or found bad.
static uint16_t transmit_burst(struct queue *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct mmsghdr messages[TX_BURST];
	struct iovec vectors[TX_BURST][TX_SEGMENTS];
	uint16_t ready = 0, done = 0;

	while (ready < n && put_message(&messages[ready], vectors[ready], mbufs[ready]))
		ready++;
	while (done < ready) {
		int sent = sendmmsg(queue->tx, messages + done, ready - done, MSG_DONTWAIT);

		if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
			break;  // the caller may keep them
		if (sent < 0) { // too long, interface down: this frame will never go
			queue->tx_bad++;
			done++;
			continue;
		}
		for (int i = 0; i < sent; i++)
			queue->tx_bytes += mbufs[done + i]->pkt_len;
		queue->tx_frames += (unsigned)sent;
		done += (uint16_t)sent;
	}
	if (done == ready && ready < n) { // the one with too many segments
		queue->tx_bad++;
		done++;
	}
	rte_pktmbuf_free_bulk(mbufs, done);
	return done;
}

static uint16_t send_rest(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t done = 0;

	while (done < n) {
		uint16_t burst = RTE_MIN(n - done, TX_BURST);
		uint16_t sent = transmit_burst(queue, mbufs + done, burst);

		if (!sent)
			break;
		done += sent;
	}
	return done;
}

static void sent(void *queue, uint32_t frames, uint64_t bytes)
{
	((struct queue *)queue)->tx_frames += frames;
	((struct queue *)queue)->tx_bytes += bytes;
}

static uint16_t transmit(struct port *port, uint16_t q, struct rte_mbuf **mbufs, uint16_t n)
{
	struct af_packet *state = port->state;
	const struct gso_rest rest = {port, &state->queues[q], send_rest, sent};

	return gso_transmit(&state->gso, q, mbufs, n, &rest);
}

static struct port_link read_link(const struct port *port)
{
	return netdev_link(&((struct af_packet *)port->state)->netdev);
}

static void counters(const struct port *port, struct rte_eth_stats *stats)
{
	struct af_packet *state = port->state;

	for (uint16_t q = 0; q < state->count; q++) {
		const struct queue *queue = &state->queues[q];
		struct tpacket_stats drops = {0};
		socklen_t length = sizeof(drops);

		if (getsockopt(queue->rx, SOL_PACKET, PACKET_STATISTICS, &drops, &length) == 0)
			state->missed += drops.tp_drops;
		stats->ipackets += queue->rx_frames;
		stats->ibytes += queue->rx_bytes;
		stats->ierrors += queue->rx_bad;
		stats->rx_nombuf += queue->rx_no_buffer;
		stats->opackets += queue->tx_frames;
		stats->obytes += queue->tx_bytes;
		stats->oerrors += queue->tx_bad;
	}
	stats->imissed = state->missed;
}

static int rx_fd(const struct port *port, uint16_t queue)
{
	return ((struct af_packet *)port->state)->queues[queue].rx;
}

static void remove_af_packet(struct port *port)
{
	struct af_packet *state = port->state;

	close_queues(state);
	if (state->pass >= 0)
		close(state->pass);
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

const struct port_kind port_af_packet = {
	.name = "af_packet",
	.engine = &engine,
	.probe = probe,
	.remove = remove_af_packet,
};
