// SPDX-License-Identifier: BSD-3-Clause
#include "transmit.h"

#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_ring.h>
#include <rte_tcp.h>

#include "checksum.h"
#include "resolve.h"

#define FRAGMENTS_MAX 64

// An IP packet for this interface that is not a frame yet.
static void drop_packet(struct transmitter *transmitter, struct rte_mbuf *mbuf, uint8_t family,
	uint16_t iface, enum drop drop)
{
	transmitter->drops[drop]++;
	if (unlikely(transmitter->lane != NULL))
		capture_drop(
			transmitter->lane, transmitter->ifaces[iface].port, mbuf, family, drop);
	rte_pktmbuf_free(mbuf);
}

static void flush_port(struct transmitter *transmitter, unsigned index)
{
	struct transmit_buffer *buffer = &transmitter->buffers[index];
	struct port *port = &transmitter->ports[index];
	uint16_t sent;

	if (transmitter->relays[index]) {
		for (uint16_t i = 0; i < buffer->count; i++) {
			// Whoever relays must know the port: any interface of it will do, the tag
			// is in.
			packet_note(buffer->mbufs[i])->kind = NOTE_TRANSMIT;
			packet_note(buffer->mbufs[i])->iface = UINT16_MAX - (uint16_t)index;
		}
		sent = (uint16_t)rte_ring_enqueue_burst(
			transmitter->relays[index], (void **)buffer->mbufs, buffer->count, NULL);
	} else {
		if (unlikely(transmitter->lane != NULL))
			capture_frames(transmitter->lane, CAPTURE_OUT, (uint16_t)index,
				buffer->mbufs, buffer->count);
		sent = port_tx(port, transmitter->queue, buffer->mbufs, buffer->count);
	}
	if (unlikely(sent < buffer->count)) {
		for (uint16_t i = sent; unlikely(transmitter->lane != NULL) && i < buffer->count;
			i++)
			capture_drop(transmitter->lane, (uint16_t)index, buffer->mbufs[i], 0,
				DROP_TX_FULL);
		transmitter->drops[DROP_TX_FULL] += buffer->count - sent;
		rte_pktmbuf_free_bulk(&buffer->mbufs[sent], buffer->count - sent);
	}
	buffer->count = 0;
}

void transmit_flush(struct transmitter *transmitter)
{
	for (unsigned i = 0; i < transmitter->port_count; i++)
		if (transmitter->buffers[i].count)
			flush_port(transmitter, i);
}

static inline void enqueue(struct transmitter *transmitter, struct rte_mbuf *mbuf, unsigned port)
{
	struct transmit_buffer *buffer = &transmitter->buffers[port];

	buffer->mbufs[buffer->count++] = mbuf;
	if (unlikely(buffer->count == TRANSMIT_BUFFER))
		flush_port(transmitter, port);
}

void transmit_frame(struct transmitter *transmitter, struct rte_mbuf *mbuf, uint16_t number)
{
	const struct iface *iface;

	if (number > UINT16_MAX - SLUICE_PORTS_MAX) { // relayed: ready for the wire
		enqueue(transmitter, mbuf, UINT16_MAX - number);
		return;
	}
	iface = &transmitter->ifaces[number];
	if (iface->vlan) {
		mbuf->vlan_tci = iface->vlan;
		if (rte_vlan_insert(&mbuf)) {
			drop_packet(transmitter, mbuf, 0, number, DROP_NO_BUFFER);
			return;
		}
	}
	enqueue(transmitter, mbuf, iface->port);
}

static inline void send_to(struct transmitter *transmitter, struct rte_mbuf *mbuf, uint8_t family,
	const struct hop *hop)
{
	const struct iface *iface = &transmitter->ifaces[hop->iface];
	struct rte_ether_hdr *ethernet = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);

	rte_ether_addr_copy(&hop->mac, &ethernet->dst_addr);
	rte_ether_addr_copy(&iface->mac, &ethernet->src_addr);
	ethernet->ether_type =
		family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
	if (unlikely(iface->vlan))
		transmit_frame(transmitter, mbuf, hop->iface);
	else
		enqueue(transmitter, mbuf, iface->port);
}

static void make_ip_checksum(const struct packet *packet, bool by_port)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet->l3;
	unsigned header = (ip->version_ihl & 15u) * 4;

	ip->hdr_checksum = 0;
	if (by_port) {
		packet->mbuf->l2_len = RTE_ETHER_HDR_LEN;
		packet->mbuf->l3_len = header;
		packet->mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	} else {
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, header);
	}
}

// Where the segment is, whose checksum the port is to make.
static void leave_to_port(const struct packet *packet)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)packet->l4;
	struct rte_mbuf *mbuf = packet->mbuf;

	mbuf->l2_len = RTE_ETHER_HDR_LEN;
	mbuf->l3_len = (uint64_t)(packet->l4 - packet->l3);
	mbuf->l4_len = (tcp->data_off >> 4) * 4u;
	mbuf->ol_flags |= (packet->family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) |
			  RTE_MBUF_F_TX_TCP_CKSUM;
}

