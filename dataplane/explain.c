// SPDX-License-Identifier: BSD-3-Clause
// Which way a request would take, step by step, by the tables in force. Main lcore: nothing is
// counted or changed; where a pool takes its endpoints in turn, the next one is told.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "h1.h"
#include "http_path.h"

void explain_step(struct explain *e, const char *what, const char *format, ...)
{
	Sluice__ExplainStep *row = answer_alloc(&e->answer, sizeof(*row));
	char *line = answer_alloc(&e->answer, 1024);
	va_list args;

	if (!row || !line || e->out->n_steps == EXPLAIN_STEPS)
		return;
	sluice__explain_step__init(row);
	va_start(args, format);
	vsnprintf(line, 1024, format, args);
	va_end(args);
	row->what = answer_text(what);
	row->text = line;
	e->out->steps[e->out->n_steps++] = row;
}

static void find_listener(const struct listener *listener, void *arg)
{
	struct explain *e = arg;
	const Sluice__ExplainRequest *request = e->request;
	struct addr vip;

	if (!listener->http || listener->http->tls != request->tls || e->listener)
		return;
	if (request->port && ntohs(listener->port) != request->port)
		return;
	if (request->vip.len && (addr_from_bytes(&vip, request->vip.data, request->vip.len) ||
					addr_compare(&vip, &listener->vip) != 0))
		return;
	e->listener = listener;
}

static const char *how_text(enum route_how how)
{
	switch (how) {
	case ROUTE_BY_EXACT:
		return "exact";
	case ROUTE_BY_PREFIX:
		return "the longest prefix";
	case ROUTE_BY_DEFAULT:
		return "the default of the host: no path takes it";
	case ROUTE_BY_CATCH_ALL:
		return "the default of all hosts: nothing else takes it";
	case ROUTE_BY_PATTERN:
		return "a regular expression, the longest that matches";
	case ROUTE_NOT_FOUND:
	case ROUTE_TOO_COSTLY:
		break;
	}
	return "none";
}

void explain_named(struct explain *e, const struct endpoint *endpoint)
{
	e->out->endpoint.data =
		(uint8_t *)(uintptr_t)addr_bytes(&endpoint->address, &e->out->endpoint.len);
	e->out->endpoint_port = ntohs(endpoint->port);
	e->out->endpoint_name = answer_text(endpoint->name);
}

// As the proxy does for a request without further headers. `by` stays NULL where that is not known.
static uint64_t hash_of(
	const struct explain *e, const struct upstream_policy *policy, const char **by)
{
	char client[ADDR_TEXT];
	struct addr addr;

	switch ((enum hash_key)policy->hash_key) {
	case HASH_URI:
		*by = "the path as asked for";
		return proxy_hash(e->request->path, strlen(e->request->path));
	case HASH_HOST:
		*by = "the host";
		return proxy_hash(e->request->host, strlen(e->request->host));
	case HASH_NONE:
	case HASH_CLIENT:
	case HASH_HEADER:
	case HASH_COOKIE:
		break;
	}
	if (addr_from_bytes(&addr, e->request->client.data, e->request->client.len))
		return 0;
	*by = policy->hash_key == HASH_HEADER   ? "the client, as it sends no such header"
	      : policy->hash_key == HASH_COOKIE ? "the client, as it has no such cookie"
						: "the client";
	addr_format(&addr, client);
	return proxy_hash(client, strlen(client));
}

