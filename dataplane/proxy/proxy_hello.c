// SPDX-License-Identifier: BSD-3-Clause
// The first bytes of a TLS connection where some names are passed through: the name asked for
// decides whether they go on to an endpoint as they are, or TLS ends here.
#include "hello.h"
#include "proxy_parts.h"

#include <string.h>

static bool pass_through(
	struct proxy *proxy, struct session *session, const struct server_name *name)
{
	const struct pool *pool = backend_choose(proxy, name->backends, name->backend_count);
	enum http_refusal refusal = HTTP_NO_ENDPOINT;

	session->passthrough = true;
	session->started = proxy->now;
	session->connect_ms = PASSTHROUGH_CONNECT_MS;
	session->read_ms = PASSTHROUGH_IDLE_MS;
	session->tries_left = PASSTHROUGH_TRIES;
	session->retry_on = RETRY_ERROR | RETRY_TIMEOUT;
	session->retry_until = UINT64_MAX;
	session->request.done = session->idempotent = true;
	deadline_stop(&session->deadline);
	if (pool) {
		session->pool = pool->slot;
		session->pool_hash = pool->name_hash;
		session->hash = session_hash(session);
		refusal = upstream_acquire(proxy, session);
	}
	if (refusal == HTTP_OK)
		return true;
	proxy->stats.refusals[refusal]++;
	session_cut(proxy, session);
	return false;
}

bool hello_step(struct proxy *proxy, struct session *session)
{
	const struct server_name *name;
	enum hello_verdict verdict = HELLO_MORE;
	struct hello hello;

	if (!session->link.tcp || session->link.finished) {
		proxy->stats.refusals[HTTP_CLIENT_LEFT]++;
		session_end(proxy, session);
		return false;
	}
	// From the beginning each time: it is one segment or two.
	memset(&hello, 0, sizeof(hello));
	for (struct slice *slice = session->link.in.first; slice && verdict == HELLO_MORE;
		slice = slice->next)
		verdict = hello_feed(&hello, slice->data, slice->length);
	if (verdict == HELLO_MORE)
		return false;
	// What is malformed is refused, by name, by who ends TLS.
	name = verdict == HELLO_WHOLE ? tables_server_name(proxy->tables, session->site, hello.name,
						hello.name_length)
				      : NULL;
	if (name && name->backend_count)
		return pass_through(proxy, session, name);
	return session_end_tls(proxy, session);
}
