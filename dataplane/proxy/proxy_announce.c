// SPDX-License-Identifier: BSD-3-Clause
// Who the client is, told ahead of a connection's bytes: by a proxy before us, where the listener
// trusts it to, and by us to the endpoints of a pool that wants it (the PROXY protocol).
#include "proxy_parts.h"

#include "proxy_protocol.h"

#include <string.h>

bool is_announced(const struct listener *listener, const struct addr *peer)
{
	for (uint32_t i = 0; i < listener->http->proxy_protocol_count; i++)
		if (prefix_contains(&listener->http->proxy_protocol[i], peer))
			return true;
	return false;
}

void session_name_client(struct session *session, const struct addr *address, uint16_t port)
{
	session->address = *address;
	session->port = port;
	addr_format(address, session->client);
	session->client_length = (uint8_t)strlen(session->client);
}

// Source ranges are about the client, not about whom it came through.
static bool may_come(const struct proxy *proxy, const struct session *session)
{
	const struct listener *listener = tables_listener_slot(proxy->tables, session->listener);
	bool allowed = listener && listener->source_count == 0;

	for (uint32_t i = 0; listener && i < listener->source_count && !allowed; i++)
		allowed = prefix_contains(&listener->sources[i], &session->address);
	return allowed;
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
		session_name_client(session, &header.source, header.source_port);
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
