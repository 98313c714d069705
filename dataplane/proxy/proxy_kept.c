// SPDX-License-Identifier: BSD-3-Clause
// What has gone of a request's body, kept as long as the request may have to go to another
// endpoint: so much of it, in a pool of its own. Where there is no room the request is as one that
// may not be repeated.
#include "proxy_parts.h"

#include <string.h>

#define KEPT_MOST (4 * CHUNK_LARGE)

static struct chunk *part_new(struct proxy *proxy, struct session *session)
{
	struct chunk *part = pieces_take(&proxy->kept);

	if (!part)
		return NULL;
	*part = (struct chunk){.home = &proxy->kept, .references = 1, .room = CHUNK_LARGE};
	*(session->kept ? &session->kept_last->next : &session->kept) = part;
	session->kept_last = part;
	return part;
}

static bool keep(struct proxy *proxy, struct session *session, const char *data, uint32_t length)
{
	if (session->kept_length + length > KEPT_MOST)
		return false;
	while (length) {
		uint32_t at = session->kept_length % CHUNK_LARGE;
		struct chunk *part = at ? session->kept_last : part_new(proxy, session);
		uint32_t n = RTE_MIN(length, CHUNK_LARGE - at);

		if (!part)
			return false;
		memcpy(part->data + at, data, n);
		session->kept_length += n;
		data += n;
		length -= n;
	}
	return true;
}

static void drop(struct session *session)
{
	while (session->kept) {
		struct chunk *part = session->kept;

		session->kept = part->next;
		owner_release(chunk_owner(part));
	}
	session->kept_length = session->kept_sent = 0;
}

void request_went(struct proxy *proxy, struct session *session, const char *data, uint32_t length)
{
	bool wanted = session->head && !session->body_consumed &&
		      (session->idempotent || session->retry_on & RETRY_NON_IDEMPOTENT);

	if (wanted && keep(proxy, session, data, length)) {
		session->kept_sent = session->kept_length;
		return;
	}
	session->body_consumed = true;
	drop(session);
}

bool request_send_kept(struct session *session)
{
	struct link *link = &session->upstream->link;

	while (session->kept_sent < session->kept_length) {
		uint32_t at = session->kept_sent % CHUNK_LARGE;
		uint32_t n = RTE_MIN(session->kept_length - session->kept_sent, CHUNK_LARGE - at);
		struct chunk *part = session->kept;

		n = RTE_MIN(n, link_room(link));
		for (uint32_t i = session->kept_sent / CHUNK_LARGE; i; i--)
			part = part->next;
		if (!n)
			return false;
		owner_hold(chunk_owner(part));
		if (!link_send(link, part->data + at, n, chunk_owner(part))) {
			owner_release(chunk_owner(part));
			return false;
		}
		session->kept_sent += n;
	}
	return true;
}

void request_forget(struct session *session)
{
	if (session->head)
		owner_release(chunk_owner(session->head));
	session->head = NULL;
	drop(session);
}
