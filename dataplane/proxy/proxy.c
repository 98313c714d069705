// SPDX-License-Identifier: BSD-3-Clause
//
// THE CONNECTION'S WAY
//
//   a client's TCP -> head -> route -> endpoint -> request on, response back -> next head
//                      |       |         |            |
//                      refused: our own answer, by name        upgrade: a tunnel
//
//        HEAD ------> WAIT ------> STREAM ------> HEAD        (kept alive)
//          |            |  ^  retry  |  \-------> TUNNEL
//          \------------+-------------+---------> LINGER --> gone
//
// What happens to a connection only marks its session; proxy_run() then takes each marked session
// as far as it gets. A session's request is finished before its next is looked at: so answers are
// in order, however many requests came at once.
#include "proxy_parts.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <string.h>

#define LINGER_US       2000000           // since the client's last word
#define LINGER_MOST_US  30000000          // however long it goes on
#define HANDSHAKE_STEPS 1                 // a worker's round: layer 4 must not wait for more
#define ROUNDS_MOST     4                 // of sessions and TCP, a worker's round
#define RUN_BYTES       (65535 - 40 - 60) // behind both headers in an IP packet
#define TURN_US         100 // of sessions, a worker's round: layer 4 waits for them, too

void session_mark(struct proxy *proxy, struct session *session)
{
	if (session->dirty)
		return;
	session->dirty = true;
	session->dirty_next = NULL;
	*proxy->dirty_last = session;
	proxy->dirty_last = &session->dirty_next;
}

struct session *session_new(struct proxy *proxy, const struct listener *listener)
{
	const struct http_site *site = tables_site(proxy->tables, listener->http->site);
	struct session *session = site ? pieces_take(&proxy->sessions) : NULL;

	if (!session)
		return NULL;
	memset(session, 0, sizeof(*session));
	session->link.client = true;
	slices_open(&session->link.in);
	slices_open(&session->link.raw);
	session->site = listener->http->site;
	session->listener = listener->slot;
	session->tls = listener->http->tls;
	session->deadline.kind = DEADLINE_SESSION;
	session->rule = UINT32_MAX;
	deadline_set(proxy, &session->deadline, after_ms(proxy, site->head_timeout_ms));
	proxy->stats.accepted++;
	proxy->stats.connections++;
	return session;
}

// What came behind a PROXY header is ciphertext where TLS is spoken.
static bool start_tls(struct proxy *proxy, struct session *session)
{
	struct link *link = &session->link;

	if (!link_accept_tls(proxy, link)) {
		proxy->stats.refusals[HTTP_OVERLOAD]++;
		session_cut(proxy, session);
		return false;
	}
	link->finished = false; // that is what TLS says now
	link->raw = link->in;
	if (!link->raw.first)
		link->raw.last = &link->raw.first;
	slices_open(&link->in);
	if (link->raw.length)
		link_open(proxy, link);
	return true;
}

bool session_start(struct proxy *proxy, struct session *session)
{
	bool passthrough = session->tls && tables_has_passthrough(proxy->tables, session->site);

	session->state = passthrough ? SESSION_HELLO : SESSION_HEAD;
	return !session->tls || passthrough || start_tls(proxy, session);
}

bool session_end_tls(struct proxy *proxy, struct session *session)
{
	session->state = SESSION_HEAD;
	return start_tls(proxy, session);
}

void session_end(struct proxy *proxy, struct session *session)
{
	if (session->upstream)
		upstream_release(proxy, session, false);
	request_forget(session);
	log_end(session);
	link_leave(proxy, &session->link);
	deadline_stop(&session->deadline);
	session->ended = true;
	proxy->stats.connections--;
	// One that is marked is freed when its turn comes.
	if (!session->dirty)
		pieces_give(&proxy->sessions, session);
}

void session_close(struct proxy *proxy, struct session *session)
{
	link_finish(&session->link);
	session->state = SESSION_LINGER;
	session->linger_until = proxy->now + LINGER_MOST_US;
	deadline_set(proxy, &session->deadline, proxy->now + LINGER_US);
}

void session_cut(struct proxy *proxy, struct session *session)
{
	link_abort(proxy, &session->link);
	session_end(proxy, session);
}

void session_timeout(struct proxy *proxy, struct session *session)
{
	session->timed_out = true;
	session_mark(proxy, session);
}

// In the middle of a request.
static void client_left(struct proxy *proxy, struct session *session)
{
	proxy->stats.refusals[HTTP_CLIENT_LEFT]++;
	session->refusal = HTTP_CLIENT_LEFT;
	if (!session->passthrough)
		request_count(proxy, session,
			session->response_begun ? session->status
						: http_refusal_status(HTTP_CLIENT_LEFT));
	session_end(proxy, session);
}

