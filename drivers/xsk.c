// SPDX-License-Identifier: BSD-3-Clause
// See xsk.h. Half of the chunks go round between the fill ring, the kernel and the receive ring;
// the other half are spare until a frame to send is copied into them, and come back by the
// completion ring.
#include "xsk.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "partial_checksum.h"

#define RX_CHUNKS 4096
#define TX_CHUNKS 2048

// Cache lines that are asked for ahead: of the buffer to be written, of the frame to be read.
#define BUFFER_LINES 8
#define FRAME_LINES  8

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
// Linux 6.6; not yet in Debian 12's headers.
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

static int map_ring(const struct xsk *xsk, struct xsk_ring *ring, const struct xdp_ring_offset *at,
	uint32_t size, uint64_t page)
{
	size_t entry = page == XDP_PGOFF_RX_RING || page == XDP_PGOFF_TX_RING
			       ? sizeof(struct xdp_desc)
			       : sizeof(uint64_t);
	uint8_t *map;

	ring->map_bytes = at->desc + size * entry;
	map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		xsk->fd, (off_t)page);
	if (map == MAP_FAILED)
		return -errno;
	ring->map = map;
	ring->producer = (void *)(map + at->producer);
	ring->consumer = (void *)(map + at->consumer);
	ring->flags = (void *)(map + at->flags);
	ring->entries = map + at->desc;
	ring->mask = size - 1;
	return 0;
}

static int set_size(const struct xsk *xsk, int option, int size)
{
	return setsockopt(xsk->fd, SOL_XDP, option, &size, sizeof(size)) < 0 ? -errno : 0;
}

static int make_rings(struct xsk *xsk)
{
	struct xdp_mmap_offsets at;
	socklen_t length = sizeof(at);
	int rc = set_size(xsk, XDP_UMEM_FILL_RING, RX_CHUNKS);

	if (rc == 0)
		rc = set_size(xsk, XDP_UMEM_COMPLETION_RING, TX_CHUNKS);
	if (rc == 0)
		rc = set_size(xsk, XDP_RX_RING, RX_CHUNKS);
	if (rc == 0)
		rc = set_size(xsk, XDP_TX_RING, TX_CHUNKS);
	if (rc == 0 && getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) < 0)
		rc = -errno;
	if (rc == 0)
		rc = map_ring(xsk, &xsk->fill, &at.fr, RX_CHUNKS, XDP_UMEM_PGOFF_FILL_RING);
	if (rc == 0)
		rc = map_ring(
			xsk, &xsk->completion, &at.cr, TX_CHUNKS, XDP_UMEM_PGOFF_COMPLETION_RING);
	if (rc == 0)
		rc = map_ring(xsk, &xsk->rx, &at.rx, RX_CHUNKS, XDP_PGOFF_RX_RING);
	if (rc == 0)
		rc = map_ring(xsk, &xsk->tx, &at.tx, TX_CHUNKS, XDP_PGOFF_TX_RING);
	return rc;
}

static int make_memory(struct xsk *xsk)
{
	struct xdp_umem_reg area = {
		.len = (uint64_t)(RX_CHUNKS + TX_CHUNKS) * xsk->chunk,
		.chunk_size = xsk->chunk,
	};

	xsk->spare = malloc(TX_CHUNKS * sizeof(*xsk->spare));
	xsk->memory = mmap(NULL, area.len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (xsk->memory == MAP_FAILED)
		xsk->memory = NULL;
	if (!xsk->spare || !xsk->memory)
		return -ENOMEM;
	area.addr = (uintptr_t)xsk->memory;
	return setsockopt(xsk->fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof(area)) < 0 ? -errno : 0;
}

static void fill_up(struct xsk *xsk)
{
	uint64_t *fill = xsk->fill.entries;

	for (uint32_t i = 0; i < RX_CHUNKS; i++)
		fill[i] = (uint64_t)i * xsk->chunk;
	xsk->fill.next = RX_CHUNKS;
	__atomic_store_n(xsk->fill.producer, xsk->fill.next, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < TX_CHUNKS; i++)
		xsk->spare[xsk->spares++] = (uint64_t)(RX_CHUNKS + i) * xsk->chunk;
}

int xsk_open(struct xsk *xsk, int index, uint32_t queue, uint32_t chunk, unsigned flags)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = (uint32_t)index,
		.sxdp_queue_id = queue,
	};
	int rc;

	if (flags & XSK_COPY)
		address.sxdp_flags |= XDP_COPY;
	if (flags & XSK_FRAGMENTS)
		address.sxdp_flags |= XDP_USE_SG;
	memset(xsk, 0, sizeof(*xsk));
	xsk->chunk = chunk;
	xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xsk->fd < 0)
		return -errno;
	rc = make_memory(xsk);
	if (rc == 0)
		rc = make_rings(xsk);
	if (rc == 0) {
		fill_up(xsk);
		if (bind(xsk->fd, (void *)&address, sizeof(address)) < 0)
			rc = -errno;
	}
	if (rc)
		xsk_close(xsk);
	return rc;
}

