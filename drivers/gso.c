// SPDX-License-Identifier: BSD-3-Clause
#include "gso.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xdp.h"

#define SEND_BUFFER   (4 << 20) // bytes
#define PAYLOAD_LEAST 512       // what is smaller gains nothing
#define LENGTH_MOST   65535     // of an IP packet

// Where what is in the frame.
struct layout {
	uint32_t l4, payload; // offsets
	uint32_t length;      // of the payload
	const struct rte_tcp_hdr *tcp;
};

static bool look(const struct rte_mbuf *mbuf, struct layout *at)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ether_hdr *ethernet = (const struct rte_ether_hdr *)frame;
	uint32_t l3_length;

	if (mbuf->nb_segs != 1 || mbuf->data_len < 14 + 40 + PAYLOAD_LEAST)
		return false;
	if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + 14);

		if (ip->version_ihl != RTE_IPV4_VHL_DEF || ip->next_proto_id != IPPROTO_TCP ||
			ip->fragment_offset != RTE_BE16(RTE_IPV4_HDR_DF_FLAG))
			return false;
		at->l4 = 14 + sizeof(*ip);
		l3_length = rte_be_to_cpu_16(ip->total_length);
	} else if (ethernet->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(frame + 14);

		if (ip->proto != IPPROTO_TCP)
			return false;
		at->l4 = 14 + sizeof(*ip);
		l3_length = rte_be_to_cpu_16(ip->payload_len) + sizeof(*ip);
	} else {
		return false;
	}
	at->tcp = (const struct rte_tcp_hdr *)(frame + at->l4);
	at->payload = at->l4 + (at->tcp->data_off >> 4) * 4u;
	if (14 + l3_length != mbuf->data_len || at->payload + PAYLOAD_LEAST > mbuf->data_len)
		return false;
	at->length = mbuf->data_len - at->payload;
	return (at->tcp->tcp_flags & ~RTE_TCP_PSH_FLAG) == RTE_TCP_ACK_FLAG;
}

// The headers of both but for lengths, identification, checksums, sequence number and flags.
static bool alike(const struct rte_mbuf *a, const struct rte_mbuf *b, const struct layout *at)
{
	const uint8_t *p = rte_pktmbuf_mtod(a, const uint8_t *);
	const uint8_t *q = rte_pktmbuf_mtod(b, const uint8_t *);
	const struct rte_tcp_hdr *s = (const struct rte_tcp_hdr *)(p + at->l4);
	const struct rte_tcp_hdr *t = (const struct rte_tcp_hdr *)(q + at->l4);
	bool v4 = at->l4 == 14 + sizeof(struct rte_ipv4_hdr);

	if (memcmp(p, q, 14 + 2) != 0) // Ethernet, version, traffic class
		return false;
	if (v4 ? memcmp(p + 14 + 8, q + 14 + 8, 2) != 0 || memcmp(p + 26, q + 26, 8) != 0
	       : memcmp(p + 16, q + 16, 2) != 0 || memcmp(p + 20, q + 20, 34) != 0)
		return false;
	return s->src_port == t->src_port && s->dst_port == t->dst_port &&
	       s->recv_ack == t->recv_ack && s->data_off == t->data_off && s->rx_win == t->rx_win &&
	       memcmp(p + at->l4 + sizeof(*s), q + at->l4 + sizeof(*t),
		       at->payload - at->l4 - sizeof(*s)) == 0;
}

uint16_t gso_run(struct rte_mbuf *const *mbufs, uint16_t n)
{
	struct layout first, next;
	uint32_t sequence, total;
	uint16_t run = 1;

	if (n < GSO_LEAST || !look(mbufs[0], &first) || first.tcp->tcp_flags & RTE_TCP_PSH_FLAG)
		return 0;
	sequence = rte_be_to_cpu_32(first.tcp->sent_seq) + first.length;
	total = mbufs[0]->data_len - 14;
	while (run < n && run < GSO_MOST && look(mbufs[run], &next) && next.l4 == first.l4 &&
		next.payload == first.payload && next.length <= first.length &&
		rte_be_to_cpu_32(next.tcp->sent_seq) == sequence &&
		total + next.length <= LENGTH_MOST && alike(mbufs[0], mbufs[run], &first)) {
		sequence += next.length;
		total += next.length;
		run++;
		if (next.length < first.length || next.tcp->tcp_flags & RTE_TCP_PSH_FLAG)
			break;
	}
	return run < GSO_LEAST ? 0 : run;
}

