// SPDX-License-Identifier: BSD-3-Clause
// See partial_checksum.h.
#include "partial_checksum.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stddef.h>
#include <string.h>

// A layer-4 segment within a frame, and the sum of its pseudo-header (folded, not complemented).
struct segment {
	uint32_t start, length;
	uint32_t field; // of the checksum, from the frame's begin
	uint16_t pseudo;
};

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint16_t load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint16_t load16_be(const uint8_t *at)
{
	return ntohs(load16(at));
}

static void finish(uint8_t *frame, uint32_t start, uint32_t length, uint32_t field)
{
	uint16_t sum = (uint16_t)~rte_raw_cksum(frame + start, length);

	// For UDP zero would mean that there is none; for TCP both are the same number.
	if (sum == 0)
		sum = 0xffff;
	memcpy(frame + field, &sum, sizeof(sum));
}

bool partial_checksum_complete(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset)
{
	if (start > length || offset > length - start || length - start - offset < 2)
		return false;
	finish(frame, start, length - start, start + offset);
	return true;
}

// Bytes before the network header, or 0 when there is none we know; sets *type.
static uint32_t skip_link(const uint8_t *frame, uint32_t length, uint16_t *type)
{
	uint32_t at = RTE_ETHER_HDR_LEN;

	if (length < at)
		return 0;
	*type = load16_be(frame + at - 2);
	for (int tags = 0; tags < 2; tags++) {
		if (*type != RTE_ETHER_TYPE_VLAN && *type != RTE_ETHER_TYPE_QINQ)
			break;
		at += 4;
		if (length < at)
			return 0;
		*type = load16_be(frame + at - 2);
	}
	return at;
}

static bool take_field(const uint8_t *frame, struct segment *segment, uint8_t protocol)
{
	uint32_t sum = segment->pseudo;

	if (protocol == IPPROTO_TCP && segment->length >= sizeof(struct rte_tcp_hdr))
		segment->field = segment->start + (uint32_t)offsetof(struct rte_tcp_hdr, cksum);
	else if (protocol == IPPROTO_UDP && segment->length >= sizeof(struct rte_udp_hdr))
		segment->field =
			segment->start + (uint32_t)offsetof(struct rte_udp_hdr, dgram_cksum);
	else
		return false;
	sum += htons(protocol) + htons((uint16_t)segment->length);
	segment->pseudo = fold(sum);
	return true;
}

static bool find_v4(const uint8_t *frame, uint32_t length, uint32_t at, struct segment *segment)
{
	uint32_t header, total;

	if (length - at < sizeof(struct rte_ipv4_hdr) || frame[at] >> 4 != 4)
		return false;
	header = (frame[at] & 15) * 4u;
	total = load16_be(frame + at + offsetof(struct rte_ipv4_hdr, total_length));
	if (header < sizeof(struct rte_ipv4_hdr) || total < header || total > length - at)
		return false;
	// A fragment's checksum covers what is not here.
	if (load16_be(frame + at + offsetof(struct rte_ipv4_hdr, fragment_offset)) &
		(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	segment->start = at + header;
	segment->length = total - header;
	segment->pseudo = rte_raw_cksum(frame + at + offsetof(struct rte_ipv4_hdr, src_addr), 8);
	return take_field(frame, segment, frame[at + offsetof(struct rte_ipv4_hdr, next_proto_id)]);
}

static bool find_v6(const uint8_t *frame, uint32_t length, uint32_t at, struct segment *segment)
{
	uint32_t end, next = at + (uint32_t)sizeof(struct rte_ipv6_hdr);
	uint8_t protocol;

	if (length - at < sizeof(struct rte_ipv6_hdr) || frame[at] >> 4 != 6)
		return false;
	end = next + load16_be(frame + at + offsetof(struct rte_ipv6_hdr, payload_len));
	if (end > length)
		return false;
	protocol = frame[at + offsetof(struct rte_ipv6_hdr, proto)];
	// The kernel puts few headers in front; a routing header would change the address summed.
	for (int i = 0; i < 4 && (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS);
		i++) {
		uint32_t size;

		if (end - next < 8)
			return false;
		size = (frame[next + 1] + 1u) * 8u;
		if (size > end - next)
			return false;
		protocol = frame[next];
		next += size;
	}
	segment->start = next;
	segment->length = end - next;
	segment->pseudo = rte_raw_cksum(frame + at + offsetof(struct rte_ipv6_hdr, src_addr), 32);
	return take_field(frame, segment, protocol);
}

bool partial_checksum_repair(uint8_t *frame, uint32_t length)
{
	struct segment segment;
	uint16_t type = 0;
	uint32_t at = skip_link(frame, length, &type);

	if (!at)
		return false;
	if (type == RTE_ETHER_TYPE_IPV4) {
		if (!find_v4(frame, length, at, &segment))
			return false;
	} else if (type != RTE_ETHER_TYPE_IPV6 || !find_v6(frame, length, at, &segment)) {
		return false;
	}
	if (load16(frame + segment.field) != segment.pseudo)
		return false;
	finish(frame, segment.start, segment.length, segment.field);
	return true;
}
