// SPDX-License-Identifier: BSD-3-Clause
// Endpoints: which one a request goes to, and the connections to them. One that is free and still
// open is used before a new one is made; the one used last goes first, so that the others end in
// time.
#include "proxy_parts.h"

#include <errno.h>
#include <netinet/in.h>

#define FAILED_US    2000000 // an endpoint that took no connection is passed over for so long
#define SOURCE_TRIES 64
#define FADE_PARTS   61 // in a second: as many ticks
#define PASSED_MOST                                                                                \
	16 // endpoints looked at for one that was not tried; connections, for one that fits

static void load_change(
	struct proxy *proxy, const struct session *session, uint32_t endpoint, int by)
{
	struct proxy_stats *stats = &proxy->stats;

	proxy->load[endpoint] += (uint32_t)by;
	stats->endpoints[endpoint].open += by;
	stats->listeners[session->listener].open += by;
	if (session->rule != UINT32_MAX)
		stats->rules[session->rule].open += by;
	stats->all.open += by;
}

static void idle_remove(struct proxy *proxy, struct upstream *upstream)
{
	struct endpoint_links *links = &proxy->endpoints[upstream->endpoint];

	*upstream->previous_next = upstream->next;
	if (upstream->next)
		upstream->next->previous_next = upstream->previous_next;
	*(upstream->older ? &upstream->older->newer : &proxy->idle_oldest) = upstream->newer;
	*(upstream->newer ? &upstream->newer->older : &proxy->idle_newest) = upstream->older;
	links->idle_count--;
	proxy->stats.idle_upstreams--;
}

static void idle_add(struct proxy *proxy, struct upstream *upstream)
{
	struct endpoint_links *links = &proxy->endpoints[upstream->endpoint];

	upstream->next = links->idle;
	upstream->previous_next = &links->idle;
	if (upstream->next)
		upstream->next->previous_next = &upstream->next;
	links->idle = upstream;
	links->idle_count++;
	upstream->older = proxy->idle_newest;
	upstream->newer = NULL;
	*(upstream->older ? &upstream->older->newer : &proxy->idle_oldest) = upstream;
	proxy->idle_newest = upstream;
	proxy->stats.idle_upstreams++;
}

static void upstream_free(struct proxy *proxy, struct upstream *upstream)
{
	deadline_stop(&upstream->deadline);
	proxy->stats.upstreams--;
	pieces_give(&proxy->upstreams, upstream);
}

void upstream_gone(struct proxy *proxy, struct upstream *upstream)
{
	idle_remove(proxy, upstream);
	link_leave(proxy, &upstream->link);
	upstream_free(proxy, upstream);
}

// Among the endpoint's free ones. Over TLS in that of the one used longest ago: it may be for a
// name that nobody asks for any more.
static bool make_place(struct proxy *proxy, const struct upstream *upstream)
{
	const struct endpoint_links *links = &proxy->endpoints[upstream->endpoint];
	struct upstream *last = links->idle;

	if (links->idle_count < upstream->idle_limit)
		return true;
	if (!upstream->tls || !upstream->idle_limit || !last)
		return false;
	while (last->next)
		last = last->next;
	upstream_gone(proxy, last);
	return true;
}

void upstream_release(struct proxy *proxy, struct session *session, bool reusable)
{
	struct upstream *upstream = session->upstream;
	const struct endpoint *endpoint = tables_endpoint(proxy->tables, upstream->endpoint);

	session->upstream = NULL;
	upstream->session = NULL;
	load_change(proxy, session, upstream->endpoint, -1);
	if (!reusable || !upstream->link.tcp || upstream->link.ending || !endpoint ||
		endpoint->state != ENDPOINT_READY || !make_place(proxy, upstream)) {
		if (reusable)
			link_leave(proxy, &upstream->link);
		else
			link_abort(proxy, &upstream->link);
		upstream_free(proxy, upstream);
		return;
	}
	if (proxy->stats.idle_upstreams >= proxy->config.idle_upstreams)
		upstream_gone(proxy, proxy->idle_oldest);
	idle_add(proxy, upstream);
	deadline_set(proxy, &upstream->deadline, after_ms(proxy, upstream->idle_timeout_ms));
}

