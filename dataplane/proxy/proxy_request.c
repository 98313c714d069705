// SPDX-License-Identifier: BSD-3-Clause
// A request: its head read, its route found, its body sent on; or our own answer.
#include "proxy_parts.h"

#include "http_path.h"
#include "maglev.h"

#include <string.h>
#include <strings.h>

#define HOST_TEXT (ADDR_TEXT + 8) // "[address]:port"

void request_reset(struct session *session)
{
	request_forget(session);
	log_end(session);
	session->refusal = HTTP_OK;
	session->upstream_status = 0;
	session->upstream_tls = TLS_OK;
	session->connected_at = session->answered_at = 0;
	session->scan.seen = 0;
	session->rule = UINT32_MAX;
	session->tried_count = 0;
	session->status = 0;
	session->bytes_in = session->bytes_out = 0;
	session->started = 0;
	session->request_sent = session->body_consumed = session->response_begun = false;
	session->upgrade = session->expect = session->unchunk = session->stalled = false;
	session->state = SESSION_HEAD;
}

uint64_t proxy_hash(const char *bytes, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3;
	return maglev_mix(hash);
}

// The value of one cookie, or nothing.
static struct route_text cookie_of(const struct h1_head *head, const char *name)
{
	const struct h1_field *field = h1_first(head, H1_COOKIE);
	size_t length = strlen(name);
	const char *at, *end;

	if (!field)
		return (struct route_text){NULL, 0};
	at = head->bytes + field->value;
	end = at + field->value_length;
	while (at < end) {
		const char *stop = memchr(at, ';', (size_t)(end - at));

		stop = stop ? stop : end;
		while (at < stop && *at == ' ')
			at++;
		if ((size_t)(stop - at) > length && at[length] == '=' &&
			memcmp(at, name, length) == 0)
			return (struct route_text){
				at + length + 1, (size_t)(stop - at) - length - 1};
		at = stop + 1;
	}
	return (struct route_text){NULL, 0};
}

// What a pool that hashes goes by; by the client where the request has no such thing.
static uint64_t hash_of(const struct session *session, const struct h1_head *head,
	const struct upstream_policy *policy)
{
	struct route_text text = {session->client, session->client_length};
	const struct h1_field *field;

	switch ((enum hash_key)policy->hash_key) {
	case HASH_NONE:
	case HASH_CLIENT:
		break;
	case HASH_URI:
		text = (struct route_text){h1_at(head, head->target), head->target.length};
		break;
	case HASH_HOST:
		text = (struct route_text){h1_at(head, head->host), head->host.length};
		break;
	case HASH_HEADER:
		field = h1_find(head, policy->hash_name, strlen(policy->hash_name));
		if (field)
			text = (struct route_text){head->bytes + field->value, field->value_length};
		break;
	case HASH_COOKIE:
		text = cookie_of(head, policy->hash_name);
		if (!text.text)
			text = (struct route_text){session->client, session->client_length};
		break;
	}
	return proxy_hash(text.text, text.length);
}

const struct pool *backend_choose(
	struct proxy *proxy, const struct rule_backend *backends, uint32_t count)
{
	const struct pool *pools[SLUICE_BACKENDS_MAX];
	uint64_t total = 0, at = 0;

	for (uint32_t i = 0; i < count; i++) {
		pools[i] = tables_backend_pool(proxy->tables, &backends[i]);
		if (pools[i] && pools[i]->ready_count)
			total += backends[i].weight;
		else
			pools[i] = NULL;
	}
	if (total == 0)
		return NULL;
	if (count > 1)
		at = (uint64_t)(((__uint128_t)proxy_random(proxy) * total) >> 64);
	for (uint32_t i = 0; i < count; i++) {
		if (!pools[i])
			continue;
		if (at < backends[i].weight)
			return pools[i];
		at -= backends[i].weight;
	}
	return NULL;
}

uint64_t session_hash(const struct session *session)
{
	return proxy_hash(session->client, session->client_length);
}

static void request_id(struct proxy *proxy, char out[32])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < 2; i++) {
		uint64_t random = proxy_random(proxy);

		for (unsigned k = 0; k < 16; k++, random >>= 4)
			out[i * 16 + k] = digits[random & 15];
	}
}