// A port is given the sum of the pseudo-header, and adds what is behind it.
static void make_tcp_checksum(const struct packet *packet, bool by_port)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)packet->l4;

	tcp->cksum = 0;
	if (!by_port) {
		tcp->cksum = packet->family == 4
				     ? rte_ipv4_udptcp_cksum((void *)packet->l3, packet->l4)
				     : rte_ipv6_udptcp_cksum((void *)packet->l3, packet->l4);
		return;
	}
	leave_to_port(packet);
	tcp->cksum = packet->family == 4 ? rte_ipv4_phdr_cksum((void *)packet->l3, 0)
					 : rte_ipv6_phdr_cksum((void *)packet->l3, 0);
}

// By the port where it can, and nobody looks at what is sent.
static void make_checksums(
	const struct transmitter *transmitter, const struct packet *packet, uint16_t number)
{
	const struct iface *iface = &transmitter->ifaces[number];
	uint32_t caps = iface->vlan ? 0 : transmitter->ports[iface->port].caps;

	if (packet->length > iface->mtu || transmitter->lane)
		caps &= ~(uint32_t)PORT_TX_L4_CKSUM;
	if (packet->flags & PACKET_TCP_CHECKSUM)
		make_tcp_checksum(packet, caps & PORT_TX_L4_CKSUM);
	if (packet->flags & PACKET_IP_CHECKSUM)
		make_ip_checksum(packet, caps & PORT_TX_IP_CKSUM);
}

// What the port needs to know to cut it; all checksums are its own to make.
static void mark_run(const struct packet *packet)
{
	leave_to_port(packet);
	packet->mbuf->ol_flags |=
		RTE_MBUF_F_TX_TCP_SEG | (packet->family == 4 ? RTE_MBUF_F_TX_IP_CKSUM : 0);
}

// Larger than the link and allowed to be cut: IPv4 without DF.
static void send_fragments(struct transmitter *transmitter, struct packet *packet,
	const struct addr *neighbour, uint16_t iface, const struct hop *hop);

static void ask_for(struct transmitter *transmitter, uint16_t iface, const struct addr *neighbour)
{
	struct resolve_request request = {*neighbour, iface};

	if (rte_ring_enqueue_elem(transmitter->resolve, &request, sizeof(request)) == 0)
		transmitter->resolve_asked++;
}

// Waits for its neighbour. The main lcore is asked to find it.
static void hold(struct transmitter *transmitter, struct rte_mbuf *mbuf, uint8_t family,
	uint16_t iface, const struct addr *neighbour)
{
	unsigned same = 0;

	for (unsigned i = 0; i < transmitter->held_count; i++)
		same += transmitter->held[i].iface == iface &&
			addr_compare(&transmitter->held[i].neighbour, neighbour) == 0;
	if (same == TRANSMIT_HELD_HOP || transmitter->held_count == TRANSMIT_HELD_MAX) {
		drop_packet(transmitter, mbuf, family, iface, DROP_NEIGHBOUR_QUEUE_FULL);
		return;
	}
	transmitter->held[transmitter->held_count++] = (struct transmit_held){
		.mbuf = mbuf,
		.neighbour = *neighbour,
		.iface = iface,
		.family = family,
		.since = transmitter->now,
	};
	if (same == 0)
		ask_for(transmitter, iface, neighbour);
}

static void send_ip(struct transmitter *transmitter, struct packet *packet, uint16_t iface,
	const struct addr *neighbour, const struct hop *hop)
{
	if (packet->flags & PACKET_RUN)
		mark_run(packet);
	else if (packet->flags & (PACKET_IP_CHECKSUM | PACKET_TCP_CHECKSUM))
		make_checksums(transmitter, packet, iface);
	packet->next = PACKET_TAKEN;
	if (unlikely(packet->length > transmitter->ifaces[iface].mtu &&
		     !(packet->flags & PACKET_RUN)))
		send_fragments(transmitter, packet, neighbour, iface, hop);
	else if (likely(hop != NULL))
		send_to(transmitter, packet->mbuf, packet->family, hop);
	else
		hold(transmitter, packet->mbuf, packet->family, iface, neighbour);
}

static void send_fragments(struct transmitter *transmitter, struct packet *packet,
	const struct addr *neighbour, uint16_t iface, const struct hop *hop)
{
	struct rte_mbuf *pieces[FRAGMENTS_MAX];
	uint16_t mtu = transmitter->ifaces[iface].mtu;
	int32_t count;

	if (packet->family == 6) {
		drop_packet(transmitter, packet->mbuf, 6, iface, DROP_TOO_BIG);
		return;
	}
	if (packet->mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet->l3;

		packet->mbuf->ol_flags &= ~(RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
		ip->hdr_checksum = 0;
	}
	rte_pktmbuf_adj(packet->mbuf, RTE_ETHER_HDR_LEN);
	count = rte_ipv4_fragment_copy_nonseg_packet(
		packet->mbuf, pieces, FRAGMENTS_MAX, mtu, transmitter->pool);
	rte_pktmbuf_free(packet->mbuf);
	if (count < 0) {
		transmitter->drops[count == -ENOMEM ? DROP_NO_BUFFER : DROP_TOO_BIG]++;
		return;
	}
	for (int32_t i = 0; i < count; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(pieces[i], struct rte_ipv4_hdr *);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, (ip->version_ihl & 15u) * 4);
		if (!rte_pktmbuf_prepend(pieces[i], RTE_ETHER_HDR_LEN))
			drop_packet(transmitter, pieces[i], 0, iface, DROP_NO_BUFFER);
		else if (hop)
			send_to(transmitter, pieces[i], 4, hop);
		else
			hold(transmitter, pieces[i], 4, iface, neighbour);
	}
}