// The first frame's headers become those of all of them; the kernel completes the checksum.
static bool make_one(struct rte_mbuf *const *mbufs, uint16_t n, const struct layout *first)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbufs[0], uint8_t *);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + first->l4);
	struct layout last;
	uint32_t length = mbufs[0]->data_len - 14;

	for (uint16_t i = 1; i < n; i++)
		length += mbufs[i]->data_len - first->payload;
	if (!look(mbufs[n - 1], &last))
		return false;
	tcp->tcp_flags = last.tcp->tcp_flags;
	if (first->l4 == 14 + sizeof(struct rte_ipv4_hdr)) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);

		ip->total_length = rte_cpu_to_be_16((uint16_t)length);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(frame + 14);

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(length - sizeof(*ip)));
		tcp->cksum = rte_ipv6_phdr_cksum(ip, 0);
	}
	return true;
}

// `parts` begins with what the kernel is told of the packet, and ends with its bytes.
static bool send_parts(
	struct gso *gso, const struct virtio_net_hdr *header, struct iovec *parts, unsigned count)
{
	const struct rte_ether_hdr *ethernet = parts[1].iov_base;
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_ifindex = gso->index,
		.sll_protocol = ethernet->ether_type};
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = count};

	parts[0] = (struct iovec){(void *)(uintptr_t)header, sizeof(*header)};
	if (sendmsg(gso->fd, &message, MSG_DONTWAIT) >= 0 || (gso->disowned && errno == ENOBUFS))
		return true;
	if (errno == EINVAL || errno == EOPNOTSUPP)
		gso_close(gso);
	return false;
}

static struct virtio_net_hdr header_of(bool v4, uint32_t l4, uint32_t payload, uint32_t segment)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = (uint16_t)payload,
		.gso_size = (uint16_t)segment,
		.csum_start = (uint16_t)l4,
		.csum_offset = offsetof(struct rte_tcp_hdr, cksum),
	};
}

bool gso_send(struct gso *gso, struct rte_mbuf *const *mbufs, uint16_t n)
{
	struct iovec parts[1 + GSO_MOST];
	struct virtio_net_hdr header;
	struct layout first;

	if (!look(mbufs[0], &first) || !make_one(mbufs, n, &first))
		return false;
	header = header_of(first.l4 == 14 + sizeof(struct rte_ipv4_hdr), first.l4, first.payload,
		first.length);
	parts[1] = (struct iovec){rte_pktmbuf_mtod(mbufs[0], void *), mbufs[0]->data_len};
	for (uint16_t i = 1; i < n; i++)
		parts[1 + i] =
			(struct iovec){rte_pktmbuf_mtod_offset(mbufs[i], void *, first.payload),
				mbufs[i]->data_len - first.payload};
	return send_parts(gso, &header, parts, 1u + n);
}

bool gso_send_run(struct gso *gso, struct rte_mbuf *run)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(run, uint8_t *, run->l2_len);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(l3 + run->l3_len);
	bool v4 = run->ol_flags & RTE_MBUF_F_TX_IPV4;
	uint32_t l4 = (uint32_t)(run->l2_len + run->l3_len);
	struct virtio_net_hdr header =
		header_of(v4, l4, l4 + (uint32_t)run->l4_len, run->tso_segsz);
	struct iovec parts[1 + PORT_RUN_MBUFS];
	unsigned count = 1;

	if (v4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
	} else {
		tcp->cksum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)l3, 0);
	}
	for (struct rte_mbuf *at = run; at && count < RTE_DIM(parts); at = at->next)
		parts[count++] = (struct iovec){rte_pktmbuf_mtod(at, void *), at->data_len};
	return send_parts(gso, &header, parts, count);
}

