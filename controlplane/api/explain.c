// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/explain?url=https://host/path: the way a request takes. The dataplane says which, by the
// tables in force; the plan adds where it is written and who lost.
#include "api_internal.h"

#include "drains.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
	URL,
	FROM
};

enum { // of a flow
	CLIENT,
	TO,
};

// "https://host:port/path?query" in pieces; false when it is none.
bool api_explain_question(
	const char *url, struct explain_text *text, Sluice__ExplainRequest *question)
{
	const char *host, *path, *colon;
	size_t n;

	sluice__explain_request__init(question);
	if (strncmp(url, "https://", 8) == 0)
		question->tls = true;
	else if (strncmp(url, "http://", 7) != 0)
		return false;
	host = url + (question->tls ? 8 : 7);
	n = strcspn(host, "/?#");
	path = host + n;
	if (n == 0 || n >= sizeof(text->host) || strlen(path) + 2 > sizeof(text->path) ||
		memchr(host, '@', n))
		return false;
	memcpy(text->host, host, n);
	text->host[n] = '\0';
	snprintf(text->path, sizeof(text->path), "%s%.*s", *path == '/' ? "" : "/",
		(int)strcspn(path, "#"), path);
	colon = strrchr(text->host, ':');
	if (colon && !strchr(colon, ']')) {
		unsigned long port = strtoul(colon + 1, NULL, 10);

		if (port < 1 || port > UINT16_MAX)
			return false;
		question->port = (uint32_t)port;
	}
	question->host = text->host;
	question->path = text->path;
	return true;
}

// "192.0.2.1:80", "[2001:db8::1]:80".
bool api_address_port(const char *text, struct addr *addr, uint16_t *port)
{
	struct drain parsed;

	if (!drain_parse(&parsed, text) || !parsed.port)
		return false;
	*addr = parsed.address;
	*port = parsed.port;
	return true;
}

static bool flow_filter(const struct api_request *request, uint8_t protocol,
	struct explain_text *text, Sluice__ExplainRequest *question)
{
	uint16_t client_port, port;

	sluice__explain_request__init(question);
	if (!request->values[CLIENT] || !request->values[TO] ||
		!api_address_port(request->values[CLIENT], &text->client, &client_port) ||
		!api_address_port(request->values[TO], &text->vip, &port))
		return false;
	question->protocol = (Sluice__L4Protocol)protocol;
	question->client.data =
		(uint8_t *)(uintptr_t)addr_bytes(&text->client, &question->client.len);
	question->client_port = client_port;
	question->vip.data = (uint8_t *)(uintptr_t)addr_bytes(&text->vip, &question->vip.len);
	question->port = port;
	return true;
}

bool api_explain_filter(const struct api_command *command, const struct api_request *request,
	struct explain_text *text, Sluice__ExplainRequest *question)
{
	if (command == &api_explain_tcp || command == &api_explain_udp)
		return flow_filter(request, command == &api_explain_tcp ? IPPROTO_TCP : IPPROTO_UDP,
			text, question);
	if (!request->values[URL] || !api_explain_question(request->values[URL], text, question))
		return false;
	if (request->values[FROM] && addr_parse(&text->client, request->values[FROM]) == 0)
		question->client.data =
			(uint8_t *)(uintptr_t)addr_bytes(&text->client, &question->client.len);
	return true;
}

static json_t *plan_says(const struct plan *plan, const Sluice__Explained *explained)
{
	for (unsigned i = 0; plan && i < plan->host_count; i++) {
		const struct plan_host *host = plan->hosts[i];

		for (unsigned j = 0; j < host->rule_count; j++) {
			const struct plan_rule *rule = &host->rules[j];
			json_t *row;

			if (strcmp(host->name, explained->host) != 0 ||
				strcmp(rule->path, explained->path) != 0 ||
				(int)rule->kind != (int)explained->kind)
				continue;
			row = rule_json(plan, host, rule);
			json_object_set_new(row, "lost",
				json_texts((char *const *)(uintptr_t)rule->lost, rule->lost_count));
			return row;
		}
	}
	return json_null();
}

static json_t *steps_json(const Sluice__Explained *e)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < e->n_steps; i++)
		json_array_append_new(steps, json_pack("{s:s, s:s}", "what", e->steps[i]->what,
						     "text", e->steps[i]->text));
	return steps;
}

static json_t *explain_flow(const struct api_request *request)
{
	const Sluice__Explained *e = request->explained;

	return json_pack("{s:o, s:o, s:o, s:i, s:s}", "steps", steps_json(e), "pool",
		*e->pool ? json_string(e->pool) : json_null(), "endpoint", json_bytes(&e->endpoint),
		"endpoint_port", (int)e->endpoint_port, "endpoint_name", e->endpoint_name);
}

static json_t *explain(const struct api_request *request)
{
	const Sluice__Explained *e = request->explained;
	json_t *answer = json_object();

	json_object_set_new(answer, "url", json_string(request->values[URL]));
	json_object_set_new(answer, "steps", steps_json(e));
	json_object_set_new(answer, "status", json_integer(e->status));
	json_object_set_new(answer, "ingress", *e->object ? json_string(e->object) : json_null());
	json_object_set_new(answer, "pool", *e->pool ? json_string(e->pool) : json_null());
	json_object_set_new(answer, "endpoint", json_bytes(&e->endpoint));
	json_object_set_new(answer, "endpoint_port", json_integer(e->endpoint_port));
	json_object_set_new(answer, "endpoint_name", json_string(e->endpoint_name));
	json_object_set_new(
		answer, "rule", e->kind ? plan_says(request->state->plan, e) : json_null());
	return answer;
}

const struct api_command api_explain = {
	.path = "/v1/explain",
	.help = "the way a request takes, by the tables in force",
	.arguments = {[URL] = {"url", ARGUMENT_URL, "\"https://host/path\"", true},
		[FROM] = {"from", ARGUMENT_ADDRESS, "of the client"}},
	.need = NEED_EXPLANATION,
	.handler = explain,
	.answer = "{url, steps: [{what, text}], status: number, ingress: text?, pool: text?, "
		  "endpoint: text?, endpoint_port: number, endpoint_name, rule: {host, kind, "
		  "path, service, pool: text?, ready: number, draining: number, ingress, where, "
		  "rewrite?, lost: [text]}?}",
};

#define FLOW_ARGUMENTS                                                                             \
	{                                                                                          \
		[CLIENT] = {"client", ARGUMENT_SOCKET, "of the client: address and port", true},   \
		[TO] = {"to", ARGUMENT_SOCKET, "of the VIP: address and port", true},              \
	}

#define FLOW_ANSWER                                                                                \
	"{steps: [{what, text}], pool: text?, endpoint: text?, endpoint_port: number, "            \
	"endpoint_name}"

const struct api_command api_explain_tcp = {
	.path = "/v1/explain/tcp",
	.help = "the way of a TCP connection's packets, by the tables in force",
	.arguments = FLOW_ARGUMENTS,
	.need = NEED_EXPLANATION,
	.handler = explain_flow,
	.answer = FLOW_ANSWER,
};

const struct api_command api_explain_udp = {
	.path = "/v1/explain/udp",
	.help = "the way of datagrams, by the tables in force",
	.arguments = FLOW_ARGUMENTS,
	.need = NEED_EXPLANATION,
	.handler = explain_flow,
	.answer = FLOW_ANSWER,
};