// A proxy of ours in front says how the client came to it.
static bool came_by_https(const struct proxy *proxy, const struct session *session)
{
	const struct h1_head *head = &proxy->request_head;
	const struct h1_field *told = h1_first(head, H1_X_FORWARDED_PROTO);
	static const char https[] = "https";

	if (!told || !session->trusted)
		return session->tls;
	return told->value_length == sizeof(https) - 1 &&
	       strncasecmp(head->bytes + told->value, https, sizeof(https) - 1) == 0;
}

// The path that the endpoint is asked for, if it is another one. False: it is too long.
static bool rewrite(
	const struct route_target *target, struct h1_forward *how, char *out, size_t room)
{
	bool query, closed;
	size_t length;

	if (!target->target)
		return true;
	length = route_target_write(target, out, room, &query, &closed);
	how->path = out;
	how->path_length = (uint16_t)length;
	how->query_mark = closed ? '\0' : query ? '&' : '?';
	return length != 0;
}

// Where the client named no host, as it may in HTTP/1.0, the endpoint is told the address that the
// client asked: HTTP/1.1 has to name one.
static void name_host(const struct session *session, struct h1_forward *how, char out[HOST_TEXT])
{
	const struct tcp_tuple *tuple = session->link.tcp ? tcp_tuple_of(session->link.tcp) : NULL;
	char text[ADDR_TEXT];
	bool v4;

	if (!tuple)
		return; // it left
	v4 = addr_is_v4(&tuple->local);
	addr_format(&tuple->local, text);
	how->host = out;
	how->host_length =
		(uint16_t)snprintf(out, HOST_TEXT, "%s%s%s", v4 ? "" : "[", text, v4 ? "" : "]");
	if (session->vip_port != (session->tls ? 443 : 80))
		how->host_length += (uint16_t)snprintf(out + how->host_length,
			HOST_TEXT - how->host_length, ":%u", session->vip_port);
}

// The head that goes to the endpoint, in a chunk of its own.
static enum http_refusal write_head(struct proxy *proxy, struct session *session,
	const struct http_found *found, struct route_text path)
{
	const struct rule_policy *policy = found->rule->policy;
	const struct route_target target = {policy->rewrite, path, found->groups};
	char port[8], id[32], room[HEAD_MAX], host[HOST_TEXT];
	struct h1_forward how = {
		.client = session->client,
		.client_length = session->client_length,
		.port = port,
		.port_length = (uint16_t)snprintf(port, sizeof(port), "%u", session->vip_port),
		.request_id = id,
		.host = policy->upstream_host,
		.host_length = policy->upstream_host ? (uint16_t)strlen(policy->upstream_host) : 0,
		.tls = session->tls,
		.trusted = session->trusted,
	};
	uint32_t beside;

	if (!how.host && !proxy->request_head.host.length)
		name_host(session, &how, host);
	beside = h1_request_room(&proxy->request_head, &how);
	if (!rewrite(&target, &how, room, beside < HEAD_MAX ? HEAD_MAX - beside : 0))
		return HTTP_REWRITE_LONG;
	request_id(proxy, id);
	log_request_id(proxy, session, id);
	session->head = chunk_new(proxy, h1_request_room(&proxy->request_head, &how));
	if (!session->head)
		return HTTP_OVERLOAD;
	session->head_length = h1_write_request(
		&proxy->request_head, &how, session->head->data, session->head->room);
	return session->head_length ? HTTP_OK : HTTP_OVERLOAD;
}

static void take_policy(struct proxy *proxy, struct session *session, const struct http_rule *rule)
{
	const struct rule_policy *policy = rule->policy;

	session->rule = rule->slot;
	session->body_limit = policy->body_bytes ? policy->body_bytes : UINT64_MAX;
	session->connect_ms = policy->connect_timeout_ms;
	session->send_ms = policy->send_timeout_ms;
	session->read_ms = policy->read_timeout_ms;
	session->retry_on = policy->retry_on;
	session->tries_left = policy->retry_tries;
	session->retry_until =
		policy->retry_timeout_ms ? after_ms(proxy, policy->retry_timeout_ms) : UINT64_MAX;
}

static bool may_come(const struct rule_policy *policy, const struct addr *client)
{
	if (prefixes_contain(policy->refused, policy->refused_count, client))
		return false;
	return !policy->allowed_count ||
	       prefixes_contain(policy->allowed, policy->allowed_count, client);
}

