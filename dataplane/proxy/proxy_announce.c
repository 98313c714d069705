// SPDX-License-Identifier: BSD-3-Clause
// Who the client is, where others tell: ahead of a connection's bytes (the PROXY protocol), by a
// proxy before us, where the listener trusts it to, and by us to the endpoints of a pool that wants
// it; and in X-Forwarded-For of each request, by those who are trusted.
#include "proxy_parts.h"

#include "forwarded.h"
#include "proxy_protocol.h"

#include <string.h>

#define FORWARDED_MOST 64 // addresses looked at

bool is_announced(const struct listener *listener, const struct addr *peer)
{
	return prefixes_contain(
		listener->http->proxy_protocol, listener->http->proxy_protocol_count, peer);
}

static void name_client(struct session *session, const struct addr *address, uint16_t port)
{
	if (session->client_length && session->port == port &&
		addr_compare(&session->address, address) == 0)
		return;
	session->address = *address;
	session->port = port;
	addr_format(address, session->client);
	session->client_length = (uint8_t)strlen(session->client);
}

void session_name_peer(struct session *session, const struct addr *address, uint16_t port)
{
	session->peer = *address;
	session->peer_port = port;
	name_client(session, address, port);
}

static bool is_trusted(const struct listener *listener, const struct addr *address)
{
	return listener && listener->http &&
	       prefixes_contain(listener->http->trusted, listener->http->trusted_count, address);
}

// From the end of X-Forwarded-For, as each of those who are trusted added whom it heard from, the
// first who is not; or whoever is named first of all.
static void look_behind(const struct h1_head *head, const struct listener *listener,
	struct addr *address, uint16_t *port)
{
	unsigned left = FORWARDED_MOST;

	for (unsigned i = head->field_count; i-- > 0;) {
		const struct h1_field *field = &head->fields[i];
		uint32_t length = field->value_length;

		if (field->id != H1_X_FORWARDED_FOR)
			continue;
		do {
			struct addr before;
			uint16_t before_port;

			if (left-- == 0 || !forwarded_last(head->bytes + field->value, &length,
						   &before, &before_port))
				return;
			*address = before;
			*port = before_port;
		} while (is_trusted(listener, address) && length);
		if (!is_trusted(listener, address))
			return;
	}
}

void session_name_client(struct proxy *proxy, struct session *session, const struct h1_head *head)
{
	const struct listener *listener = tables_listener_slot(proxy->tables, session->listener);
	struct addr address = session->peer;
	uint16_t port = session->peer_port;

	session->trusted = is_trusted(listener, &address);
	if (session->trusted && head && h1_has(head, H1_X_FORWARDED_FOR))
		look_behind(head, listener, &address, &port);
	name_client(session, &address, port);
}

// Source ranges are about the client, not about whom it came through.
static bool may_come(const struct proxy *proxy, const struct session *session)
{
	const struct listener *listener = tables_listener_slot(proxy->tables, session->listener);

	return listener &&
	       (!listener->source_count || prefixes_contain(listener->sources,
						   listener->source_count, &session->address));
}

static bool refuse(struct proxy *proxy, struct session *session, enum http_refusal refusal)
{
	proxy->stats.refusals[refusal]++;
	session_cut(proxy, session);
	return false;
}

bool announced_step(struct proxy *proxy, struct session *session)
{
	struct link *link = &session->link;
	uint32_t have = RTE_MIN(link->in.length, (uint32_t)PROXY_PROTOCOL_MAX);
	const char *bytes = have ? link_gather(proxy, link, have) : NULL;
	struct proxy_protocol header;
	int length = bytes ? proxy_protocol_parse(&header, bytes, have) : 0;

	if (length == 0 && (!link->tcp || link->finished))
		return refuse(proxy, session, HTTP_CLIENT_LEFT);
	if (length < 0 || (length == 0 && have == PROXY_PROTOCOL_MAX))
		return refuse(proxy, session, HTTP_PROXY_PROTOCOL);
	if (length == 0)
		return false;
	link_used(proxy, link, (uint32_t)length);
	if (!header.local)
		session_name_peer(session, &header.source, header.source_port);
	if (!may_come(proxy, session)) {
		proxy->config.drops[DROP_SOURCE_RANGE]++;
		session_cut(proxy, session);
		return false;
	}
	return session_start(proxy, session);
}

bool upstream_announce(struct proxy *proxy, struct upstream *upstream)
{
	const struct session *session = upstream->session;
	const struct tcp_tuple *tuple = tcp_tuple_of(session->link.tcp);
	const struct proxy_protocol header = {
		.version = 2,
		.source = session->address,
		.source_port = session->port,
		.destination = tuple->local,
		.destination_port = tuple->local_port,
	};
	struct chunk *chunk;

	if (!upstream->announce)
		return true;
	chunk = chunk_new(proxy, PROXY_PROTOCOL_ROOM);
	if (!chunk)
		return false;
	upstream->announce = false;
	if (link_send(&upstream->link, chunk->data, proxy_protocol_write(&header, chunk->data),
		    chunk_owner(chunk)))
		return true;
	owner_release(chunk_owner(chunk));
	return false; // as if it did not connect, in time
}
