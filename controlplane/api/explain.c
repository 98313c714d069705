// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/explain?url=https://host/path: the way a request takes. The dataplane says which, by the
// tables in force; the plan adds where it is written and who lost.
#include "api_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
	URL,
	FROM
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

bool api_explain_filter(const struct api_request *request, struct explain_text *text,
	Sluice__ExplainRequest *question)
{
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

static json_t *explain(const struct api_request *request)
{
	const Sluice__Explained *e = request->explained;
	json_t *answer = json_object(), *steps = json_array();

	for (size_t i = 0; i < e->n_steps; i++)
		json_array_append_new(steps, json_pack("{s:s, s:s}", "what", e->steps[i]->what,
						     "text", e->steps[i]->text));
	json_object_set_new(answer, "url", json_string(request->values[URL]));
	json_object_set_new(answer, "steps", steps);
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
	.arguments = {[URL] = {"url", ARGUMENT_URL, "\"https://host/path\""},
		[FROM] = {"from", ARGUMENT_ADDRESS, "of the client"}},
	.need = NEED_EXPLANATION,
	.handler = explain,
};