void upstream_timeout(struct proxy *proxy, struct upstream *upstream)
{
	struct session *session = upstream->session;

	if (!session) {
		upstream_gone(proxy, upstream);
		return;
	}
	// As if its end had timed out: whoever runs the session sees to the rest.
	link_abort(proxy, &upstream->link);
	upstream->link.finished = true;
	upstream->link.error = -ETIMEDOUT;
	session_mark(proxy, session);
}

// An address of ours and a port of the proxy's that are free towards the endpoint.
static int connect_from(struct proxy *proxy, struct upstream *upstream, struct tcp_open *open)
{
	const struct owner_rule *rule = proxy->config.rule;
	const struct open_sources *sources = proxy->config.sources;
	struct tcp_tuple tuple = {
		.remote = upstream->address, .remote_port = ntohs(upstream->port)};
	struct fib_answer answer = fib_lookup(proxy->fib, &upstream->address);
	bool v4 = addr_is_v4(&upstream->address);
	uint32_t addresses = v4 ? sources->v4_count : sources->v6_count;
	uint32_t first = owner_proxy_first(rule, proxy->config.worker);
	uint32_t ports = (rule->port_last - first) / rule->workers + 1;

	if (answer.result == FIB_HOP)
		answer.iface = proxy->fib->hops[answer.hop].iface;
	else if (answer.result != FIB_NEIGHBOUR)
		return -EHOSTUNREACH;
	if (!addresses && !fib_source(proxy->fib, answer.iface, &upstream->address, &tuple.local))
		return -EADDRNOTAVAIL;
	open->mtu = proxy->config.transmitter->ifaces[answer.iface].mtu;
	for (unsigned i = 0; i < SOURCE_TRIES; i++) {
		uint32_t number = proxy->port_cursor++;
		int error;

		if (addresses && v4)
			addr_from_bytes(
				&tuple.local, (const uint8_t *)&sources->v4[number % addresses], 4);
		else if (addresses)
			tuple.local = sources->v6[number % addresses];
		tuple.local_port = (uint16_t)(first + number % ports * rule->workers);
		error = tcp_connect(proxy->tcp, &tuple, open, &upstream->link.tcp);
		if (error != -EADDRINUSE)
			return error;
	}
	return -EADDRINUSE;
}

static enum http_refusal connect_new(struct proxy *proxy, struct session *session,
	const struct endpoint *endpoint, const struct upstream_policy *policy)
{
	struct upstream *upstream = pieces_take(&proxy->upstreams);
	struct tcp_open open = {0};

	if (!upstream)
		return HTTP_OVERLOAD;
	*upstream = (struct upstream){
		.session = session,
		.endpoint = endpoint->slot,
		.address = endpoint->address,
		.port = endpoint->port,
		.idle_timeout_ms = policy->idle_timeout_ms,
		.idle_limit = policy->proxy_protocol ? 0 : policy->idle_connections,
		.tls = policy->tls && !session->passthrough,
		.announce = policy->proxy_protocol,
		.pool = session->pool,
		.pool_hash = session->pool_hash,
		.deadline = {.kind = DEADLINE_UPSTREAM},
	};
	slices_open(&upstream->link.in);
	slices_open(&upstream->link.raw);
	open.user = upstream;
	if (connect_from(proxy, upstream, &open)) {
		pieces_give(&proxy->upstreams, upstream);
		return HTTP_OVERLOAD;
	}
	proxy->stats.upstreams++;
	session->upstream = upstream;
	session->state = SESSION_WAIT;
	deadline_set(proxy, &upstream->deadline, after_ms(proxy, session->connect_ms));
	return HTTP_OK;
}

// Nobody spoke while it was free: what is said there would be taken for the next answer.
static bool is_quiet(struct proxy *proxy, struct link *link)
{
	if (link->raw.length)
		link_open(proxy, link);
	return link->tcp && !link->ending && !link->finished && !link->broken && !link->in.length;
}

static bool is_same(const struct upstream *upstream, const struct endpoint *endpoint,
	const struct upstream_policy *policy)
{
	return upstream->port == endpoint->port && upstream->tls == policy->tls &&
	       addr_compare(&upstream->address, &endpoint->address) == 0;
}

