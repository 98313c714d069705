// SPDX-License-Identifier: BSD-3-Clause
// Clients' connections as others look at them, and their end by somebody's word. Between rounds.
#include <netinet/in.h>

#include "proxy_parts.h"

#define SESSIONS_A_CALL 64

static const char *const phases[] = {
	[SESSION_ANNOUNCED] = "proxy-header",
	[SESSION_HELLO] = "client-hello",
	[SESSION_HEAD] = "head",
	[SESSION_WAIT] = "connect",
	[SESSION_STREAM] = "stream",
	[SESSION_TUNNEL] = "tunnel",
	[SESSION_LINGER] = "linger",
};

static struct flow_view view_of(const struct proxy *proxy, const struct session *session)
{
	const struct tcp_tuple *tuple = tcp_tuple_of(session->link.tcp);
	const struct upstream *upstream = session->upstream;
	struct flow_view view = {
		.worker = proxy->config.worker,
		.protocol = IPPROTO_TCP,
		.phase = phases[session->state],
		.client = session->address,
		.client_port = htons(session->port),
		.vip = tuple->local,
		.vip_port = htons(tuple->local_port),
	};

	if (!upstream)
		return view;
	view.endpoint = upstream->address;
	view.endpoint_port = upstream->port;
	if (upstream->link.tcp) {
		view.source = tcp_tuple_of(upstream->link.tcp)->local;
		view.source_port = htons(tcp_tuple_of(upstream->link.tcp)->local_port);
	}
	return view;
}

// A request that is under way ends with it, and is logged.
static void clear(struct proxy *proxy, struct session *session)
{
	bool begun = session->response_begun || session->state == SESSION_TUNNEL;

	proxy->stats.refusals[HTTP_CLEARED]++;
	session->refusal = HTTP_CLEARED;
	if (session->upstream && !session->passthrough)
		request_count(proxy, session,
			begun ? session->status : http_refusal_status(HTTP_CLEARED));
	session_cut(proxy, session);
}

bool proxy_flows(struct proxy *proxy, uint32_t *cursor,
	bool (*ends)(void *arg, const struct flow_view *view), void *arg)
{
	const struct pieces *sessions = &proxy->sessions;

	for (unsigned i = 0; i < SESSIONS_A_CALL && *cursor < sessions->used; i++, (*cursor)++) {
		struct session *session =
			(struct session *)(void *)(sessions->base + *cursor * sessions->bytes);
		struct flow_view view;

		// Whoever is without TCP is run in a moment, and ends by itself.
		if (session->ended || !session->link.tcp)
			continue;
		view = view_of(proxy, session);
		if (ends(arg, &view))
			clear(proxy, session);
	}
	return *cursor >= sessions->used;
}