static void explain_endpoint(struct explain *e, const struct pool *pool)
{
	const char *by = NULL;
	uint64_t hash = pool->algorithm == ALGORITHM_HASH ? hash_of(e, pool->upstream, &by) : 0;
	struct pick_state state = {0};
	struct pick_key key = {hash, hash};
	const struct endpoint *endpoint;
	char text[ADDR_TEXT];
	uint32_t index;

	proxy_preview(e->dataplane->workers[0]->proxy, pool, &state);
	index = pool->algorithm == ALGORITHM_LEAST_REQUESTS || pool->algorithm == ALGORITHM_EWMA
			? 0
			: pick_endpoint(pool, &key, &state, &(struct pick_load){NULL, 0, NULL});
	endpoint = pool->members[index == UINT32_MAX ? 0 : index];
	explain_named(e, endpoint);
	explain_step(e, "endpoint", "%s port %u%s%s: by %s%s%s, of %u ready%s",
		addr_format(&endpoint->address, text), ntohs(endpoint->port),
		*endpoint->name ? " " : "", endpoint->name,
		algorithm_name((enum algorithm)pool->algorithm), by ? " of " : "", by ? by : "",
		pool->ready_count, pool->ready_count > 1 && !by ? "; it may be another one" : "");
}

static void explain_backends(struct explain *e)
{
	const struct pool *chosen = NULL;

	for (uint32_t i = 0; i < e->rule->backend_count; i++) {
		const struct rule_backend *backend = &e->rule->backends[i];
		const struct pool *pool = tables_backend_pool(e->tables, backend);

		explain_step(e, "backend", "%s: weight %u, %u of %u endpoints ready",
			pool ? pool->name : "(gone)", backend->weight, pool ? pool->ready_count : 0,
			pool ? pool->member_count : 0);
		if (!chosen && pool && pool->ready_count && backend->weight)
			chosen = pool;
	}
	if (!chosen) {
		explain_step(e, "answer", "503: no backend has a ready endpoint");
		e->out->status = 503;
		return;
	}
	e->out->pool = answer_text(chosen->name);
	explain_endpoint(e, chosen);
}

// True: the answer is a redirect.
static bool explain_target(
	struct explain *e, const struct http_found *found, struct route_text path)
{
	const struct route_target target = {found->rule->policy->rewrite, path, found->groups};
	bool away = route_target_is_url(target.target), query, closed;
	char out[SLUICE_PATH_LENGTH + 1];
	size_t length = route_target_write(&target, out, SLUICE_PATH_LENGTH, &query, &closed);

	if (!length)
		snprintf(out, sizeof(out), "(more than %u bytes)", SLUICE_PATH_LENGTH);
	else
		out[length] = '\0';
	if (away) {
		explain_step(e, "answer", "302: to %s", out);
		e->out->status = 302;
		return true;
	}
	explain_step(e, "rewrite", "the path becomes %s", out);
	return false;
}

static void explain_rule(struct explain *e, struct route_text path)
{
	const Sluice__ExplainRequest *request = e->request;
	struct http_found found = tables_rule(
		e->tables, e->listener->http->site, request->host, strlen(request->host), path);
	const struct rule_policy *policy;

	explain_step(e, "host", "%s%s%s",
		found.host ? "\"" : "no such host, and no rules without host",
		found.host ? found.host->name : "",
		!found.host         ? ""
		: *found.host->name ? "\""
				    : "\": rules without host");
	if (found.how == ROUTE_TOO_COSTLY) {
		explain_step(e, "path", "a regular expression comes to no end on %.*s",
			(int)path.length, path.text);
		explain_step(e, "answer", "500: %s", http_refusal_help(HTTP_ROUTE_COSTLY));
		e->out->status = 500;
		return;
	}
	if (!found.rule) {
		explain_step(e, "path", "no rule takes %.*s", (int)path.length, path.text);
		explain_step(e, "answer", "404");
		e->out->status = 404;
		return;
	}
	e->rule = found.rule;
	e->out->host = answer_text(found.host->name);
	e->out->path = answer_text(found.rule->path);
	e->out->object = answer_text(found.rule->object);
	e->out->kind = (Sluice__RuleKind)found.rule->kind;
	explain_step(e, "path", "%s: %s", *found.rule->path ? found.rule->path : "(any)",
		how_text(found.how));
	explain_step(e, "ingress", "%s", found.rule->object);
	policy = found.rule->policy;
	if (policy->denied) {
		explain_step(e, "answer", "503: %s", http_refusal_help(HTTP_ROUTE_DENIED));
		e->out->status = 503;
		return;
	}
	if (policy->redirect_to) {
		explain_step(
			e, "answer", "%u: to %s", policy->redirect_to_code, policy->redirect_to);
		e->out->status = policy->redirect_to_code;
		return;
	}
	if (policy->rewrite && explain_target(e, &found, path))
		return;
	if (!request->tls &&
		(policy->force_ssl_redirect ||
			(policy->ssl_redirect &&
				tables_has_certificate(e->tables, e->listener->http->site,
					request->host, strlen(request->host))))) {
		explain_step(e, "answer", "%u: to https", policy->redirect_code);
		e->out->status = policy->redirect_code;
		return;
	}
	if (policy->allowed_count || policy->refused_count)
		explain_step(e, "clients", "%u prefixes let in (0: all), then %u kept out: 403",
			policy->allowed_count, policy->refused_count);
	explain_backends(e);
}