// The head is parsed: where does the request go?
static enum http_refusal dispatch(struct proxy *proxy, struct session *session)
{
	struct h1_head *head = &proxy->request_head;
	char room[H1_HEAD_MAX];
	struct route_text path;
	struct http_found found;
	const struct pool *pool;
	enum http_refusal refusal = http_path_normalise(
		h1_at(head, head->path), head->path.length, room, &path.text, &path.length);

	if (head->path.length == 1 && *h1_at(head, head->path) == '*') {
		path = (struct route_text){"*", 1};
		refusal = HTTP_OK;
	}
	if (refusal != HTTP_OK)
		return refusal;
	found = tables_rule(
		proxy->tables, session->site, h1_at(head, head->host), head->host.length, path);
	if (!found.rule)
		return found.how == ROUTE_TOO_COSTLY ? HTTP_ROUTE_COSTLY : HTTP_NO_ROUTE;
	take_policy(proxy, session, found.rule);
	if (head->body == H1_BODY_LENGTH && head->content_length > session->body_limit)
		return HTTP_BODY_LARGE;
	if (found.rule->policy->denied)
		return HTTP_ROUTE_DENIED;
	if (found.rule->policy->redirect_to)
		return answer_sent_away(
			proxy, session, found.rule->policy, came_by_https(proxy, session));
	if (found.rule->policy->rewrite && route_target_is_url(found.rule->policy->rewrite))
		return answer_elsewhere(proxy, session, &found, path);
	if (!came_by_https(proxy, session) && answer_redirect(proxy, session, found.rule->policy))
		return HTTP_OK;
	if (!may_come(found.rule->policy, &session->address))
		return HTTP_CLIENT_DENIED;
	pool = backend_choose(proxy, found.rule->backends, found.rule->backend_count);
	if (!pool)
		return HTTP_NO_ENDPOINT;
	session->pool = pool->slot;
	session->pool_hash = pool->name_hash;
	session->hash = hash_of(session, head, pool->upstream);
	refusal = write_head(proxy, session, &found, path);
	if (refusal != HTTP_OK)
		return refusal;
	link_used(proxy, &session->link, head->length);
	return upstream_acquire(proxy, session);
}

static void facts(struct proxy *proxy, struct session *session, const struct http_site *site)
{
	const struct h1_head *head = &proxy->request_head;

	session->requests++;
	session->started = proxy->now;
	session->client_old = head->minor == 0;
	session->to_head = head->method == H1_HEAD;
	session->keep_alive =
		head->keep_alive && (site->requests == 0 || session->requests < site->requests);
	session->idempotent = h1_is_idempotent(head);
	session->upgrade = head->upgrade;
	session->expect = head->expect_continue;
	session->bytes_in = head->length;
	session_name_client(proxy, session, head);
	log_begin(proxy, session);
	h1_body_begin(&session->request, head);
	deadline_set(proxy, &session->deadline, after_ms(proxy, site->body_timeout_ms));
}

// Nothing more of a request is there yet.
static bool idle(struct proxy *proxy, struct session *session, const struct http_site *site)
{
	if (!session->link.tcp || session->link.finished) {
		if (session->link.in.length)
			proxy->stats.refusals[HTTP_CLIENT_LEFT]++;
		link_finish(&session->link);
		session_end(proxy, session);
		return false;
	}
	if (!session->link.in.length && session->requests && !session->waiting)
		deadline_set(proxy, &session->deadline, after_ms(proxy, site->idle_timeout_ms));
	else if (session->link.in.length && !session->head_begun)
		deadline_set(proxy, &session->deadline, after_ms(proxy, site->head_timeout_ms));
	session->waiting = true;
	session->head_begun = session->link.in.length > 0;
	return false;
}

