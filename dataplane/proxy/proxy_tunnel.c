// SPDX-License-Identifier: BSD-3-Clause
// After an upgrade, and where TLS goes on unopened: bytes both ways, and why it ended.
#include "proxy_parts.h"

#include <errno.h>

// Bytes from one to the other as they come; the end of one side ends the other's, too.
static bool tunnel_way(struct proxy *proxy, struct link *from, struct link *to)
{
	bool moved = false;

	while (from->in.length) {
		struct slice *slice = from->in.first;
		uint32_t n = RTE_MIN(slice->length, link_room(to));

		if (n == 0)
			break;
		owner_hold(slice->owner);
		if (!link_send(to, slice->data, n, slice->owner)) {
			owner_release(slice->owner);
			break;
		}
		link_used(proxy, from, n);
		moved = true;
	}
	if (from->finished && !from->in.length)
		link_finish(to);
	return moved;
}

static bool is_broken(const struct link *link)
{
	return link->broken || (!link->tcp && (link->error || !link->ended));
}

// HTTP_OK: it goes on, or both sides have said all.
static enum http_refusal tunnel_broken(const struct session *session)
{
	const struct link *upstream = &session->upstream->link;

	if (is_broken(&session->link))
		return HTTP_CLIENT_LEFT;
	if (is_broken(upstream))
		return upstream->error == -ETIMEDOUT ? HTTP_TUNNEL_IDLE : HTTP_UPSTREAM_CUT;
	return HTTP_OK;
}

bool tunnel_step(struct proxy *proxy, struct session *session)
{
	struct link *client = &session->link, *upstream;
	uint32_t in = client->in.length, out;
	enum http_refusal broken;
	bool moved, over;

	if (!session->upstream) {
		session_end(proxy, session);
		return false;
	}
	upstream = &session->upstream->link;
	out = upstream->in.length;
	moved = tunnel_way(proxy, client, upstream);
	moved |= tunnel_way(proxy, upstream, client);
	session->bytes_in += in - client->in.length;
	session->bytes_out += out - upstream->in.length;
	over = client->ended && upstream->ended;
	broken = over ? HTTP_OK : tunnel_broken(session);
	if (over || broken != HTTP_OK) {
		if (broken != HTTP_OK)
			proxy->stats.refusals[broken]++;
		session->refusal = broken;
		if (!session->passthrough)
			request_count(proxy, session, session->status);
		if (over) // what it was sent last is still under way
			upstream_release(proxy, session, true);
		session_end(proxy, session);
		return false;
	}
	if (moved)
		deadline_set(
			proxy, &session->upstream->deadline, after_ms(proxy, session->read_ms));
	return false;
}
