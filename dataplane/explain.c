// SPDX-License-Identifier: BSD-3-Clause
// Which way a request would take, step by step, by the tables in force. Main lcore: nothing is
// counted or changed; where a pool takes its endpoints in turn, the next one is told.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http_path.h"
#include "stats_internal.h"

struct explain {
	const struct dataplane *dataplane;
	const struct tables *tables;
	const Sluice__ExplainRequest *request;
	struct answer answer;
	Sluice__Explained *out;
	Sluice__ExplainStep *rows[32];
	const struct listener *listener;
	const struct http_rule *rule;
};

static __attribute__((format(printf, 3, 4))) void step(
	struct explain *e, const char *what, const char *format, ...)
{
	Sluice__ExplainStep *row = answer_alloc(&e->answer, sizeof(*row));
	char *line = answer_alloc(&e->answer, 1024);
	va_list args;

	if (!row || !line || e->out->n_steps == 32)
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

static void explain_endpoint(struct explain *e, const struct pool *pool)
{
	struct pick_state state = {0};
	struct pick_key key = {0, 0};
	const struct endpoint *endpoint;
	char text[ADDR_TEXT];
	uint32_t index;

	proxy_preview(e->dataplane->workers[0]->proxy, pool, &state);
	index = pool->algorithm == ALGORITHM_LEAST_REQUESTS || pool->algorithm == ALGORITHM_EWMA
			? 0
			: pick_endpoint(pool, &key, &state, &(struct pick_load){NULL, 0, NULL});
	endpoint = pool->members[index == UINT32_MAX ? 0 : index];
	e->out->endpoint.data =
		(uint8_t *)(uintptr_t)addr_bytes(&endpoint->address, &e->out->endpoint.len);
	e->out->endpoint_port = ntohs(endpoint->port);
	e->out->endpoint_name = answer_text(endpoint->name);
	step(e, "endpoint", "%s port %u%s%s: by %s, of %u ready%s",
		addr_format(&endpoint->address, text), ntohs(endpoint->port),
		*endpoint->name ? " " : "", endpoint->name,
		algorithm_name((enum algorithm)pool->algorithm), pool->ready_count,
		pool->ready_count > 1 ? "; it may be another one" : "");
}

static void explain_backends(struct explain *e)
{
	const struct pool *chosen = NULL;

	for (uint32_t i = 0; i < e->rule->backend_count; i++) {
		const struct rule_backend *backend = &e->rule->backends[i];
		const struct pool *pool = tables_backend_pool(e->tables, backend);

		step(e, "backend", "%s: weight %u, %u of %u endpoints ready",
			pool ? pool->name : "(gone)", backend->weight, pool ? pool->ready_count : 0,
			pool ? pool->member_count : 0);
		if (!chosen && pool && pool->ready_count && backend->weight)
			chosen = pool;
	}
	if (!chosen) {
		step(e, "answer", "503: no backend has a ready endpoint");
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
		step(e, "answer", "302: to %s", out);
		e->out->status = 302;
		return true;
	}
	step(e, "rewrite", "the path becomes %s", out);
	return false;
}

static void explain_rule(struct explain *e, struct route_text path)
{
	const Sluice__ExplainRequest *request = e->request;
	struct http_found found = tables_rule(
		e->tables, e->listener->http->site, request->host, strlen(request->host), path);
	const struct rule_policy *policy;

	step(e, "host", "%s%s%s", found.host ? "\"" : "no such host, and no rules without host",
		found.host ? found.host->name : "",
		!found.host         ? ""
		: *found.host->name ? "\""
				    : "\": rules without host");
	if (found.how == ROUTE_TOO_COSTLY) {
		step(e, "path", "a regular expression comes to no end on %.*s", (int)path.length,
			path.text);
		step(e, "answer", "500: %s", http_refusal_help(HTTP_ROUTE_COSTLY));
		e->out->status = 500;
		return;
	}
	if (!found.rule) {
		step(e, "path", "no rule takes %.*s", (int)path.length, path.text);
		step(e, "answer", "404");
		e->out->status = 404;
		return;
	}
	e->rule = found.rule;
	e->out->host = answer_text(found.host->name);
	e->out->path = answer_text(found.rule->path);
	e->out->object = answer_text(found.rule->object);
	e->out->kind = (Sluice__RuleKind)found.rule->kind;
	step(e, "path", "%s: %s", *found.rule->path ? found.rule->path : "(any)",
		how_text(found.how));
	step(e, "ingress", "%s", found.rule->object);
	policy = found.rule->policy;
	if (policy->rewrite && explain_target(e, &found, path))
		return;
	if (!request->tls &&
		(policy->force_ssl_redirect ||
			(policy->ssl_redirect &&
				tables_has_certificate(e->tables, e->listener->http->site,
					request->host, strlen(request->host))))) {
		step(e, "answer", "%u: to https", policy->redirect_code);
		e->out->status = policy->redirect_code;
		return;
	}
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

		step(e, "certificate", "%s%s", it ? it->name : "(gone)",
			*name->name ? "" : ": the default, no other serves this name");
	}
	if (name && name->backend_count)
		step(e, "passthrough", "TLS goes on unopened, says %s", name->object);
	if (!name)
		step(e, "certificate", "none serves this name: the handshake is refused");
}

void explain_request(
	void *arg, struct channel *channel, uint64_t id, const Sluice__ExplainRequest *request)
{
	Sluice__Explained out = SLUICE__EXPLAINED__INIT;
	struct explain e = {.dataplane = arg, .request = request, .out = &out};
	const char *query = strchr(request->path, '?');
	size_t length = query ? (size_t)(query - request->path) : strlen(request->path);
	char normal[SLUICE_PATH_LENGTH + 1];
	struct route_text path = {"/", 1};
	enum http_refusal refusal = HTTP_OK;
	char where[LISTENER_TEXT];

	out.steps = e.rows;
	e.tables = tables_current(e.dataplane->store);
	tables_each_listener(e.tables, find_listener, &e);
	if (length > SLUICE_PATH_LENGTH)
		refusal = HTTP_TARGET_LONG;
	else if (length && request->path[0] == '/')
		refusal = http_path_normalise(
			request->path, length, normal, &path.text, &path.length);
	if (!e.listener) {
		step(&e, "listener", "none for %s%s", request->tls ? "https" : "http",
			request->vip.len ? " on this address and port" : "");
	} else if (refusal != HTTP_OK) {
		step(&e, "answer", "400: %s", http_refusal_help(refusal));
		out.status = 400;
	} else {
		const struct http_site *site = tables_site(e.tables, e.listener->http->site);

		step(&e, "listener", "%s, site %s",
			listener_format(
				&e.listener->vip, e.listener->protocol, e.listener->port, where),
			site ? site->name : "(gone)");
		out.site = answer_text(site ? site->name : "");
		explain_certificate(&e);
		explain_rule(&e, path);
	}
	channel_send_explained(channel, id, &out);
	answer_free(&e.answer);
}
