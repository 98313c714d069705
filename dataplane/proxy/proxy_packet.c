// SPDX-License-Identifier: BSD-3-Clause
// Packets to TCP segments and back. Payload stays in the packet it came in; what is sent is copied
// once, into the packet it leaves in, or lent to a port that cuts runs of segments.
#include "proxy_parts.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <string.h>

#include "buffer.h"

_Static_assert(1 + TCP_RUN_PIECES <= PORT_RUN_MBUFS, "the headers and each piece");

#define TTL        64
#define LOOK_EVERY 1000 // microseconds

static struct tcp_tuple tuple_of(const struct packet *packet)
{
	struct tcp_tuple tuple;

	if (packet->family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet->l3;

		addr_from_bytes(&tuple.remote, (const uint8_t *)&ip->src_addr, 4);
		addr_from_bytes(&tuple.local, (const uint8_t *)&ip->dst_addr, 4);
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet->l3;

		addr_from_bytes(&tuple.remote, ip->src_addr, 16);
		addr_from_bytes(&tuple.local, ip->dst_addr, 16);
	}
	tuple.remote_port = ntohs((uint16_t)packet->ports);
	tuple.local_port = ntohs((uint16_t)(packet->ports >> 16));
	return tuple;
}

static bool checksum_right(
	const struct packet *packet, const struct tcp_tuple *tuple, uint32_t length)
{
	if (packet->family == 4)
		return rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)packet->l3, packet->l4) ==
		       0;
	if (packet->l4 == packet->l3 + sizeof(struct rte_ipv6_hdr))
		return rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)packet->l3, packet->l4) ==
		       0;
	return tcp_checks(tuple, packet->l4, length);
}

// Payload that waits for its reader keeps its packet's buffer, of which layer 4 needs some, too:
// when few are left it is copied. NULL: there is no room.
static void *apart(struct proxy *proxy, struct tcp_segment *segment)
{
	struct chunk *chunk = chunk_new(proxy, segment->payload.length);

	if (!chunk)
		return NULL;
	memcpy(chunk->data, segment->payload.data, segment->payload.length);
	segment->payload.data = chunk->data;
	return chunk_owner(chunk);
}

static void look_at_buffers(struct proxy *proxy)
{
	const struct rte_mempool *pool = proxy->config.pool;

	if (proxy->now - proxy->counted < LOOK_EVERY)
		return;
	proxy->counted = proxy->now;
	proxy->scarce = rte_mempool_avail_count(pool) < pool->size / 2;
	tcp_scarce(proxy->tcp, proxy->scarce);
}

static void take(struct proxy *proxy, struct packet *packet)
{
	struct tcp_segment segment = {.tuple = tuple_of(packet)};
	uint32_t length = packet->length - (uint32_t)(packet->l4 - packet->l3);
	uint64_t sum = packet->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	bool kept;

	if (packet->flags & (PACKET_IS_FRAGMENT | PACKET_NO_L4)) {
		packet_drop(packet, DROP_PROXY_FRAGMENT);
		return;
	}
	if (sum == RTE_MBUF_F_RX_L4_CKSUM_BAD ||
		(sum != RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
			!checksum_right(packet, &segment.tuple, length))) {
		packet_drop(packet, DROP_L4_CHECKSUM);
		return;
	}
	if (tcp_parse(&segment, packet->l4, length)) {
		packet_drop(packet, DROP_TCP_HEADER);
		return;
	}
	segment.payload.owner = packet->mbuf;
	if (proxy->scarce && segment.payload.length) {
		segment.payload.owner = apart(proxy, &segment);
		if (!segment.payload.owner) {
			packet_drop(packet, DROP_NO_BUFFER);
			return;
		}
	}
	packet->next = PACKET_TAKEN;
	proxy->refused = DROP_NONE;
	kept = tcp_input(proxy->tcp, &segment, proxy->now);
	if (segment.payload.owner != packet->mbuf) {
		if (!kept)
			owner_release(segment.payload.owner);
		kept = false;
	}
	if (proxy->refused != DROP_NONE)
		packet_drop(packet, proxy->refused);
	else if (!kept)
		rte_pktmbuf_free(packet->mbuf);
}

void proxy_input(struct proxy *proxy, struct packet *packets, unsigned n)
{
	look_at_buffers(proxy);
	for (unsigned i = 0; i < n; i++)
		if (packets[i].next == PACKET_PROXY)
			take(proxy, &packets[i]);
}

static void put_ipv4(struct proxy *proxy, const struct tcp_output *out, uint8_t *l3, uint32_t bytes)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons((uint16_t)bytes),
		.packet_id = htons(proxy->ip_id++),
		.fragment_offset = htons(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_TCP,
	};
	memcpy(&ip->src_addr, out->tuple->local.byte + 12, 4);
	memcpy(&ip->dst_addr, out->tuple->remote.byte + 12, 4);
}