// No endpoint took the connection.
static bool wait_failed(struct proxy *proxy, struct session *session)
{
	bool late = session->upstream->link.error == -ETIMEDOUT;
	enum http_refusal refusal = upstream_missed(session);

	if (upstream_retry(proxy, session, late ? RETRY_TIMEOUT : RETRY_ERROR))
		return true;
	if (!session->passthrough) {
		request_refuse(proxy, session, refusal);
		return true;
	}
	proxy->stats.refusals[refusal]++;
	session_cut(proxy, session);
	return false;
}

static bool wait_step(struct proxy *proxy, struct session *session)
{
	struct upstream *upstream = session->upstream;

	if (!session->link.tcp || !upstream) {
		client_left(proxy, session);
		return false;
	}
	if (upstream->link.connected && upstream->link.tcp && !upstream_announce(proxy, upstream))
		return false;
	if (upstream->link.connected && upstream->link.tcp && session->passthrough) {
		session->state = SESSION_TUNNEL;
		return true;
	}
	if (upstream->link.connected && upstream->link.tcp && upstream_secured(proxy, upstream)) {
		upstream_connected(proxy, upstream);
		session->state = SESSION_STREAM;
		return true;
	}
	return upstream->link.tcp ? false : wait_failed(proxy, session);
}

static bool stream_step(struct proxy *proxy, struct session *session)
{
	bool more = false;

	if (!session->link.tcp || !session->upstream) {
		client_left(proxy, session);
		return false;
	}
	if (session->upstream->link.tcp)
		more = request_stream(proxy, session);
	if (session->state != SESSION_STREAM || session->ended)
		return !session->ended;
	return response_stream(proxy, session) || more;
}

// Whatever else the client says is of no interest; it has our last word, or time is up. A reset
// while it is still sending would keep that word from it.
static bool linger_step(struct proxy *proxy, struct session *session)
{
	if (session->link.in.length && proxy->now < session->linger_until)
		deadline_set(proxy, &session->deadline, proxy->now + LINGER_US);
	while (session->link.in.length)
		link_used(proxy, &session->link, session->link.in.first->length);
	if (!session->link.tcp || session->link.ending || session->timed_out)
		session_end(proxy, session);
	return false;
}

static void on_timeout(struct proxy *proxy, struct session *session)
{
	session->timed_out = false;
	switch ((enum session_state)session->state) {
	case SESSION_ANNOUNCED:
	case SESSION_HELLO:
		proxy->stats.refusals[HTTP_HEAD_TIMEOUT]++;
		session_cut(proxy, session);
		break;
	case SESSION_HEAD:
		if (session->link.in.length)
			request_refuse(proxy, session, HTTP_HEAD_TIMEOUT);
		else
			session_close(proxy, session);
		break;
	case SESSION_WAIT:
		break;
	case SESSION_STREAM: // the client does not take, or does not send
		request_refuse(
			proxy, session, session->stalled ? HTTP_CLIENT_STALLED : HTTP_BODY_TIMEOUT);
		break;
	case SESSION_TUNNEL:
		break;
	case SESSION_LINGER:
		session_end(proxy, session);
		break;
	}
}

// Its TLS failed. The alert that says why is behind what else was sent.
static void client_broke(struct proxy *proxy, struct session *session)
{
	if (session->state == SESSION_HEAD)
		session_end(proxy, session);
	else
		client_left(proxy, session);
}

// As far as it gets.
static void take_steps(struct proxy *proxy, struct session *session)
{
	bool more = true;

	while (more && !session->ended)
		switch ((enum session_state)session->state) {
		case SESSION_ANNOUNCED:
			more = announced_step(proxy, session);
			break;
		case SESSION_HELLO:
			more = hello_step(proxy, session);
			break;
		case SESSION_HEAD:
			more = request_begin(proxy, session);
			break;
		case SESSION_WAIT:
			more = wait_step(proxy, session);
			break;
		case SESSION_STREAM:
			more = stream_step(proxy, session);
			break;
		case SESSION_TUNNEL:
			more = tunnel_step(proxy, session);
			break;
		case SESSION_LINGER:
			more = linger_step(proxy, session);
			break;
		}
}

static bool open_more(struct proxy *proxy, struct session *session)
{
	bool more = link_open_more(proxy, &session->link);

	if (session->upstream)
		more |= link_open_more(proxy, &session->upstream->link);
	return more;
}

