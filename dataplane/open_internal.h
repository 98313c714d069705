// SPDX-License-Identifier: BSD-3-Clause
// What open.c, open_answer.c, open_preview.c and open_source.c share.
#pragma once

#include "open.h"

// A flow that is to be: both its tuples as they arrive, and whose packet begins it.
struct opening {
	const struct listener *listener;
	const struct endpoint *endpoint;
	struct flow_key client, reply;
	uint8_t direction; // of the packet: 0 from the client, 1 from the endpoint
};

static inline struct addr open_key_addr(const uint8_t *bytes, uint8_t family)
{
	struct addr addr;

	addr_from_bytes(&addr, bytes, family == 4 ? 4 : 16);
	return addr;
}

static inline const uint8_t *open_addr_key(const struct addr *addr, uint8_t family)
{
	return family == 4 ? addr->byte + 12 : addr->byte;
}

static inline in_port_t open_src_port(uint32_t ports)
{
	return (in_port_t)ports;
}

static inline in_port_t open_dst_port(uint32_t ports)
{
	return (in_port_t)(ports >> 16);
}

static inline uint32_t open_make_ports(in_port_t src, in_port_t dst)
{
	return (uint32_t)dst << 16 | src;
}

// What no host sends, and what therefore is not answered either.
enum drop open_sender_sane(const struct flow_key *key);
bool open_source_allowed(const struct listener *listener, const struct flow_key *key);
struct pick_key open_pick_key(const struct listener *listener, const struct flow_key *key);
// The record of the client's affinity to an endpoint, or NULL.
struct flow *open_affinity(const struct opener *opener, const struct flow_key *key);
// The endpoint of that record, as long as it is one of the pool and may have new flows, or NULL.
static inline const struct endpoint *open_remembered(
	const struct opener *opener, const struct flow *record, const struct pool *pool)
{
	const struct endpoint *endpoint =
		record ? tables_endpoint(opener->tables, record->endpoint) : NULL;

	return endpoint && endpoint->state == ENDPOINT_READY && endpoint->pool_slot == pool->slot
		       ? endpoint
		       : NULL;
}
// open_preview.c: the endpoint that a flow of the client with this tuple has, on this box and on
// any other with the same plan. NULL: there is none, or it is a matter of chance. Changes nothing.
const struct endpoint *open_sure_choice(const struct opener *opener,
	const struct listener *listener, const struct flow_key *client);

// open_source.c: the endpoint's side of the flow, the tuple its answers come with. `own` is room
// for what reply->dst may point to.
enum drop open_reply_key(struct opener *opener, const struct listener *listener,
	const struct endpoint *endpoint, struct flow_key *reply, struct addr *own);

// A free record of the flow table, if need be that of a closed connection; NULL: there is none.
struct flow *open_record(struct opener *opener);
// Opens the flow; the packet is its first and goes on to be rewritten.
enum drop open_insert(struct opener *opener, struct packet *packet, const struct opening *opening);

// open_answer.c: for a TCP segment without a flow that an endpoint sent to a client, when its owner
// is this worker.
void open_answer(struct opener *opener, struct packet *packet);
