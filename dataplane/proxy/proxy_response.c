// SPDX-License-Identifier: BSD-3-Clause
// What comes back from the endpoint: its head read and rewritten, its body passed on as it comes,
// and what is to be done when it does not come, or not whole.
#include "proxy_parts.h"

#include <errno.h>
#include <string.h>

static uint32_t retry_bit(uint16_t status)
{
	switch (status) {
	case 500:
		return RETRY_500;
	case 502:
		return RETRY_502;
	case 503:
		return RETRY_503;
	case 504:
		return RETRY_504;
	case 403:
		return RETRY_403;
	case 404:
		return RETRY_404;
	case 429:
		return RETRY_429;
	default:
		return 0;
	}
}

// The endpoint is of no use for this request. Always progress.
static bool failed(
	struct proxy *proxy, struct session *session, uint32_t why, enum http_refusal refusal)
{
	if (!upstream_retry(proxy, session, why))
		request_refuse(proxy, session, refusal);
	return true;
}

// Writes the client's head; false when there is no memory.
static bool send_head(struct proxy *proxy, struct session *session)
{
	struct h1_head *head = &proxy->response_head;
	char hsts[64];
	struct h1_respond how = {
		.date = proxy_date(proxy),
		.hsts_length = hsts_text(proxy, session, hsts),
		.client_old = session->client_old,
		.keep_alive = session->keep_alive,
	};
	struct chunk *chunk;
	uint32_t length;

	how.hsts = how.hsts_length ? hsts : NULL;
	chunk = chunk_new(proxy, h1_response_room(head, &how));
	length = chunk ? h1_write_response(head, &how, chunk->data, chunk->room) : 0;
	if (!length || !link_send(&session->link, chunk->data, length, chunk_owner(chunk))) {
		if (chunk)
			owner_release(chunk_owner(chunk));
		return false;
	}
	session->bytes_out += length;
	return true;
}

// A final head, or that of a tunnel.
static bool begin(struct proxy *proxy, struct session *session)
{
	struct h1_head *head = &proxy->response_head;
	struct upstream *upstream = session->upstream;
	uint64_t took = proxy->now - session->started;
	uint32_t *average = &proxy->latency[upstream->endpoint];

	if ((session->retry_on & retry_bit(head->status)) &&
		upstream_retry(proxy, session, retry_bit(head->status)))
		return true;
	*average = took > *average ? (uint32_t)RTE_MIN(took, UINT32_MAX)
				   : *average - *average / 8 + (uint32_t)(took / 8);
	session->status = session->upstream_status = head->status;
	session->answered_at = proxy->now;
	h1_body_begin(&session->response, head);
	session->unchunk = session->client_old && head->body == H1_BODY_CHUNKED;
	// A body that ends with the connection ends ours, too; so does an answer to half a request.
	if (head->body == H1_BODY_TO_END || session->unchunk || !session->request.done)
		session->keep_alive = false;
	upstream->keep = head->keep_alive && head->body != H1_BODY_TO_END;
	if (!send_head(proxy, session)) {
		request_refuse(proxy, session, HTTP_OVERLOAD);
		return true;
	}
	session->response_begun = true;
	request_forget(session);
	link_used(proxy, &upstream->link, head->length);
	if (head->status == 101)
		session->state = SESSION_TUNNEL;
	return true;
}

// The endpoint has its time from one piece of what it says to the next.
static void heard(struct proxy *proxy, const struct session *session)
{
	deadline_set(proxy, &session->upstream->deadline, after_ms(proxy, session->read_ms));
}

// What is to come before the answer (RFC 9110 section 15.2), for a client that knows of such heads.
// No other endpoint is asked once it has one.
static bool interim(struct proxy *proxy, struct session *session)
{
	const struct h1_head *head = &proxy->response_head;
	bool sent = true;

	// 100 is said by us, who ask for none; without the client nobody is told.
	if (head->status != 100 && !session->client_old && session->link.tcp) {
		sent = send_head(proxy, session);
		session->retry_until = 0;
	}
	if (sent) {
		link_used(proxy, &session->upstream->link, head->length);
		if (session->request_sent)
			heard(proxy, session);
	} else {
		request_refuse(proxy, session, HTTP_OVERLOAD);
	}
	return true;
}

// Nothing (more) of a head is there.
static bool wait_for_head(struct proxy *proxy, struct session *session)
{
	const struct link *link = &session->upstream->link;

	if (link->tcp && !link->finished)
		return false;
	if (link->error == -ETIMEDOUT)
		return failed(proxy, session, RETRY_TIMEOUT, HTTP_UPSTREAM_TIMEOUT);
	return failed(proxy, session, RETRY_ERROR, HTTP_UPSTREAM_BROKE);
}

// While the client takes nothing it is its time that runs, not the endpoint's.
static void watch(struct proxy *proxy, struct session *session, bool stalled, bool moved)
{
	const struct http_site *site = tables_site(proxy->tables, session->site);
	struct deadline *endpoint = &session->upstream->deadline;

	if (stalled) {
		deadline_stop(endpoint);
		if (site && (moved || !session->stalled || !session->deadline.link))
			deadline_set(
				proxy, &session->deadline, after_ms(proxy, site->body_timeout_ms));
	} else if (moved || session->stalled) {
		heard(proxy, session);
		if (session->request_sent)
			deadline_stop(&session->deadline);
	}
	session->stalled = stalled;
}

