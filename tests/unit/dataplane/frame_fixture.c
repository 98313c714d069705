// SPDX-License-Identifier: BSD-3-Clause
#include "frame_fixture.h"

#include <netinet/in.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "packet.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED
#endif

#ifdef SANITIZED
#include <sanitizer/asan_interface.h>

static void fence(const void *from, const void *to, bool closed)
{
	if (closed)
		__asan_poison_memory_region(from, (size_t)((const char *)to - (const char *)from));
	else
		__asan_unpoison_memory_region(
			from, (size_t)((const char *)to - (const char *)from));
}
#else
static void fence(const void *from, const void *to, bool closed)
{
}
#endif

void frames_start(const char *program)
{
	cpu_set_t cpus;
	char *arguments[] = {strdup(program), "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "256", "-l", "0", "--log-level=*:error", NULL};

	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) < 0) {
		fprintf(stderr, "DPDK does not start\n");
		exit(1);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus); // DPDK has pinned us to one
	free(arguments[0]);
}

struct rte_mempool *frames_pool(const char *name, unsigned count)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, count, 0,
		RTE_ALIGN(sizeof(struct note), RTE_MBUF_PRIV_ALIGN), FRAME_ROOM, SOCKET_ID_ANY);

	if (!pool) {
		fprintf(stderr, "no memory for packet buffers\n");
		exit(1);
	}
	return pool;
}

static void unfence(struct rte_mempool *pool, void *opaque, void *object, unsigned index)
{
	const struct rte_mbuf *mbuf = object;

	(void)pool, (void)opaque, (void)index;
	fence(mbuf->buf_addr, (char *)mbuf->buf_addr + mbuf->buf_len, false);
}

void frames_pool_free(struct rte_mempool *pool)
{
	rte_mempool_obj_iter(pool, unfence, NULL); // DPDK clears what it frees
	rte_mempool_free(pool);
}

struct rte_mbuf *frame_mbuf(struct rte_mempool *pool, const void *bytes, unsigned length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	uint8_t *data;

	if (!mbuf)
		return NULL;
	fence(mbuf->buf_addr, (char *)mbuf->buf_addr + mbuf->buf_len, false);
	data = (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)length);
	if (!data) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	memcpy(data, bytes, length);
	fence(data + length, (char *)mbuf->buf_addr + mbuf->buf_len, true);
	return mbuf;
}

static unsigned put_tcp(const struct frame_spec *spec, uint8_t *l4)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)l4;

	*tcp = (struct rte_tcp_hdr){
		.src_port = htons(spec->src_port),
		.dst_port = htons(spec->dst_port),
		.sent_seq = htonl(spec->seq),
		.recv_ack = htonl(spec->ack),
		.data_off = 5 << 4,
		.tcp_flags = spec->tcp_flags,
		.rx_win = htons(1000),
	};
	return sizeof(*tcp);
}

static unsigned put_udp(const struct frame_spec *spec, uint8_t *l4)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)l4;

	*udp = (struct rte_udp_hdr){
		.src_port = htons(spec->src_port),
		.dst_port = htons(spec->dst_port),
		.dgram_len = htons((uint16_t)(sizeof(*udp) + spec->payload)),
	};
	return sizeof(*udp);
}

static unsigned put_l4(const struct frame_spec *spec, uint8_t *l4)
{
	uint32_t info = htonl(spec->icmp_info);
	unsigned length, payload = spec->payload;

	if (spec->protocol == IPPROTO_TCP) {
		length = put_tcp(spec, l4);
	} else if (spec->protocol == IPPROTO_UDP) {
		length = put_udp(spec, l4);
	} else {
		l4[0] = spec->icmp_type;
		l4[1] = spec->icmp_code;
		l4[2] = l4[3] = 0;
		memcpy(l4 + 4, &info, 4);
		length = 8;
	}
	if (spec->quoted) {
		payload = spec->quoted->length - RTE_ETHER_HDR_LEN;
		memcpy(l4 + length, spec->quoted->bytes + RTE_ETHER_HDR_LEN, payload);
	} else {
		for (unsigned i = 0; i < payload; i++)
			l4[length + i] = (uint8_t)i;
	}
	return length + payload;
}