static void put_ipv6(const struct tcp_output *out, uint8_t *l3, uint32_t bytes)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = htonl(6u << 28),
		.payload_len = htons((uint16_t)(bytes - sizeof(*ip))),
		.proto = IPPROTO_TCP,
		.hop_limits = TTL,
	};
	memcpy(ip->src_addr, out->tuple->local.byte, 16);
	memcpy(ip->dst_addr, out->tuple->remote.byte, 16);
}

// The headers of a packet with this payload, as far as TCP and IP go; NULL: no buffer.
static bool packet_begin(struct proxy *proxy, const struct tcp_output *out, struct packet *packet)
{
	bool v4 = addr_is_v4(&out->tuple->local);
	uint32_t l3_bytes = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	uint8_t header[TCP_HEADER_MAX];
	uint32_t tcp_bytes = tcp_write_header(out, header);
	uint32_t bytes = l3_bytes + tcp_bytes + out->length;
	struct rte_mbuf *mbuf = buffer_new(proxy->config.pool, 2);
	uint8_t *l3;

	if (!mbuf)
		return false;
	l3 = (uint8_t *)rte_pktmbuf_append(
		mbuf, (uint16_t)(RTE_ETHER_HDR_LEN + l3_bytes + tcp_bytes));
	if (!l3) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	l3 += RTE_ETHER_HDR_LEN;
	*packet = (struct packet){
		.mbuf = mbuf,
		.l3 = l3,
		.l4 = l3 + l3_bytes,
		.length = (uint16_t)bytes,
		.family = v4 ? 4 : 6,
		.protocol = IPPROTO_TCP,
		.next = PACKET_ROUTE,
		.flags = PACKET_TCP_CHECKSUM | (v4 ? PACKET_IP_CHECKSUM : 0),
	};
	if (v4)
		put_ipv4(proxy, out, l3, bytes);
	else
		put_ipv6(out, l3, bytes);
	memcpy(packet->l4, header, tcp_bytes);
	return true;
}

static void packet_end(struct proxy *proxy, struct packet *packet)
{
	if (!transmit(proxy->config.transmitter, packet, 1))
		return;
	proxy->config.drops[packet->drop]++;
	rte_pktmbuf_free(packet->mbuf);
}

static void output_one(struct proxy *proxy, const struct tcp_output *out)
{
	struct packet packet;
	char *to;

	if (!packet_begin(proxy, out, &packet)) {
		proxy->config.drops[DROP_NO_BUFFER]++; // it is sent again, in time
		return;
	}
	to = rte_pktmbuf_append(packet.mbuf, (uint16_t)out->length);
	if (!to) {
		rte_pktmbuf_free(packet.mbuf);
		proxy->config.drops[DROP_NO_BUFFER]++;
		return;
	}
	for (uint32_t i = 0; i < out->piece_count; i++) {
		memcpy(to, out->pieces[i].data, out->pieces[i].length);
		to += out->pieces[i].length;
	}
	packet_end(proxy, &packet);
}

// The payload as it lies, behind the headers; false: there are not enough mbufs.
static bool lend(struct proxy *proxy, const struct tcp_output *out, struct rte_mbuf *first)
{
	struct rte_mbuf *mbufs[TCP_RUN_PIECES];

	if (rte_pktmbuf_alloc_bulk(proxy->config.lent, mbufs, out->piece_count))
		return false;
	first->nb_segs = (uint16_t)(1 + out->piece_count);
	first->pkt_len += out->length;
	first->tso_segsz = (uint16_t)out->cut;
	for (uint32_t i = 0; i < out->piece_count; i++) {
		owner_lend(&out->pieces[i], mbufs[i]);
		mbufs[i]->next = i + 1 < out->piece_count ? mbufs[i + 1] : NULL;
	}
	first->next = mbufs[0];
	return true;
}

static bool output_run(struct proxy *proxy, const struct tcp_output *out)
{
	uint32_t headers = sizeof(struct rte_ipv6_hdr) + TCP_HEADER_MIN + out->options_length;
	struct packet packet;

	if (addr_is_v4(&out->tuple->local))
		headers -= sizeof(struct rte_ipv6_hdr) - sizeof(struct rte_ipv4_hdr);
	if (!transmit_takes_run(
		    proxy->config.transmitter, &out->tuple->remote, headers + out->cut) ||
		!packet_begin(proxy, out, &packet))
		return false;
	if (!lend(proxy, out, packet.mbuf)) {
		rte_pktmbuf_free(packet.mbuf);
		return false;
	}
	packet.flags |= PACKET_RUN;
	packet_end(proxy, &packet);
	return true;
}