void xsk_close(struct xsk *xsk)
{
	struct xsk_ring *rings[] = {&xsk->fill, &xsk->completion, &xsk->rx, &xsk->tx};

	if (xsk->fd >= 0)
		close(xsk->fd);
	for (unsigned i = 0; i < RTE_DIM(rings); i++)
		if (rings[i]->map)
			munmap(rings[i]->map, rings[i]->map_bytes);
	if (xsk->memory)
		munmap(xsk->memory, (size_t)(RX_CHUNKS + TX_CHUNKS) * xsk->chunk);
	free(xsk->spare);
	memset(xsk, 0, sizeof(*xsk));
	xsk->fd = -1;
}

static const struct xdp_desc *rx_entry(const struct xsk *xsk, uint32_t at)
{
	return (const struct xdp_desc *)xsk->rx.entries + (at & xsk->rx.mask);
}

// The descriptors of the frame at `from`, up to `end`: how many, 0 when its last is not there yet.
static uint32_t frame_entries(const struct xsk *xsk, uint32_t from, uint32_t end)
{
	for (uint32_t at = from; at != end; at++)
		if (!(rx_entry(xsk, at)->options & XDP_PKT_CONTD))
			return at - from + 1;
	return 0;
}

// The next frame, which another CPU wrote.
static void prefetch_frame(const struct xsk *xsk, uint32_t at, uint32_t end)
{
	const uint8_t *from;

	if (at == end)
		return;
	from = xsk->memory + rx_entry(xsk, at)->addr;
	for (unsigned i = 0; i < FRAME_LINES; i++)
		__builtin_prefetch(from + i * RTE_CACHE_LINE_SIZE);
}

static bool copy_in(const struct xsk *xsk, struct rte_mbuf *mbuf, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *entry = rx_entry(xsk, xsk->rx.next + i);

		if (entry->len > rte_pktmbuf_tailroom(mbuf))
			return false;
		rte_memcpy(rte_pktmbuf_mtod_offset(mbuf, void *, mbuf->data_len),
			xsk->memory + entry->addr, entry->len);
		mbuf->data_len += (uint16_t)entry->len;
	}
	mbuf->pkt_len = mbuf->data_len;
	return true;
}

// Gives the chunks of the frame back to the kernel. An address may point into its chunk.
static void give_back(struct xsk *xsk, uint32_t count)
{
	uint64_t *fill = xsk->fill.entries;

	for (uint32_t i = 0; i < count; i++)
		fill[xsk->fill.next++ & xsk->fill.mask] =
			rx_entry(xsk, xsk->rx.next++)->addr & ~(uint64_t)(xsk->chunk - 1);
}

