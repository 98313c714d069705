// SPDX-License-Identifier: BSD-3-Clause
#include "fragment.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <stdbool.h>
#include <string.h>

#define SETS           256
#define WAYS           4
#define INTERVALS_MAX  16
#define HELD_TOTAL_MAX 512  // mbufs a worker holds, all datagrams together
#define WAIT_TICKS     2000 // about two seconds for the first fragment
#define LIFE_TICKS     10000

struct interval {
	uint32_t from, to; // bytes, half open
};

struct datagram {
	uint8_t src[16], dst[16]; // zero-filled for IPv4
	uint32_t id;
	uint8_t protocol, family;
	bool used, known; // known: the first fragment was seen
	uint32_t ports;
	uint32_t new_id; // network order
	uint32_t since;
	uint32_t total; // bytes, 0 while the last fragment was not seen
	uint32_t interval_count;
	struct interval intervals[INTERVALS_MAX]; // what was seen, disjoint, in no order
	uint32_t held_count;
	struct rte_mbuf *held[FRAGMENT_HELD_MAX];
};

struct fragment_table {
	uint64_t seed;
	uint32_t next_id;
	uint32_t id_step;
	uint32_t held_total;
	uint32_t expire_at; // the next to be looked at by fragment_expire
	struct datagram datagrams[SETS * WAYS];
};

struct piece {
	const uint8_t *src, *dst;
	unsigned address_length;
	uint32_t id;
	uint32_t from, to;
	bool more;
};

struct fragment_table *fragment_table_new(uint16_t worker, uint16_t workers, uint64_t seed)
{
	// house: once, when the worker starts
	struct fragment_table *table = rte_zmalloc("fragments", sizeof(*table), 0);

	if (!table)
		return NULL;
	table->seed = seed | 1;
	table->id_step = workers;
	table->next_id = worker + workers * (uint32_t)(seed >> 40);
	return table;
}

void fragment_table_free(struct fragment_table *table)
{
	if (!table)
		return;
	for (unsigned i = 0; i < SETS * WAYS; i++)
		rte_pktmbuf_free_bulk(table->datagrams[i].held, table->datagrams[i].held_count);
	rte_free(table);
}

static struct piece piece_of(const struct packet *packet)
{
	struct piece piece = {.address_length = packet->family == 4 ? 4 : 16};
	unsigned field;

	if (packet->family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet->l3;

		piece.src = (const uint8_t *)&ip->src_addr;
		piece.dst = (const uint8_t *)&ip->dst_addr;
		piece.id = ip->packet_id;
		field = rte_be_to_cpu_16(ip->fragment_offset);
		piece.more = field & RTE_IPV4_HDR_MF_FLAG;
		piece.from = (field & RTE_IPV4_HDR_OFFSET_MASK) * 8;
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet->l3;
		const uint8_t *header = packet->l4 - 8;

		piece.src = ip->src_addr;
		piece.dst = ip->dst_addr;
		memcpy(&piece.id, header + 4, 4);
		field = (unsigned)header[2] << 8 | header[3];
		piece.more = field & 1;
		piece.from = field & ~7u;
	}
	piece.to = piece.from + (uint32_t)(packet->l3 + packet->length - packet->l4);
	return piece;
}

static bool same(
	const struct datagram *datagram, const struct packet *packet, const struct piece *piece)
{
	return datagram->used && datagram->id == piece->id &&
	       datagram->protocol == packet->protocol && datagram->family == packet->family &&
	       memcmp(datagram->src, piece->src, piece->address_length) == 0 &&
	       memcmp(datagram->dst, piece->dst, piece->address_length) == 0;
}

// FNV-1a over what names a datagram, keyed; a set has only WAYS places, so who fills one on purpose
// only loses fragments of its own making.
static struct datagram *set_of(struct fragment_table *table, const struct piece *piece)
{
	uint64_t hash = table->seed;

	for (unsigned i = 0; i < piece->address_length; i++)
		hash = (hash ^ ((uint64_t)piece->src[i] << 8 | piece->dst[i])) * 0x100000001b3;
	hash = (hash ^ piece->id) * 0x9e3779b97f4a7c15;
	return &table->datagrams[(hash >> 32) % SETS * WAYS];
}

static struct datagram *find_or_begin(struct fragment_table *table, const struct packet *packet,
	const struct piece *piece, uint32_t now)
{
	struct datagram *set = set_of(table, piece);
	struct datagram *place = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		if (same(&set[i], packet, piece))
			return &set[i];
		if (!set[i].used)
			place = &set[i];
	}
	if (!place)
		return NULL;
	memset(place, 0, offsetof(struct datagram, intervals));
	memcpy(place->src, piece->src, piece->address_length);
	memcpy(place->dst, piece->dst, piece->address_length);
	place->id = piece->id;
	place->protocol = packet->protocol;
	place->family = packet->family;
	place->used = true;
	place->since = now;
	place->held_count = 0;
	table->next_id += table->id_step;
	place->new_id = packet->family == 4 ? rte_cpu_to_be_16((uint16_t)table->next_id)
					    : rte_cpu_to_be_32(table->next_id);
	return place;
}