// One's complement sum of 16-bit words as RFC 1071 says it, slowly.
static uint16_t slow_sum(uint32_t sum, const uint8_t *bytes, unsigned length)
{
	for (unsigned i = 0; i < length; i++) {
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

// With the pseudo header where there is one.
static uint16_t l4_sum(const uint8_t *l3, const uint8_t *l4, unsigned length, uint8_t protocol)
{
	bool v6 = l3[0] >> 4 == 6;
	uint16_t sum = 0;

	if (protocol != IPPROTO_ICMP) {
		uint8_t tail[4] = {0, protocol, (uint8_t)(length >> 8), (uint8_t)length};

		sum = slow_sum(0, l3 + (v6 ? 8 : 12), v6 ? 32 : 8);
		sum = slow_sum(sum, tail, 4);
	}
	return slow_sum(sum, l4, length);
}

static unsigned checksum_place(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;
}

static void put_checksum(
	const struct frame_spec *spec, const uint8_t *l3, uint8_t *l4, unsigned length)
{
	uint8_t *at = l4 + checksum_place(spec->protocol);
	uint16_t checksum = (uint16_t)~l4_sum(l3, l4, length, spec->protocol);

	if (spec->no_checksum)
		return;
	if (checksum == 0 && spec->protocol == IPPROTO_UDP)
		checksum = 0xffff;
	at[0] = (uint8_t)(checksum >> 8);
	at[1] = (uint8_t)checksum;
}

struct frame frame_of(const struct frame_spec *spec)
{
	struct frame frame = {0};
	uint8_t *l3 = frame.bytes + RTE_ETHER_HDR_LEN;
	struct addr src, dst;
	unsigned header, length;
	uint8_t ttl = spec->ttl ? spec->ttl : 64;

	if (addr_parse(&src, spec->src) < 0 || addr_parse(&dst, spec->dst) < 0)
		abort();
	header = addr_is_v4(&dst) ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	length = put_l4(spec, l3 + header);
	if (addr_is_v4(&dst)) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = htons((uint16_t)(header + length)),
			.packet_id = htons(4711),
			.fragment_offset = htons(spec->fragment),
			.time_to_live = ttl,
			.next_proto_id = spec->protocol,
			.src_addr = addr_v4(&src),
			.dst_addr = addr_v4(&dst),
		};
		ip->hdr_checksum = htons((uint16_t)~slow_sum(0, l3, header));
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		ip->vtc_flow = htonl(0x60000000);
		ip->payload_len = htons((uint16_t)length);
		ip->proto = spec->protocol;
		ip->hop_limits = ttl;
		memcpy(ip->src_addr, src.byte, 16);
		memcpy(ip->dst_addr, dst.byte, 16);
	}
	put_checksum(spec, l3, l3 + header, length);
	frame.bytes[12] = addr_is_v4(&dst) ? 0x08 : 0x86;
	frame.bytes[13] = addr_is_v4(&dst) ? 0x00 : 0xdd;
	frame.length = (unsigned)(RTE_ETHER_HDR_LEN + header + length);
	return frame;
}

bool frame_checksums_right(const uint8_t *frame, unsigned length)
{
	const uint8_t *l3 = frame + RTE_ETHER_HDR_LEN;
	bool v6 = l3[0] >> 4 == 6;
	unsigned header = v6 ? sizeof(struct rte_ipv6_hdr) : (l3[0] & 15u) * 4;
	uint8_t protocol = v6 ? l3[6] : l3[9];
	const uint8_t *l4 = l3 + header;

	if (!v6 && slow_sum(0, l3, header) != 0xffff)
		return false;
	if (protocol == IPPROTO_UDP && l4[6] == 0 && l4[7] == 0)
		return true; // none was made
	return l4_sum(l3, l4, length - RTE_ETHER_HDR_LEN - header, protocol) == 0xffff;
}