uint16_t xsk_receive(struct xsk *xsk, struct rte_mempool *pool, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t end = __atomic_load_n(xsk->rx.producer, __ATOMIC_ACQUIRE);
	uint32_t begin = xsk->rx.next, count;
	uint16_t got = 0;

	while (got < n && (count = frame_entries(xsk, xsk->rx.next, end))) {
		struct rte_mbuf *mbuf = buffer_new(pool, BUFFER_LINES);

		prefetch_frame(xsk, xsk->rx.next + count, end);

		if (!mbuf) { // it waits; what finds no room behind it counts as missed
			xsk->rx_no_buffer++;
			break;
		}
		if (copy_in(xsk, mbuf, count)) {
			// XDP programs are not told which checksums the kernel left unfinished.
			partial_checksum_repair(rte_pktmbuf_mtod(mbuf, uint8_t *), mbuf->data_len);
			xsk->rx_frames++;
			xsk->rx_bytes += mbuf->data_len;
			mbufs[got++] = mbuf;
		} else {
			xsk->rx_bad++;
			rte_pktmbuf_free(mbuf);
		}
		give_back(xsk, count);
	}
	if (xsk->rx.next != begin) {
		__atomic_store_n(xsk->rx.consumer, xsk->rx.next, __ATOMIC_RELEASE);
		__atomic_store_n(xsk->fill.producer, xsk->fill.next, __ATOMIC_RELEASE);
	}
	if (__atomic_load_n(xsk->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
		recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	return got;
}

static void take_completed(struct xsk *xsk)
{
	uint32_t end = __atomic_load_n(xsk->completion.producer, __ATOMIC_ACQUIRE);
	const uint64_t *completed = xsk->completion.entries;

	while (xsk->completion.next != end)
		xsk->spare[xsk->spares++] =
			completed[xsk->completion.next++ & xsk->completion.mask];
	__atomic_store_n(xsk->completion.consumer, end, __ATOMIC_RELEASE);
}

static void put_entry(struct xsk *xsk, uint64_t address, uint32_t length, uint32_t options)
{
	struct xdp_desc *entry =
		(struct xdp_desc *)xsk->tx.entries + (xsk->tx.next++ & xsk->tx.mask);

	*entry = (struct xdp_desc){.addr = address, .len = length, .options = options};
}

// As many chunks as spares there are can never overrun the ring, which has room for them all.
static bool copy_out(struct xsk *xsk, const struct rte_mbuf *mbuf)
{
	uint32_t left = mbuf->pkt_len, at = 0, room = xsk->chunk - XSK_HEADROOM;

	if ((left + room - 1) / room > xsk->spares)
		return false;
	while (left) {
		uint32_t length = RTE_MIN(left, room);
		uint64_t address = xsk->spare[--xsk->spares];
		uint8_t *to = xsk->memory + address;
		const void *from = rte_pktmbuf_read(mbuf, at, length, to);

		if (from != to)
			rte_memcpy(to, from, length);
		at += length;
		left -= length;
		put_entry(xsk, address, length, left ? XDP_PKT_CONTD : 0);
	}
	return true;
}

// Where it was left to the port; a run of segments (gso.h) leaves it to the kernel.
static void complete_checksum(struct rte_mbuf *mbuf)
{
	if ((mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_TCP_CKSUM)
		return;
	partial_checksum_complete(rte_pktmbuf_mtod(mbuf, uint8_t *), mbuf->data_len,
		mbuf->l2_len + mbuf->l3_len, offsetof(struct rte_tcp_hdr, cksum));
	mbuf->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
}

// In copy mode a call sends only so many of them, and says EAGAIN when there are more.
static void wake(struct xsk *xsk)
{
	if (!(__atomic_load_n(xsk->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP))
		return;
	for (unsigned i = 0; i < TX_CHUNKS / 16; i++)
		if (sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno != EAGAIN)
			break;
}

uint16_t xsk_send(struct xsk *xsk, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t sent = 0;

	if (xsk->spares < TX_CHUNKS / 2)
		take_completed(xsk);
	for (; sent < n; sent++) {
		complete_checksum(mbufs[sent]);
		if (!copy_out(xsk, mbufs[sent]))
			break;
		xsk->tx_bytes += mbufs[sent]->pkt_len;
	}
	xsk->tx_frames += sent;
	if (n) {
		__atomic_store_n(xsk->tx.producer, xsk->tx.next, __ATOMIC_RELEASE);
		wake(xsk);
	}
	rte_pktmbuf_free_bulk(mbufs, sent);
	return sent;
}

void xsk_losses(const struct xsk *xsk, uint64_t *missed, uint64_t *refused)
{
	struct xdp_statistics statistics = {0};
	socklen_t length = sizeof(statistics);

	if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &statistics, &length) < 0)
		return;
	*missed += statistics.rx_dropped + statistics.rx_ring_full;
	*refused += statistics.tx_invalid_descs;
}