static void output(void *io, const struct tcp_output *out)
{
	struct proxy *proxy = io;
	struct tcp_output one;
	struct tcp_cut cut;

	if (!out->cut) {
		output_one(proxy, out);
	} else if (!output_run(proxy, out)) {
		tcp_cut_begin(&cut, out);
		while (tcp_cut_next(&cut, &one))
			output_one(proxy, &one);
	}
}

static const struct listener *listener_of(const struct proxy *proxy, const struct tcp_tuple *tuple)
{
	const struct listener *listener = tables_listener(
		proxy->tables, &tuple->local, IPPROTO_TCP, htons(tuple->local_port));

	return listener && listener->http ? listener : NULL;
}

bool proxy_is_listener(const struct proxy *proxy, const struct tcp_tuple *tuple)
{
	return listener_of(proxy, tuple) != NULL;
}

uint16_t proxy_mtu(const struct proxy *proxy, const struct addr *remote)
{
	struct fib_answer answer = fib_lookup(proxy->fib, remote);

	if (answer.result == FIB_HOP)
		answer.iface = proxy->fib->hops[answer.hop].iface;
	else if (answer.result != FIB_NEIGHBOUR)
		return 1500;
	return proxy->config.transmitter->ifaces[answer.iface].mtu;
}

static enum tcp_verdict allow(void *io, const struct tcp_tuple *tuple, struct tcp_open *open)
{
	struct proxy *proxy = io;
	const struct listener *listener = listener_of(proxy, tuple);

	if (!listener)
		return TCP_REFUSE;
	// Of whom a PROXY header tells it is seen then.
	if (listener->source_count && !is_announced(listener, &tuple->remote) &&
		!prefixes_contain(listener->sources, listener->source_count, &tuple->remote)) {
		proxy->refused = DROP_SOURCE_RANGE; // nothing of it is kept
		return TCP_IGNORE;
	}
	open->mtu = proxy_mtu(proxy, &tuple->remote);
	return TCP_ACCEPT;
}

void link_mark(struct proxy *proxy, struct link *link)
{
	struct session *session =
		link->client ? (struct session *)link : ((struct upstream *)link)->session;

	if (session)
		session_mark(proxy, session);
}

static struct proxy *proxy_of(struct tcp_connection *connection)
{
	return tcp_io(connection);
}

static void receive(struct tcp_connection *connection, void *user, const struct tcp_piece *piece)
{
	struct proxy *proxy = proxy_of(connection);
	struct link *link = user;

	if (!slices_add(proxy, link->tls ? &link->raw : &link->in, piece->data, piece->length,
		    piece->owner)) {
		// Bytes are lost: nothing good can follow on this connection.
		link->error = -ENOBUFS;
		link_abort(proxy, link);
	}
	link_mark(proxy, link);
}

static void accepted(struct proxy *proxy, struct tcp_connection *connection)
{
	const struct tcp_tuple *tuple = tcp_tuple_of(connection);
	const struct listener *listener = listener_of(proxy, tuple);
	struct session *session = listener ? session_new(proxy, listener) : NULL;

	if (!session) {
		proxy->stats.refusals[HTTP_OVERLOAD]++;
		tcp_abort(connection);
		return;
	}
	session->link.tcp = connection;
	session->link.connected = true;
	session->vip_port = tuple->local_port;
	session_name_peer(session, &tuple->remote, tuple->remote_port);
	tcp_set_user(connection, session);
	if (is_announced(listener, &tuple->remote))
		session->state = SESSION_ANNOUNCED;
	else if (!session_start(proxy, session))
		return;
	session_mark(proxy, session);
}

static void event(struct tcp_connection *connection, void *user, enum tcp_event what, int value)
{
	struct proxy *proxy = proxy_of(connection);
	struct link *link = user;

	if (!link) {
		if (what == TCP_EVENT_CONNECTED)
			accepted(proxy, connection);
		return;
	}
	switch (what) {
	case TCP_EVENT_CONNECTED:
		link->connected = true;
		break;
	case TCP_EVENT_SENT:
		break;
	case TCP_EVENT_FINISHED:
		link->ending = true;
		link->finished = link->finished || !link->tls;
		break;
	case TCP_EVENT_CLOSED:
		link->tcp = NULL;
		link->ending = true;
		link->finished = link->finished || !link->tls;
		link->error = value;
		break;
	}
	if (!link->client && !((struct upstream *)link)->session)
		upstream_gone(proxy, (struct upstream *)link);
	else
		link_mark(proxy, link);
}

static void release(void *io, void *owner)
{
	owner_release(owner);
}

const struct tcp_ops proxy_tcp_ops = {
	.output = output,
	.listen = allow,
	.receive = receive,
	.event = event,
	.release = release,
};

bool proxy_has(const struct proxy *proxy, const struct tcp_tuple *tuple)
{
	return tcp_has(proxy->tcp, tuple);
}