// A free connection to the endpoint that is still what it was; over TLS, one that was made for whom
// the session's request is for.
static struct upstream *reuse(struct proxy *proxy, const struct session *session,
	const struct endpoint *endpoint, const struct upstream_policy *policy)
{
	struct upstream *next = proxy->endpoints[endpoint->slot].idle, *upstream;
	char name[SLUICE_HOST_LENGTH + 1];
	struct tls_target target;

	if (policy->proxy_protocol)
		return NULL; // one client's alone
	if (policy->tls && !link_target(session, proxy->tables, policy, name, &target))
		return NULL;
	for (unsigned passed = 0; next && passed < PASSED_MOST;) {
		upstream = next;
		next = upstream->next;
		if (!is_quiet(proxy, &upstream->link) || !is_same(upstream, endpoint, policy)) {
			upstream_gone(proxy, upstream);
		} else if (!policy->tls || tls_fits(upstream->link.tls, &target)) {
			idle_remove(proxy, upstream);
			return upstream;
		} else {
			passed++;
		}
	}
	return NULL;
}

static bool was_tried(const struct session *session, uint32_t slot)
{
	for (unsigned i = 0; i < session->tried_count; i++)
		if (session->tried[i] == slot)
			return true;
	return false;
}

static const struct endpoint *choose(
	struct proxy *proxy, const struct session *session, const struct pool *pool)
{
	struct pick_load load = {proxy->load, SLUICE_ENDPOINTS_MAX, proxy->latency};
	struct pick_key key = {.tuple = session->hash, .client = session->hash};
	const struct endpoint *first = NULL;
	uint32_t index;

	if (pool->algorithm == ALGORITHM_LEAST_REQUESTS || pool->algorithm == ALGORITHM_EWMA)
		key.tuple = proxy_random(proxy);
	index = pick_endpoint(pool, &key, &proxy->pick_states[pool->slot], &load);
	if (index == UINT32_MAX)
		return NULL;
	for (uint32_t i = 0; i < PASSED_MOST && i < pool->ready_count; i++) {
		const struct endpoint *it = pool->members[(index + i) % pool->ready_count];

		if (was_tried(session, it->slot))
			continue;
		if (proxy->endpoints[it->slot].failed_until <= proxy->now)
			return it;
		first = first ? first : it; // better one that failed than none
	}
	return first ? first : pool->members[index];
}

enum http_refusal upstream_acquire(struct proxy *proxy, struct session *session)
{
	const struct rule_backend backend = {.pool = session->pool, .hash = session->pool_hash};
	const struct pool *pool = tables_backend_pool(proxy->tables, &backend);
	const struct endpoint *endpoint = pool ? choose(proxy, session, pool) : NULL;
	enum http_refusal refusal = HTTP_OK;
	struct upstream *upstream;

	if (!endpoint || !pool->upstream)
		return HTTP_NO_ENDPOINT;
	session->upstream_tls = TLS_OK;
	if (session->tried_count < TRIED_MAX)
		session->tried[session->tried_count++] = endpoint->slot;
	upstream = session->passthrough ? NULL : reuse(proxy, session, endpoint, pool->upstream);
	if (upstream) {
		upstream->session = session;
		upstream->reused = true;
		session->upstream = upstream;
		session->state = SESSION_WAIT; // it gets further at once
	} else {
		refusal = connect_new(proxy, session, endpoint, pool->upstream);
	}
	if (refusal == HTTP_OK)
		load_change(proxy, session, endpoint->slot, 1);
	return refusal;
}

// Before its TLS is gone.
static void note_failed(struct session *session, const struct link *link)
{
	enum tls_refusal why = link->tls ? tls_refusal_of(link->tls) : TLS_OTHER;

	// Its TCP may have been reset.
	session->upstream_tls = (uint8_t)(why == TLS_OK ? TLS_TRUNCATED : why);
}

enum http_refusal upstream_missed(struct session *session)
{
	const struct link *link = &session->upstream->link;

	if (link->error == -ETIMEDOUT)
		return HTTP_CONNECT_TIMEOUT;
	if (link->tls)
		note_failed(session, link);
	return session->upstream_tls == TLS_OK ? HTTP_CONNECT_FAILED : HTTP_UPSTREAM_TLS;
}

bool upstream_secured(struct proxy *proxy, struct upstream *upstream)
{
	struct link *link = &upstream->link;

	if (!upstream->tls)
		return true;
	if (!link->tls) {
		const struct rule_backend backend = {
			.pool = upstream->pool, .hash = upstream->pool_hash};
		const struct pool *pool = tables_backend_pool(proxy->tables, &backend);
		char name[SLUICE_HOST_LENGTH + 1];
		struct tls_target target;

		link->broken = !pool || !pool->upstream ||
			       !link_target(upstream->session, proxy->tables, pool->upstream, name,
				       &target);
		target.endpoint = upstream->endpoint;
		link->broken = link->broken || !link_connect_tls(proxy, link, &target);
	}
	if (link->broken || link->finished) {
		note_failed(upstream->session, link);
		link_abort(proxy, link);
		link->finished = true;
		link->error = -EPROTO;
		return false;
	}
	return tls_is_ready(link->tls);
}

