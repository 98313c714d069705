// SPDX-License-Identifier: BSD-3-Clause
// The bytes of one connection: what came in and waits, and what is sent. Bytes are not copied, but
// where a head is split over packets.
#include "proxy_parts.h"

#include <string.h>

void slices_open(struct slices *slices)
{
	*slices = (struct slices){.last = &slices->first};
}

bool slices_add(
	struct proxy *proxy, struct slices *slices, const char *data, uint32_t length, void *owner)
{
	struct slice *slice = pieces_take(&proxy->slices);

	if (!slice) {
		owner_release(owner);
		return false;
	}
	*slice = (struct slice){NULL, data, owner, length};
	*slices->last = slice;
	slices->last = &slice->next;
	slices->length += length;
	return true;
}

void slices_drop(struct proxy *proxy, struct slices *slices)
{
	struct slice *slice = slices->first;

	slices->first = slice->next;
	if (!slices->first)
		slices->last = &slices->first;
	slices->length -= slice->length;
	owner_release(slice->owner);
	pieces_give(&proxy->slices, slice);
}

void slices_clear(struct proxy *proxy, struct slices *slices)
{
	while (slices->first)
		slices_drop(proxy, slices);
}

void link_used(struct proxy *proxy, struct link *link, uint32_t length)
{
	struct slice *slice = link->in.first;

	if (length == slice->length) {
		slices_drop(proxy, &link->in);
	} else {
		slice->data += length;
		slice->length -= length;
		link->in.length -= length;
	}
	if (link->tcp && !link->tls)
		tcp_consume(link->tcp, length);
}

uint32_t link_room(struct link *link)
{
	if (!link->tcp || !link->connected || link->ended)
		return 0;
	return link->tls ? link_seal_room(link) : tcp_send_room(link->tcp);
}

bool link_send(struct link *link, const char *data, uint32_t length, void *owner)
{
	const struct tcp_piece piece = {data, length, owner};

	if (link->tcp && link->tls) {
		if (!link_seal(link, data, length))
			return false;
		owner_release(owner);
		return true;
	}
	return link->tcp && tcp_send(link->tcp, &piece, 1) == 1;
}

// The first bytes of several slices, copied into one.
static bool merge(struct proxy *proxy, struct link *link, uint32_t length)
{
	struct chunk *chunk = chunk_new(proxy, length);
	struct slice *merged = pieces_take(&proxy->slices), *slice;
	uint32_t at = 0;

	if (!chunk || !merged) {
		if (chunk)
			owner_release(chunk_owner(chunk));
		if (merged)
			pieces_give(&proxy->slices, merged);
		return false;
	}
	while (at < length) {
		uint32_t n = RTE_MIN(link->in.first->length, length - at);

		slice = link->in.first;
		memcpy(chunk->data + at, slice->data, n);
		at += n;
		if (n == slice->length) {
			slices_drop(proxy, &link->in);
		} else {
			slice->data += n;
			slice->length -= n;
			link->in.length -= n;
		}
	}
	*merged = (struct slice){link->in.first, chunk->data, chunk_owner(chunk), length};
	if (!link->in.first)
		link->in.last = &merged->next;
	link->in.first = merged;
	link->in.length += length;
	return true;
}

const char *link_gather(struct proxy *proxy, struct link *link, uint32_t length)
{
	if (link->in.first->length < length && !merge(proxy, link, length))
		return NULL;
	return link->in.first->data;
}

void link_finish(struct link *link)
{
	if (link->tls && link->tcp && !link->ended && !link->broken)
		tls_finish(link->tls);
	if (link->tcp && !link->ended)
		tcp_finish(link->tcp);
	link->ended = true;
}

void link_abort(struct proxy *proxy, struct link *link)
{
	slices_clear(proxy, &link->in);
	link_close_tls(proxy, link);
	if (link->tcp)
		tcp_abort(link->tcp);
	link->tcp = NULL;
}

void link_leave(struct proxy *proxy, struct link *link)
{
	slices_clear(proxy, &link->in);
	link_close_tls(proxy, link);
	if (link->tcp)
		tcp_leave(link->tcp);
	link->tcp = NULL;
}