uint32_t gso_frames(const struct rte_mbuf *run, uint64_t *bytes)
{
	uint32_t headers = (uint32_t)(run->l2_len + run->l3_len + run->l4_len);
	uint32_t frames = (run->pkt_len - headers + run->tso_segsz - 1) / run->tso_segsz;

	*bytes = run->pkt_len + (uint64_t)(frames - 1) * headers;
	return frames;
}

int gso_open(struct gso *gso, int index, bool disowned)
{
	const int on = 1, bytes = SEND_BUFFER;
	int error;

	*gso = (struct gso){.index = index, .disowned = disowned};
	gso->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // it receives nothing
	if (gso->fd < 0)
		return -errno;
	if (setsockopt(gso->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0) {
		(void)!setsockopt(gso->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
		return 0;
	}
	error = -errno;
	gso_close(gso);
	return error;
}

void gso_close(struct gso *gso)
{
	if (gso->fd >= 0)
		close(gso->fd);
	gso->fd = -1;
}

void gso_port_open(struct gso_port *gso, struct port *port, const struct netdev *netdev)
{
	*gso = (struct gso_port){.disown = -1};
	if (strcmp(netdev->driver, "veth") != 0)
		return;
	gso->queues = rte_calloc("gso", port->queues, sizeof(struct gso), RTE_CACHE_LINE_SIZE);
	if (!gso->queues)
		return;
	gso->disown = tcx_attach_disown(netdev->index);
	gso->count = port->queues;
	port->caps |= PORT_TX_RUN;
	for (uint16_t q = 0; q < gso->count; q++)
		if (gso_open(&gso->queues[q], netdev->index, gso->disown >= 0))
			port->caps &= ~(uint32_t)PORT_TX_RUN;
}

void gso_port_close(struct gso_port *gso)
{
	for (uint16_t q = 0; q < gso->count; q++)
		gso_close(&gso->queues[q]);
	if (gso->queues && gso->disown >= 0)
		close(gso->disown);
	rte_free(gso->queues);
	*gso = (struct gso_port){.disown = -1};
}

static bool is_run(const struct rte_mbuf *mbuf)
{
	return mbuf->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
}

// `n` that go as one.
static bool send_run(
	struct gso *gso, struct rte_mbuf **mbufs, uint16_t n, const struct gso_rest *rest)
{
	uint64_t bytes = 0;
	uint32_t frames = n;

	if (is_run(mbufs[0])) {
		if (!gso_send_run(gso, mbufs[0]))
			return false;
		frames = gso_frames(mbufs[0], &bytes);
	} else {
		if (!gso_send(gso, mbufs, n))
			return false;
		for (uint16_t i = 0; i < n; i++)
			bytes += mbufs[i]->pkt_len;
	}
	rest->sent(rest->queue, frames, bytes);
	rte_pktmbuf_free_bulk(mbufs, n);
	return true;
}

uint16_t gso_transmit(const struct gso_port *port_gso, uint16_t queue, struct rte_mbuf **mbufs,
	uint16_t n, const struct gso_rest *rest)
{
	struct gso *gso = port_gso->queues ? &port_gso->queues[queue] : NULL;
	uint16_t sent = 0, at = 0;

	if (!gso || gso->fd < 0)
		return rest->send(rest->queue, mbufs, n);
	while (at < n) {
		uint16_t run = is_run(mbufs[at]) ? 1 : gso_run(mbufs + at, n - at);

		if (run == 0) {
			at++;
			continue;
		}
		// What came before goes before.
		if (sent < at)
			sent += rest->send(rest->queue, mbufs + sent, at - sent);
		if (sent < at)
			return sent;
		if (!send_run(gso, mbufs + at, run, rest)) {
			if (gso->fd < 0) // nothing takes runs of this queue any more
				rest->port->caps &= ~(uint32_t)PORT_TX_RUN;
			return sent;
		}
		at += run;
		sent = at;
	}
	return sent < n ? sent + rest->send(rest->queue, mbufs + sent, n - sent) : sent;
}