void upstream_connected(struct proxy *proxy, struct upstream *upstream)
{
	struct session *session = upstream->session;

	proxy->endpoints[upstream->endpoint].failed_until = 0;
	session->connected_at = proxy->now;
	owner_hold(chunk_owner(session->head));
	if (!link_send(&upstream->link, session->head->data, session->head_length,
		    chunk_owner(session->head)))
		owner_release(chunk_owner(session->head)); // its end is seen in a moment
	deadline_set(proxy, &upstream->deadline,
		after_ms(proxy, session->request.done && !session->kept_length ? session->read_ms
									       : session->send_ms));
}

// Whether some endpoint was not tried yet.
static bool is_another(const struct proxy *proxy, const struct session *session)
{
	const struct rule_backend backend = {.pool = session->pool, .hash = session->pool_hash};
	const struct pool *pool = tables_backend_pool(proxy->tables, &backend);

	for (uint32_t i = 0; pool && i < pool->ready_count && i <= session->tried_count; i++)
		if (!was_tried(session, pool->members[i]->slot))
			return true;
	return false;
}

bool upstream_retry(struct proxy *proxy, struct session *session, uint32_t why)
{
	struct upstream *upstream = session->upstream;
	enum http_refusal refusal;
	bool never_sent = session->state == SESSION_WAIT;
	// A connection that was kept may end just when it is used again: that says nothing of the
	// endpoint, and costs no try.
	bool stale = upstream->reused && why == RETRY_ERROR && !upstream->link.in.length;

	if (never_sent)
		proxy->endpoints[upstream->endpoint].failed_until = proxy->now + FAILED_US;
	if (session->response_begun || session->body_consumed ||
		(!session->head && !session->passthrough) || proxy->now >= session->retry_until)
		return false;
	if (!never_sent && !session->idempotent && !(session->retry_on & RETRY_NON_IDEMPOTENT))
		return false;
	if (stale) {
		session->tried_count -= session->tried_count > 0;
	} else {
		if (!(session->retry_on & why) || session->tries_left <= 1 ||
			!is_another(proxy, session))
			return false;
		session->tries_left--;
	}
	proxy->stats.endpoints[upstream->endpoint].retries++;
	proxy->stats.listeners[session->listener].retries++;
	if (session->rule != UINT32_MAX)
		proxy->stats.rules[session->rule].retries++;
	proxy->stats.all.retries++;
	upstream_release(proxy, session, false);
	session->request_sent = false;
	session->kept_sent = 0;
	session->scan.seen = 0;
	refusal = upstream_acquire(proxy, session);
	if (refusal != HTTP_OK && session->passthrough) {
		proxy->stats.refusals[refusal]++;
		session_cut(proxy, session);
	} else if (refusal != HTTP_OK) {
		request_refuse(proxy, session, refusal);
	}
	return true;
}

void upstream_fade(struct proxy *proxy)
{
	uint32_t end = tables_endpoint_slots(proxy->tables);
	uint32_t part = end / FADE_PARTS + 1;

	// An endpoint that was slow gets few requests, so without this it would stay slow.
	for (uint32_t i = 0; i < part; i++) {
		uint32_t *average;

		if (proxy->fade_cursor >= end)
			proxy->fade_cursor = 0;
		average = &proxy->latency[proxy->fade_cursor++];
		*average -= *average / 8;
	}
}

bool proxy_sweep(struct proxy *proxy, uint32_t *cursor)
{
	uint32_t end = tables_endpoint_slots(proxy->tables);

	for (unsigned i = 0; i < 1024 && *cursor < end; i++, (*cursor)++) {
		const struct endpoint *endpoint = tables_endpoint(proxy->tables, *cursor);
		struct endpoint_links *links = &proxy->endpoints[*cursor];

		while (links->idle && (!endpoint || endpoint->state != ENDPOINT_READY))
			upstream_gone(proxy, links->idle);
		if (!endpoint)
			links->failed_until = 0;
	}
	return *cursor >= end;
}
