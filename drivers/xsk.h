// SPDX-License-Identifier: BSD-3-Clause
// One AF_XDP socket: a receive queue and a transmit queue of a netdev, shared with the kernel.
//
// The socket's memory is its own; frames are copied between it and mbufs, so that all ports use one
// pool whatever their MTU, and a slow reader of mbufs cannot starve the NIC. Frames larger than a
// chunk are several descriptors (XSK_FRAGMENTS). See af_xdp.c; Linux' af_xdp.rst has the rings.
// Opening and closing: main lcore. Receiving and sending: one thread at a time.
#pragma once

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define XSK_CHUNK_MIN 2048
#define XSK_CHUNK_MAX 4096
#define XSK_HEADROOM  256 // kept by the kernel in each chunk, ahead of the frame

struct xsk_ring {
	uint32_t *producer, *consumer, *flags; // shared with the kernel
	void *entries;
	uint32_t mask;
	uint32_t next; // of ours: the place we write or read next
	void *map;
	size_t map_bytes;
};

struct xsk {
	int fd;
	uint32_t chunk;
	uint8_t *memory;
	struct xsk_ring fill, completion, rx, tx;
	uint64_t *spare; // chunks to send from that are free
	uint32_t spares;
	// Written by the worker, read by the main lcore.
	uint64_t rx_frames, rx_bytes, rx_bad, rx_no_buffer;
	uint64_t tx_frames, tx_bytes, tx_bad;
} __rte_cache_aligned;

enum xsk_flag {
	XSK_COPY = 1 << 0,      // not the driver's zero-copy
	XSK_FRAGMENTS = 1 << 1, // frames of several chunks (Linux 6.6)
};

// `chunk`: XSK_CHUNK_MIN or XSK_CHUNK_MAX. 0 or -errno and nothing left.
int xsk_open(struct xsk *xsk, int index, uint32_t queue, uint32_t chunk, unsigned flags);
void xsk_close(struct xsk *xsk);
uint16_t xsk_receive(
	struct xsk *xsk, struct rte_mempool *pool, struct rte_mbuf **mbufs, uint16_t n);
uint16_t xsk_send(struct xsk *xsk, struct rte_mbuf **mbufs, uint16_t n);
// What the kernel lost for want of room, and what it refused to send.
void xsk_losses(const struct xsk *xsk, uint64_t *missed, uint64_t *refused);