// Adds what a fragment covers; joins with its neighbours so that fragments in order stay one.
static enum drop cover(struct datagram *datagram, const struct piece *piece)
{
	struct interval joined = {piece->from, piece->to};

	if (datagram->total && (piece->to > datagram->total || !piece->more))
		return DROP_FRAGMENT_OVERLAP;
	for (unsigned i = 0; i < datagram->interval_count; i++) {
		const struct interval *seen = &datagram->intervals[i];

		if (piece->from < seen->to && seen->from < piece->to)
			return DROP_FRAGMENT_OVERLAP;
		if (!piece->more && seen->to > piece->to)
			return DROP_FRAGMENT_INVALID;
	}
	for (unsigned i = 0; i < datagram->interval_count;) {
		struct interval *seen = &datagram->intervals[i];

		if (seen->to == joined.from)
			joined.from = seen->from;
		else if (seen->from == joined.to)
			joined.to = seen->to;
		else {
			i++;
			continue;
		}
		*seen = datagram->intervals[--datagram->interval_count];
	}
	if (datagram->interval_count == INTERVALS_MAX)
		return DROP_FRAGMENT_INVALID;
	datagram->intervals[datagram->interval_count++] = joined;
	if (!piece->more)
		datagram->total = piece->to;
	return DROP_NONE;
}

static void resume(struct packet *packet, uint32_t ports, uint32_t ip_id)
{
	packet->flags |= PACKET_NEW_ID;
	packet->ports = ports;
	packet->ip_id = ip_id;
	if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP)
		packet->next = PACKET_FLOW;
	else
		packet->next = ports ? PACKET_ECHO : PACKET_HOST;
}

void fragment_resume(struct packet *packet, const struct note *note)
{
	resume(packet, note->ports, note->ip_id);
}

static void release_held(
	struct fragment_table *table, struct datagram *datagram, struct fragment_release *release)
{
	for (unsigned i = 0; i < datagram->held_count; i++) {
		struct note *note = packet_note(datagram->held[i]);

		note->ports = datagram->ports;
		note->ip_id = datagram->new_id;
		release->mbufs[i] = datagram->held[i];
	}
	release->count = datagram->held_count;
	table->held_total -= datagram->held_count;
	datagram->held_count = 0;
}

void fragment_process(struct fragment_table *table, struct packet *packet, uint32_t now,
	struct fragment_release *release)
{
	struct piece piece = piece_of(packet);
	struct datagram *datagram = find_or_begin(table, packet, &piece, now);
	enum drop drop;

	release->count = 0;
	if (!datagram) {
		packet_drop(packet, DROP_FRAGMENT_TABLE_FULL);
		return;
	}
	drop = cover(datagram, &piece);
	if (drop != DROP_NONE) {
		packet_drop(packet, drop);
		return;
	}
	if (piece.from == 0) {
		datagram->known = true;
		datagram->ports = packet->ports;
		release_held(table, datagram, release);
	}
	if (datagram->known) {
		resume(packet, datagram->ports, datagram->new_id);
		if (datagram->total && datagram->interval_count == 1 &&
			datagram->intervals[0].to == datagram->total)
			datagram->used = false; // all of it has passed
		return;
	}
	if (datagram->held_count == FRAGMENT_HELD_MAX || table->held_total == HELD_TOTAL_MAX) {
		packet_drop(packet, DROP_FRAGMENT_TABLE_FULL);
		return;
	}
	*packet_note(packet->mbuf) = (struct note){
		.iface = packet->iface,
		.kind = NOTE_PROCESS,
		.flags = PACKET_NEW_ID,
	};
	datagram->held[datagram->held_count++] = packet->mbuf;
	table->held_total++;
	packet->next = PACKET_TAKEN;
}

bool fragment_expire(struct fragment_table *table, uint32_t now, unsigned *looks,
	struct fragment_release *release)
{
	release->count = 0;
	while (*looks && !release->count) {
		struct datagram *datagram = &table->datagrams[table->expire_at];

		(*looks)--;
		table->expire_at = (table->expire_at + 1) % (SETS * WAYS);
		if (!datagram->used ||
			now - datagram->since <= (datagram->known ? LIFE_TICKS : WAIT_TICKS))
			continue;
		release_held(table, datagram, release);
		datagram->used = false;
	}
	return release->count != 0;
}