static bool take_head(struct proxy *proxy, struct session *session)
{
	struct h1_head *head = &proxy->response_head;
	struct link *link = &session->upstream->link;
	uint32_t have = RTE_MIN(link->in.length, (uint32_t)HEAD_MAX + 1);
	struct h1_asked asked = {session->to_head, session->upgrade, HEAD_MAX};
	uint32_t seen = session->scan.seen;
	enum h1_parsed parsed;
	const char *bytes;

	if (!have)
		return wait_for_head(proxy, session);
	if (link_room(&session->link) < CHUNK_LARGE && session->link.tcp) {
		watch(proxy, session, true, false);
		return false; // until the client has taken what it was sent
	}
	watch(proxy, session, false, false);
	bytes = link_gather(proxy, link, have);
	if (!bytes) {
		request_refuse(proxy, session, HTTP_OVERLOAD);
		return true;
	}
	parsed = h1_parse_response(head, &session->scan, bytes, have, asked);
	if (parsed == H1_MORE) {
		if (session->scan.seen != seen && session->request_sent)
			heard(proxy, session);
		return wait_for_head(proxy, session);
	}
	if (parsed == H1_REFUSED)
		return failed(proxy, session, RETRY_INVALID_HEADER, head->refusal);
	if (head->status < 200 && head->status != 101)
		return interim(proxy, session);
	return begin(proxy, session);
}

// All of the response has gone to the client.
static bool end(struct proxy *proxy, struct session *session)
{
	struct upstream *upstream = session->upstream;
	bool keep = session->keep_alive && session->request.done;

	request_count(proxy, session, session->status);
	upstream_release(proxy, session,
		upstream->keep && session->request_sent && !upstream->link.in.length);
	if (keep) {
		request_reset(session);
		return true;
	}
	session_close(proxy, session);
	return true;
}

// Bytes of the first slice on to the client; the owner is held for it.
static bool pass(struct session *session, struct slice *slice, const char *data, uint32_t length)
{
	if (!length)
		return true;
	owner_hold(slice->owner);
	if (link_send(&session->link, data, length, slice->owner))
		return true;
	owner_release(slice->owner);
	return false;
}

static bool body_part(struct proxy *proxy, struct session *session, uint32_t room)
{
	struct link *link = &session->upstream->link;
	struct slice *slice = link->in.first;
	uint32_t most = RTE_MIN(slice->length, room), taken = 0;

	if (!session->unchunk) {
		if (h1_body_pass(&session->response, slice->data, most, &taken) != HTTP_OK ||
			!pass(session, slice, slice->data, taken))
			return false;
	}
	while (session->unchunk && taken < most && !session->response.done) {
		const char *data = slice->data + taken;
		struct h1_span span;

		if (h1_body_take(&session->response, data, most - taken, &span) != HTTP_OK ||
			!pass(session, slice, data + span.payload, span.payload_length))
			return false;
		taken += span.length;
	}
	session->bytes_out += taken;
	link_used(proxy, link, taken);
	return true;
}

// The client gets what there is of the response; where its framing does not tell that some is
// missing, a reset does.
static bool cut(struct proxy *proxy, struct session *session)
{
	bool tells = session->response.kind != H1_BODY_TO_END && !session->unchunk;

	proxy->stats.refusals[HTTP_UPSTREAM_CUT]++;
	session->refusal = HTTP_UPSTREAM_CUT;
	request_count(proxy, session, session->status);
	if (tells) {
		upstream_release(proxy, session, false);
		session_close(proxy, session);
	} else {
		session_cut(proxy, session);
	}
	return tells;
}

bool response_stream(struct proxy *proxy, struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct link *link = &upstream->link;
	bool moved = false;

	if (link->broken && link->tcp) {
		if (link->tls) // it may refuse us when the handshake is over for us
			session->upstream_tls = (uint8_t)tls_refusal_of(link->tls);
		link_abort(proxy, link);
		link->finished = true;
		link->error = -EPROTO;
	}
	if (!session->response_begun)
		return take_head(proxy, session);
	while (!session->response.done && link->in.length) {
		uint32_t room = link_room(&session->link);
		uint32_t waiting = RTE_MIN(link->in.length, room);

		if (room == 0)
			break;
		if (session->link.tls) // where no chunk is left, by small records
			link_gather(proxy, link, RTE_MIN(waiting, (uint32_t)TLS_READ_ROOM));
		if (!body_part(proxy, session, room))
			return cut(proxy, session);
		moved = true;
	}
	if (link->finished && !link->in.length && !session->response.done) {
		if (link->error || !h1_body_end(&session->response))
			return cut(proxy, session);
	}
	if (session->response.done || (link->finished && !link->in.length))
		return end(proxy, session);
	watch(proxy, session, link->in.length > 0, moved);
	return false;
}