bool request_begin(struct proxy *proxy, struct session *session)
{
	const struct http_site *site = tables_site(proxy->tables, session->site);
	struct h1_head *head = &proxy->request_head;
	struct http_limits limits = http_limits_default;
	enum http_refusal refusal = HTTP_OK;
	enum h1_parsed parsed = H1_MORE;
	uint32_t have = session->link.in.length;
	const char *bytes;

	if (!site) {
		request_refuse(proxy, session, HTTP_NO_SITE);
		return true;
	}
	limits.head_bytes = RTE_MIN(site->head_bytes, (uint32_t)HEAD_MAX);
	if (have) {
		have = RTE_MIN(have, limits.head_bytes + 1);
		bytes = link_gather(proxy, &session->link, have);
		if (!bytes) {
			request_refuse(proxy, session, HTTP_OVERLOAD);
			return true;
		}
		parsed = h1_parse_request(head, &session->scan, bytes, have, &limits);
	}
	if (parsed == H1_MORE)
		return idle(proxy, session, site);
	session->scan.seen = 0;
	session->waiting = session->head_begun = false;
	if (parsed == H1_REFUSED) {
		session->keep_alive = false;
		session->started = proxy->now;
		session->to_head = head->method == H1_HEAD;
		session_name_client(proxy, session, NULL);
		request_refuse(proxy, session, head->refusal);
		return true;
	}
	facts(proxy, session, site);
	refusal = dispatch(proxy, session);
	if (refusal != HTTP_OK) {
		// The head, unless it was used up before it came to this.
		if (!session->head)
			link_used(proxy, &session->link, head->length);
		request_refuse(proxy, session, refusal);
	}
	return true;
}

static bool send_continue(struct proxy *proxy, struct session *session)
{
	struct chunk *chunk = chunk_new(proxy, sizeof(H1_CONTINUE));

	session->expect = false;
	if (!chunk)
		return false;
	memcpy(chunk->data, H1_CONTINUE, sizeof(H1_CONTINUE) - 1);
	if (link_send(&session->link, chunk->data, sizeof(H1_CONTINUE) - 1, chunk_owner(chunk)))
		return true;
	owner_release(chunk_owner(chunk));
	return false;
}

static bool body_part(
	struct proxy *proxy, struct session *session, uint32_t room, enum http_refusal *refusal)
{
	struct slice *slice = session->link.in.first;
	uint32_t taken;
	const char *data = slice->data;
	void *owner = slice->owner;

	*refusal = h1_body_pass(&session->request, data, RTE_MIN(slice->length, room), &taken);
	if (*refusal != HTTP_OK)
		return false;
	if (session->request.payload > session->body_limit) {
		*refusal = HTTP_BODY_LARGE;
		return false;
	}
	owner_hold(owner);
	if (!link_send(&session->upstream->link, data, taken, owner)) {
		owner_release(owner);
		*refusal = HTTP_OVERLOAD;
		return false;
	}
	request_went(proxy, session, data, taken);
	link_used(proxy, &session->link, taken);
	session->bytes_in += taken;
	return true;
}

// Whoever the rest of the request waits for has its time: the endpoint while it takes nothing, the
// client while it sends nothing.
static void watch(struct proxy *proxy, struct session *session, bool moved)
{
	const struct http_site *site = tables_site(proxy->tables, session->site);
	struct deadline *endpoint = &session->upstream->deadline, *client = &session->deadline;

	if (session->link.in.length || session->kept_sent < session->kept_length) {
		deadline_stop(client);
		if (moved || !endpoint->link)
			deadline_set(proxy, endpoint, after_ms(proxy, session->send_ms));
	} else {
		deadline_stop(endpoint);
		if (site && (moved || !client->link))
			deadline_set(proxy, client, after_ms(proxy, site->body_timeout_ms));
	}
}

bool request_stream(struct proxy *proxy, struct session *session)
{
	struct upstream *upstream = session->upstream;
	uint32_t before = session->kept_sent;
	bool moved = false, all;

	if (session->request_sent)
		return false;
	if (session->expect && !session->link.in.length && !send_continue(proxy, session))
		return false;
	all = request_send_kept(session);
	while (all && !session->request.done && session->link.in.length) {
		enum http_refusal refusal = HTTP_OK;
		uint32_t room = link_room(&upstream->link);

		if (room == 0)
			break;
		if (!body_part(proxy, session, room, &refusal)) {
			session->keep_alive = false;
			request_refuse(proxy, session, refusal);
			return true;
		}
		moved = true;
	}
	if (all && session->request.done) {
		session->request_sent = true;
		deadline_set(proxy, &upstream->deadline, after_ms(proxy, session->read_ms));
		deadline_stop(&session->deadline);
		return true;
	}
	watch(proxy, session, moved || session->kept_sent != before);
	if (!session->request.done && session->link.finished && !session->link.in.length) {
		// The client ended in the middle of its request.
		proxy->stats.refusals[HTTP_CLIENT_LEFT]++;
		session->refusal = HTTP_CLIENT_LEFT;
		request_count(proxy, session, 400);
		session_cut(proxy, session);
	}
	return moved;
}