static void run(struct proxy *proxy, struct session *session)
{
	if (session->timed_out)
		on_timeout(proxy, session);
	if (session->link.tls)
		link_open(proxy, &session->link);
	if (session->upstream && session->upstream->link.tls)
		link_open(proxy, &session->upstream->link);
	do {
		if (session->link.broken && session->state != SESSION_LINGER && !session->ended)
			client_broke(proxy, session);
		take_steps(proxy, session);
	} while (!session->ended && open_more(proxy, session));
}

// Until then; what is left comes first in the next round. False: there is some.
static bool run_marked(struct proxy *proxy, uint64_t until)
{
	struct session *session = proxy->dirty, **last = proxy->dirty_last;

	proxy->dirty = NULL;
	proxy->dirty_last = &proxy->dirty;
	while (session) {
		struct session *next = session->dirty_next;

		if (!session->ended)
			run(proxy, session);
		// It stays marked while it runs, so that nobody frees it but here.
		session->dirty = false;
		if (session->ended)
			pieces_give(&proxy->sessions, session);
		session = next;
		if (session && rte_rdtsc() > until) {
			*last = proxy->dirty;
			proxy->dirty_last = proxy->dirty ? proxy->dirty_last : last;
			proxy->dirty = session;
			return false;
		}
	}
	return true;
}

void proxy_begin(
	struct proxy *proxy, const struct tables *tables, const struct fib *fib, usec_t now)
{
	proxy->tables = tables;
	proxy->fib = fib;
	proxy->now = now;
}

void proxy_realtime(struct proxy *proxy, int64_t offset_us)
{
	proxy->realtime_offset_us = offset_us;
}

bool proxy_run(struct proxy *proxy)
{
	uint64_t until = rte_rdtsc() + proxy->turn_cycles;
	bool busy = false, whole = true;

	deadlines_run(proxy);
	if (tls_poll(proxy->tls, HANDSHAKE_STEPS))
		busy = true; // more handshakes wait for their turn
	for (unsigned i = 0; i < ROUNDS_MOST && whole; i++) {
		if (!proxy->dirty && tcp_next_us(proxy->tcp) > proxy->now)
			break;
		busy = true;
		whole = run_marked(proxy, until);
		tcp_run(proxy->tcp, proxy->now);
	}
	return busy;
}

const char *proxy_date(struct proxy *proxy)
{
	int64_t second = ((int64_t)proxy->now + proxy->realtime_offset_us) / 1000000;

	if (second != proxy->date_second) {
		proxy->date_second = second;
		h1_date(second, proxy->date);
	}
	return proxy->date;
}

struct proxy *proxy_new(const struct proxy_config *config)
{
	struct proxy *proxy = rte_zmalloc("proxy", sizeof(*proxy), RTE_CACHE_LINE_SIZE);
	struct tcp_config tcp;

	if (!proxy)
		return NULL;
	proxy->config = *config;
	proxy->dirty_last = &proxy->dirty;
	proxy->turn_cycles = rte_get_tsc_hz() * TURN_US / 1000000;
	proxy->ip_id = (uint16_t)rte_rand();
	// Not where a former process began: endpoints may still have its connections.
	proxy->port_cursor = (uint32_t)rte_rand();
	tcp_config_default(&tcp);
	tcp.connections = config->connections;
	tcp.waits = config->connections;
	tcp.blocks = config->connections * 4;
	tcp.congestion = config->congestion;
	tcp.run_bytes = RUN_BYTES;
	for (unsigned i = 0; i < sizeof(tcp.key); i += 8) {
		uint64_t random = rte_rand();

		memcpy(tcp.key + i, &random, 8);
	}
	if (proxy_memory_open(proxy) == 0)
		proxy->tcp = tcp_new(&tcp, &proxy_tcp_ops, proxy);
	if (proxy->tcp)
		proxy->tls = proxy_tls_new(proxy);
	if (!proxy->tls) {
		proxy_free(proxy);
		return NULL;
	}
	return proxy;
}

void proxy_free(struct proxy *proxy)
{
	if (!proxy)
		return;
	if (proxy->tls)
		tls_free(proxy->tls);
	tcp_free(proxy->tcp);
	proxy_memory_close(proxy);
	rte_free(proxy);
}

const struct tls *proxy_tls(const struct proxy *proxy)
{
	return proxy->tls;
}

const struct proxy_stats *proxy_stats(const struct proxy *proxy)
{
	return &proxy->stats;
}

uint64_t proxy_tcp_count(const struct proxy *proxy, enum tcp_counter counter)
{
	return tcp_count(proxy->tcp, counter);
}

void proxy_preview(const struct proxy *proxy, const struct pool *pool, struct pick_state *state)
{
	*state = proxy->pick_states[pool->slot];
}
