// SPDX-License-Identifier: BSD-3-Clause
// What we answer by ourselves: refusals, each by its name, and redirects; and what is counted
// of every request.
#include "proxy_parts.h"

#include <stdio.h>
#include <string.h>

static void count(struct http_counters *counters, const struct session *session, uint64_t took)
{
	static const uint64_t bounds[] = SLUICE_LATENCY_US;
	unsigned bucket = 0;

	counters->responses[session->status / 100 - 1]++;
	counters->bytes_in += session->bytes_in;
	counters->bytes_out += session->bytes_out;
	while (bucket < SLUICE_LATENCY_BUCKETS && took > bounds[bucket])
		bucket++;
	counters->latency[bucket]++;
	counters->latency_sum_us += took;
}

void request_count(struct proxy *proxy, struct session *session, uint16_t status)
{
	uint64_t took = session->started ? proxy->now - session->started : 0;

	session->status = status >= 100 && status < 600 ? status : 500;
	proxy->stats.requests++;
	count(&proxy->stats.all, session, took);
	count(&proxy->stats.listeners[session->listener], session, took);
	if (session->rule != UINT32_MAX)
		count(&proxy->stats.rules[session->rule], session, took);
	if (session->upstream)
		count(&proxy->stats.endpoints[session->upstream->endpoint], session, took);
	log_request(proxy, session);
}

// "max-age=31536000; includeSubDomains; preload"
uint16_t hsts_text(const struct proxy *proxy, const struct session *session, char out[static 64])
{
	const struct http_site *site = tables_site(proxy->tables, session->site);

	if (!session->tls || !site || !site->hsts_s)
		return 0;
	return (uint16_t)snprintf(out, 64, "max-age=%u%s%s", site->hsts_s,
		site->hsts_subdomains ? "; includeSubDomains" : "",
		site->hsts_preload ? "; preload" : "");
}

// Sends an answer of ours; the connection stays if the answer says so.
static void answer(struct proxy *proxy, struct session *session, struct h1_answer *what)
{
	struct chunk *chunk;
	uint32_t length;
	char hsts[64];

	what->date = proxy_date(proxy);
	what->to_head = session->to_head;
	what->client_old = session->client_old;
	what->hsts_length = hsts_text(proxy, session, hsts);
	what->hsts = what->hsts_length ? hsts : NULL;
	chunk = chunk_new(proxy, h1_answer_room(what));
	length = chunk ? h1_write_answer(what, chunk->data, chunk->room) : 0;
	what->hsts = NULL;
	if (!length || !link_send(&session->link, chunk->data, length, chunk_owner(chunk))) {
		if (chunk)
			owner_release(chunk_owner(chunk));
		what->keep_alive = false;
		length = 0;
	}
	session->bytes_out += length;
	request_count(proxy, session, what->status);
	if (session->upstream)
		upstream_release(proxy, session, false);
	if (what->keep_alive) {
		request_reset(session);
		session->state = SESSION_HEAD;
	} else {
		session_close(proxy, session);
	}
}

void request_refuse(struct proxy *proxy, struct session *session, enum http_refusal refusal)
{
	struct h1_answer what = {.status = http_refusal_status(refusal)};

	proxy->stats.refusals[refusal]++;
	session->refusal = refusal;
	if (session->response_begun ||
		session->stalled) { // too late for words, or no room for them
		request_count(
			proxy, session, session->response_begun ? session->status : what.status);
		session_cut(proxy, session);
		return;
	}
	// Where the request was understood and its body is gone or was none, another may follow.
	what.keep_alive = session->keep_alive && session->request.done &&
			  (refusal == HTTP_NO_ROUTE || refusal == HTTP_NO_ENDPOINT ||
				  refusal == HTTP_ROUTE_DENIED || refusal == HTTP_CLIENT_DENIED ||
				  what.status == 502 || what.status == 504);
	answer(proxy, session, &what);
}

bool answer_redirect(struct proxy *proxy, struct session *session, const struct rule_policy *policy)
{
	const struct h1_head *head = &proxy->request_head;
	static const char exempt[] = "/.well-known/acme-challenge";
	char location[HEAD_MAX];
	struct h1_answer what = {.status = policy->redirect_code, .location = location};

	if (!(policy->ssl_redirect || policy->force_ssl_redirect) || !head->host.length)
		return false;
	if (head->path.length >= sizeof(exempt) - 1 &&
		memcmp(h1_at(head, head->path), exempt, sizeof(exempt) - 1) == 0)
		return false;
	if (!policy->force_ssl_redirect && !tables_has_certificate(proxy->tables, session->site,
						   h1_at(head, head->host), head->host.length))
		return false;
	what.location_length = h1_https_location(
		head, policy->preserve_trailing_slash, location, sizeof(location));
	what.keep_alive = session->keep_alive && session->request.done;
	link_used(proxy, &session->link, head->length);
	answer(proxy, session, &what);
	return true;
}

enum http_refusal answer_elsewhere(struct proxy *proxy, struct session *session,
	const struct http_found *found, struct route_text path)
{
	const struct h1_head *head = &proxy->request_head;
	const struct route_target target = {found->rule->policy->rewrite, path, found->groups};
	char location[2 * HEAD_MAX];
	struct h1_answer what = {.status = 302, .location = location};
	bool query, closed;
	size_t length = route_target_write(&target, location, HEAD_MAX, &query, &closed);

	if (!length)
		return HTTP_REWRITE_LONG;
	if (head->query.at && !closed) {
		location[length++] = query ? '&' : '?';
		memcpy(location + length, h1_at(head, head->query), head->query.length);
		length += head->query.length;
	}
	if (length > HEAD_MAX)
		return HTTP_REWRITE_LONG;
	what.location_length = (uint32_t)length;
	what.keep_alive = session->keep_alive && session->request.done;
	link_used(proxy, &session->link, head->length);
	answer(proxy, session, &what);
	return HTTP_OK;
}

static struct route_text text_of(const struct h1_head *head, struct h1_text text)
{
	return (struct route_text){h1_at(head, text), text.length};
}

// Path and query, of any form; a head is no longer than HEAD_MAX.
static size_t uri_of(const struct h1_head *head, char out[static HEAD_MAX])
{
	size_t length = head->path.length;

	memcpy(out, h1_at(head, head->path), length);
	if (!head->query.at)
		return length;
	out[length++] = '?';
	memcpy(out + length, h1_at(head, head->query), head->query.length);
	return length + head->query.length;
}

enum http_refusal answer_sent_away(
	struct proxy *proxy, struct session *session, const struct rule_policy *policy, bool https)
{
	const struct h1_head *head = &proxy->request_head;
	char location[HEAD_MAX], uri[HEAD_MAX], host[SLUICE_HOST_LENGTH];
	struct h1_answer what = {.status = policy->redirect_to_code, .location = location};
	struct route_redirect words = {
		.scheme = {https ? "https" : "http", https ? 5 : 4},
		.http_host = text_of(head, head->host),
		.request_uri = {uri, uri_of(head, uri)},
		.host = {host, route_fold_host(host, h1_at(head, head->host), head->host.length)},
	};

	what.location_length = (uint32_t)route_redirect_write(
		policy->redirect_to, &words, location, sizeof(location));
	if (!what.location_length)
		return HTTP_REWRITE_LONG;
	what.keep_alive = session->keep_alive && session->request.done;
	link_used(proxy, &session->link, head->length);
	answer(proxy, session, &what);
	return HTTP_OK;
}