static void explain_certificate(struct explain *e)
{
	const struct server_name *name = tables_server_name(
		e->tables, e->listener->http->site, e->request->host, strlen(e->request->host));

	if (!e->request->tls)
		return;
	for (uint32_t i = 0; name && i < name->certificate_count; i++) {
		const struct certificate *it =
			tables_certificate(e->tables, &name->certificates[i]);

		explain_step(e, "certificate", "%s%s", it ? it->name : "(gone)",
			*name->name ? "" : ": the default, no other serves this name");
	}
	if (name && name->backend_count)
		explain_step(e, "passthrough", "TLS goes on unopened, says %s", name->object);
	if (!name)
		explain_step(e, "certificate", "none serves this name: the handshake is refused");
}

static void explain_url(struct explain *e)
{
	const Sluice__ExplainRequest *request = e->request;
	const char *query = strchr(request->path, '?');
	size_t length = query ? (size_t)(query - request->path) : strlen(request->path);
	char normal[H1_HEAD_MAX];
	struct route_text path = {"/", 1};
	enum http_refusal refusal = HTTP_OK;
	const struct http_site *site;
	char where[LISTENER_TEXT];

	tables_each_listener(e->tables, find_listener, e);
	if (strlen(request->path) > http_limits_default.line_bytes)
		refusal = HTTP_TARGET_LONG;
	else if (length && request->path[0] == '/')
		refusal = http_path_normalise(
			request->path, length, normal, &path.text, &path.length);
	if (!e->listener) {
		explain_step(e, "listener", "none for %s%s", request->tls ? "https" : "http",
			request->vip.len ? " on this address and port" : "");
		return;
	}
	if (refusal != HTTP_OK) {
		e->out->status = http_refusal_status(refusal);
		explain_step(e, "answer", "%u: %s", e->out->status, http_refusal_help(refusal));
		return;
	}
	site = tables_site(e->tables, e->listener->http->site);
	explain_step(e, "listener", "%s, site %s",
		listener_format(&e->listener->vip, e->listener->protocol, e->listener->port, where),
		site ? site->name : "(gone)");
	e->out->site = answer_text(site ? site->name : "");
	explain_certificate(e);
	explain_rule(e, path);
}

void explain_request(
	void *arg, struct channel *channel, uint64_t id, const Sluice__ExplainRequest *request)
{
	Sluice__Explained out = SLUICE__EXPLAINED__INIT;
	struct explain e = {.dataplane = arg, .request = request, .out = &out};

	out.steps = e.rows;
	e.tables = tables_current(e.dataplane->store);
	if (request->protocol != SLUICE__L4_PROTOCOL__L4_NONE)
		explain_flow(&e);
	else
		explain_url(&e);
	channel_send_explained(channel, id, &out);
	answer_free(&e.answer);
}
