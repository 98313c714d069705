// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests: DPDK without huge pages or devices, packet buffers, and IP packets put together
// from a description. Under AddressSanitizer whatever lies behind a frame may not be touched.
#pragma once

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define FRAME_ROOM 10240 // bytes of a packet buffer

// Starts DPDK; ends the program when that fails. Once a program.
void frames_start(const char *program);
// Buffers with room for a struct note.
struct rte_mempool *frames_pool(const char *name, unsigned count);
void frames_pool_free(struct rte_mempool *pool);
struct rte_mbuf *frame_mbuf(struct rte_mempool *pool, const void *bytes, unsigned length);

struct frame {
	unsigned length;
	uint8_t bytes[FRAME_ROOM - RTE_PKTMBUF_HEADROOM];
};

struct frame_spec {
	const char *src, *dst; // addresses of one family
	uint16_t src_port, dst_port;
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t ttl; // 0 = 64
	bool no_checksum;
	uint16_t fragment; // IPv4: flags and offset as they stand in the header
	uint32_t seq, ack;
	unsigned payload; // bytes
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_info;
	const struct frame *quoted; // the payload of an ICMP error, without its Ethernet header
};

// An Ethernet frame (addresses zero) with right lengths and checksums.
struct frame frame_of(const struct frame_spec *spec);
// Whether IP's and the upper layer's checksum are right, added up word by word.
bool frame_checksums_right(const uint8_t *frame, unsigned length);
