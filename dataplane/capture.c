// SPDX-License-Identifier: BSD-3-Clause
#include "capture.h"

#include <rte_cycles.h>
#include <rte_ether.h>
#include <string.h>

// With the tag that the port took out.
static uint16_t copy(uint8_t *to, const uint8_t *frame, uint16_t length, const uint16_t *tag)
{
	uint16_t addresses = 2 * RTE_ETHER_ADDR_LEN;
	struct rte_vlan_hdr vlan;

	if (!tag || length < RTE_ETHER_HDR_LEN) {
		memcpy(to, frame, length);
		return length;
	}
	vlan.vlan_tci = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	vlan.eth_proto = rte_cpu_to_be_16(*tag);
	memcpy(to, frame, addresses);
	memcpy(to + addresses, &vlan, sizeof(vlan));
	memcpy(to + addresses + sizeof(vlan), frame + addresses, length - addresses);
	return (uint16_t)(length + sizeof(vlan));
}

static void put(struct capture_lane *lane, const struct captured *what, const struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	bool stripped = what->stage == CAPTURE_IN && (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED);
	uint16_t kept = RTE_MIN(rte_pktmbuf_data_len(mbuf), (uint16_t)CAPTURE_FRAME_MAX);
	struct captured *captured;

	if (!(lane->filter->ports >> what->port & 1) || !lane->left ||
		!capture_match(lane->filter, frame, kept))
		return;
	captured = record_ring_room(
		lane->ring, (uint32_t)sizeof(*captured) + kept + sizeof(struct rte_vlan_hdr));
	if (!captured) {
		lane->lost++;
		return;
	}
	lane->left--;
	captured->stage = what->stage;
	captured->drop = what->drop;
	captured->port = what->port;
	captured->tsc = rte_rdtsc();
	captured->kept = copy(captured->frame, frame, kept, stripped ? &mbuf->vlan_tci : NULL);
	captured->length = (uint16_t)(rte_pktmbuf_pkt_len(mbuf) + captured->kept - kept);
	record_ring_put(
		lane->ring, &captured->record, (uint32_t)sizeof(*captured) + captured->kept);
}

void capture_frames(struct capture_lane *lane, enum capture_stage stage, uint16_t port,
	struct rte_mbuf *const *mbufs, unsigned n)
{
	const struct captured what = {.stage = (uint8_t)stage, .port = port};

	if (lane->burst || !(lane->filter->stages >> stage & 1))
		return;
	for (unsigned i = 0; i < n; i++)
		put(lane, &what, mbufs[i]);
}

void capture_drop(struct capture_lane *lane, uint16_t port, struct rte_mbuf *mbuf, uint8_t family,
	enum drop drop)
{
	const struct captured what = {.stage = CAPTURE_DROP, .drop = (uint8_t)drop, .port = port};

	if (lane->burst || !(lane->filter->stages >> CAPTURE_DROP & 1))
		return;
	if (family)
		rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type =
			rte_cpu_to_be_16(family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	put(lane, &what, mbuf);
}