// What ends here and begins here goes to the same few clients and pods again and again.
static const struct fib_answer *look_up(struct transmitter *transmitter, const struct addr *to)
{
	const struct fib *fib = transmitter->fib;
	uint32_t low;
	struct transmit_route *route;

	memcpy(&low, to->byte + 12, sizeof(low));
	route = &transmitter->routes[(low ^ low >> 8 ^ low >> 16 ^ low >> 24) % TRANSMIT_ROUTES];
	if (route->edition != fib->edition || addr_compare(&route->to, to) != 0)
		*route = (struct transmit_route){fib->edition, *to, fib_lookup(fib, to)};
	return &route->answer;
}

bool transmit_takes_run(struct transmitter *transmitter, const struct addr *to, uint32_t length)
{
	const struct fib_answer *answer = look_up(transmitter, to);
	const struct hop *hop;
	const struct iface *iface;

	if (answer->result != FIB_HOP || transmitter->lane)
		return false;
	hop = &transmitter->fib->hops[answer->hop];
	iface = &transmitter->ifaces[hop->iface];
	return hop->state == HOP_REACHABLE && !iface->vlan && length <= iface->mtu &&
	       !transmitter->relays[iface->port] &&
	       transmitter->ports[iface->port].caps & PORT_TX_RUN;
}

static void route(struct transmitter *transmitter, struct packet *packet)
{
	const struct fib_answer *answer;
	const struct hop *hop;
	struct addr to;

	addr_from_bytes(&to,
		packet->l3 + (packet->family == 4 ? offsetof(struct rte_ipv4_hdr, dst_addr)
						  : offsetof(struct rte_ipv6_hdr, dst_addr)),
		packet->family == 4 ? 4 : 16);
	answer = look_up(transmitter, &to);
	switch (answer->result) {
	case FIB_HOP:
		hop = &transmitter->fib->hops[answer->hop];
		send_ip(transmitter, packet, hop->iface, &hop->address,
			hop->state == HOP_REACHABLE ? hop : NULL);
		break;
	case FIB_NEIGHBOUR:
		send_ip(transmitter, packet, answer->iface, &answer->via, NULL);
		break;
	case FIB_LOCAL:
	case FIB_NONE:
	case FIB_REJECT:
		packet_drop(packet, DROP_NO_ROUTE);
		break;
	}
}

bool transmit(struct transmitter *transmitter, struct packet *packets, unsigned n)
{
	bool dropped = false;

	for (unsigned i = 0; i < n; i++) {
		struct packet *packet = &packets[i];

		if (likely(packet->next == PACKET_TRANSMIT)) {
			const struct hop *hop = &transmitter->fib->hops[packet->hop];

			if (likely(hop->state == HOP_REACHABLE &&
				    !(packet->flags & (PACKET_IP_CHECKSUM | PACKET_TCP_CHECKSUM)) &&
				    packet->length <= transmitter->ifaces[hop->iface].mtu)) {
				packet->next = PACKET_TAKEN;
				send_to(transmitter, packet->mbuf, packet->family, hop);
			} else {
				send_ip(transmitter, packet, hop->iface, &hop->address,
					hop->state == HOP_REACHABLE ? hop : NULL);
			}
		} else if (packet->next == PACKET_ROUTE) {
			route(transmitter, packet);
			dropped |= packet->next == PACKET_DROP;
		}
	}
	return dropped;
}

void transmit_held(struct transmitter *transmitter)
{
	bool changed = transmitter->held_edition != transmitter->fib->edition;
	unsigned kept = 0;

	if (transmitter->held_count == 0)
		return;
	transmitter->held_edition = transmitter->fib->edition;
	for (unsigned i = 0; i < transmitter->held_count; i++) {
		struct transmit_held *held = &transmitter->held[i];

		if (changed) {
			const struct hop *hop = &transmitter->fib->hops[fib_hop(
				transmitter->fib, held->iface, &held->neighbour)];

			if (hop->state == HOP_REACHABLE) {
				send_to(transmitter, held->mbuf, held->family, hop);
				continue;
			}
		}
		if (transmitter->now - held->since > TRANSMIT_HELD_TICKS) {
			// Others may wait for it, and have not asked.
			ask_for(transmitter, held->iface, &held->neighbour);
			drop_packet(transmitter, held->mbuf, held->family, held->iface,
				DROP_NO_NEIGHBOUR);
			continue;
		}
		transmitter->held[kept++] = *held;
	}
	transmitter->held_count = kept;
}
