// SPDX-License-Identifier: BSD-3-Clause
// From a request to its answer. See exchange.h.
//
//     who asks -> row -> may it be -> arguments checked -> [the dataplane is asked] -> handler
//
// Whoever asked for a change is told to the log, with what came of it, refused ones too.
#include "exchange.h"

#include "aside.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNKNOWN_COST 10 // of a wrong token, beside the request

static void set_answer(struct exchange *x, enum http_status status, json_t *json)
{
	x->answered = true;
	x->status = status;
	x->text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!x->text) {
		x->status = STATUS_INTERNAL;
		x->text = strdup("{\"error\":\"out of memory\"}");
	}
	x->length = x->text ? strlen(x->text) : 0;
}

static void set_text(struct exchange *x, struct text *text)
{
	if (text->failed) {
		text_drop(text);
		set_answer(x, STATUS_OK, NULL);
		return;
	}
	x->answered = true;
	x->status = STATUS_OK;
	x->text = text->bytes;
	x->length = text->length;
}

static void audit_argument(struct exchange *x, const char *name, const char *value)
{
	size_t used = strlen(x->what);
	const char *first = x->request.values[0] ? x->request.values[0] : "";

	// A configuration's secrets are none of the log's.
	if (value && (strstr(value, "password") || strstr(first, "password")) &&
		strcmp(name, "value") == 0)
		value = "(not told)";
	snprintf(x->what + used, sizeof(x->what) - used, "%s%s=%s", used ? " " : "", name,
		value ? value : "");
}

// One line for each change that was asked for.
static void audit(struct exchange *x, const char *result)
{
	char status[16];
	const struct log_field fields[] = {{"SLUICE_WHO", x->who}, {"SLUICE_FROM", x->request.from},
		{"SLUICE_WHAT", x->path}, {"SLUICE_ARGUMENTS", x->what}, {"SLUICE_STATUS", status},
		{"SLUICE_RESULT", result}, {NULL, NULL}};

	if (!x->command || !x->command->changes || strcmp(x->method, "POST") != 0)
		return;
	x->what[0] = '\0';
	web_arguments(x, audit_argument);
	snprintf(status, sizeof(status), "%d", (int)x->status);
	log_write_fields(LOG_LEVEL_NOTICE, "audit", fields, "%s from %s: %s%s%s: %d %s",
		*x->who ? x->who : "nobody", x->request.from, x->path, *x->what ? " " : "", x->what,
		(int)x->status, result);
}

void exchange_refuse(struct exchange *x, enum http_status status, const char *text)
{
	set_answer(x, status, json_pack("{s:s}", "error", text));
	audit(x, text);
}

static void take_state(const struct exchange *x, struct api_state *state)
{
	const struct api_options *options = &web_api(x->web)->options;

	options->state(options->arg, state);
}

static void handle(struct exchange *x)
{
	const struct api_command *command = x->command;
	struct api_state state = {0};
	struct text text = {.file = x->file};
	json_t *json;

	if ((command->need == NEED_STATS && !x->request.stats) ||
		(command->need == NEED_FLOWS && !x->request.flows) ||
		(command->need == NEED_CAPTURED && !x->request.captured) ||
		(command->need == NEED_EXPLANATION && !x->request.explained)) {
		exchange_refuse(x, STATUS_UNAVAILABLE, x->request.why);
		return;
	}
	take_state(x, &state);
	x->request.state = &state;
	x->request.options = &web_api(x->web)->options;
	x->request.tokens = web_api(x->web)->tokens;
	x->request.baseline = &web_api(x->web)->baseline;
	x->request.refused = &x->reason;
	json = command->handler ? command->handler(&x->request) : NULL;
	if (command->write)
		command->write(&x->request, &text);
	x->request.state = NULL;
	if (json && command->cleared && x->request.stats &&
		baseline_since(x->request.baseline, x->request.stats))
		json_object_set_new(
			json, "counted_since", json_time(x->request.baseline->since_us));
	if (x->reason.count) {
		json_decref(json);
		text_drop(&text);
		exchange_refuse(x, STATUS_BAD_REQUEST, reason_text(&x->reason));
		return;
	}
	if (command->write)
		set_text(x, &text);
	else
		set_answer(x, STATUS_OK, json);
	audit(x, "done");
}

#define LARGE 1000 // pools, or VIPs: what is less is made at once

// Is it one that takes its time?
static bool is_large(const struct exchange *x, const struct api_state *state)
{
	return x->command->large && state->plan &&
	       (state->plan->pool_count >= LARGE || state->plan->vip_count >= LARGE);
}

// Begins; true when the answer is to come.
static bool begin(struct exchange *x, struct api_state *state)
{
	x->request.state = state;
	x->request.exchange = x;
	x->request.refused = &x->reason;
	x->command->begin(&x->request);
	x->request.state = NULL;
	if (x->reason.count)
		exchange_refuse(x, STATUS_BAD_REQUEST, reason_text(&x->reason));
	return !x->answered;
}

static void resume(struct exchange *x)
{
	x->request.told = NULL;
	x->request.stats = NULL;
	x->request.flows = NULL;
	x->request.explained = NULL;
	x->request.captured = NULL;
	x->request.log = NULL;
	web_resume(x);
}

void exchange_finish(struct exchange *x, json_t *answer)
{
	if (x->reason.count) {
		json_decref(answer);
		exchange_refuse(x, STATUS_BAD_REQUEST, reason_text(&x->reason));
	} else {
		set_answer(x, STATUS_OK, answer);
		audit(x, "done");
	}
	resume(x);
}

static void on_stats(void *arg, const Sluice__Stats *stats, const char *why)
{
	struct exchange *x = arg;

	x->request.stats = stats;
	if (stats && x->command->cleared) // nobody else sees this answer
		baseline_subtract(&web_api(x->web)->baseline, (Sluice__Stats *)(uintptr_t)stats);
	x->request.why = why;
	handle(x);
	resume(x);
}

static void handle_packed(struct exchange *x)
{
	struct arena arena = {0};
	Sluice__Stats *stats =
		x->packed ? publish_stats_read(x->packed, x->packed_length, &arena) : NULL;

	if (x->packed && !stats)
		x->request.why = "its answer cannot be read: install both from one release";
	x->request.stats = stats;
	handle(x);
	if (!x->file) // a child ends
		arena_clear(&arena);
}

// Read and answered aside.
static void on_packed(void *arg, const uint8_t *bytes, size_t length, const char *why)
{
	struct exchange *x = arg;

	x->packed = bytes;
	x->packed_length = length;
	x->request.why = why;
	if (aside_begin(x, handle_packed))
		return;
	handle_packed(x);
	resume(x);
}

static void on_flows(void *arg, const Sluice__Flows *flows, const char *why)
{
	struct exchange *x = arg;

	x->request.flows = flows;
	x->request.why = why;
	handle(x);
	resume(x);
}

static void on_explained(void *arg, const Sluice__Explained *explained, const char *why)
{
	struct exchange *x = arg;

	x->request.explained = explained;
	x->request.why = why;
	handle(x);
	resume(x);
}

static void on_captured(void *arg, const Sluice__Captured *captured, const char *why)
{
	struct exchange *x = arg;

	x->request.captured = captured;
	x->request.why = why;
	handle(x);
	resume(x);
}

// The lines are kept before anybody looks at them.
static void on_log(void *arg, const Sluice__LogLines *lines, const char *why)
{
	struct exchange *x = arg;
	struct api_state state = {0};

	take_state(x, &state);
	if (lines && state.logs)
		logs_take(state.logs, lines);
	x->request.log = lines;
	x->request.why = why;
	handle(x);
	resume(x);
}

static void on_told(void *arg, const char *output, const char *why)
{
	struct exchange *x = arg;

	x->request.told = output;
	x->request.why = why;
	handle(x);
	resume(x);
}

static int ask_stats(struct exchange *x, struct publish *publish, enum publish_detail detail)
{
	return x->large ? publish_stats_packed(publish, detail, on_packed, x)
			: publish_stats(publish, detail, on_stats, x);
}

// Asks the dataplane what the row needs. 0: the answer will come.
static int ask(struct exchange *x, struct publish *publish)
{
	Sluice__ExplainRequest question;
	struct explain_text text;
	Sluice__CaptureRequest capture;
	Sluice__FlowsRequest filter;
	struct addr address[3];
	Sluice__LogRequest log = SLUICE__LOG_REQUEST__INIT;

	if (!publish)
		return -ENOTCONN;
	switch (x->command->need) {
	case NEED_NOTHING:
		return -EALREADY;
	case NEED_STATS:
	case WANT_STATS:
		return ask_stats(x, publish, PUBLISH_TOTALS);
	case WANT_LISTENER_STATS:
		return ask_stats(x, publish, PUBLISH_LISTENERS);
	case WANT_ENDPOINT_STATS:
		return ask_stats(x, publish, PUBLISH_ENDPOINTS);
	case WANT_SUMS:
		return ask_stats(x, publish, PUBLISH_SUMS);
	case WANT_RULE_STATS:
		return ask_stats(x, publish, PUBLISH_RULES);
	case NEED_EXPLANATION:
		if (!api_explain_filter(x->command, &x->request, &text, &question))
			return -EINVAL;
		return publish_explain(publish, &question, on_explained, x);
	case NEED_CAPTURED:
		api_capture_question(x->command, &x->request, &capture, address);
		return publish_capture(publish, &capture, on_captured, x);
	case WANT_LOG:
		if (!api_log_question(x->command, &x->request, &log, &x->reason))
			return -EALREADY;
		return publish_log(publish, &log, on_log, x);
	case NEED_FLOWS:
		if (!api_flows_filter(x->command, &x->request, &filter, address)) {
			reason_add(&x->reason, "which flows? A filter, or all");
			return -EINVAL;
		}
		return publish_flows(publish, &filter, on_flows, x);
	}
	return -EINVAL;
}

static void take_argument(struct exchange *x, const char *name, const char *value)
{
	api_request_set(&x->request, x->command, name, value, &x->reason);
}

static bool method_allowed(const struct api_command *command, const char *method)
{
	if (command && command->changes)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

#define BEARER "Bearer "

// A token, by its hash. A wrong one costs as much as many questions.
static void identify_token(struct exchange *x)
{
	const char *header = web_header(x, "Authorization");
	const struct token *token = NULL;

	if (header && strncasecmp(header, BEARER, strlen(BEARER)) == 0)
		token = tokens_find(web_api(x->web)->tokens, header + strlen(BEARER));
	if (token) {
		snprintf(x->who, sizeof(x->who), "%s", token->name);
		x->request.role = token->role;
		return;
	}
	exchange_refuse(x, STATUS_UNAUTHORIZED,
		header ? "this token is nobody's" : "Authorization: Bearer TOKEN is missing");
}

static bool too_often(struct exchange *x, unsigned cost)
{
	struct api *api = web_api(x->web);
	struct addr client;

	return !web_client(x, &client) || !rate_take(&api->rate, &client, cost, uv_now(api->loop));
}

// Whoever may open the socket may do all: the group is the appliance's administrators.
static void identify_local(struct exchange *x)
{
	x->request.from = "unix";
	if (peer_allowed(web_peer(x), web_api(x->web)->group, x->who))
		x->request.role = ROLE_ADMIN;
	else // told as an answer, so that whoever asks reads why instead of a closed connection
		exchange_refuse(x, STATUS_FORBIDDEN, "only root and the appliance's group may ask");
}

static void identify(struct exchange *x)
{
	enum web_kind kind = web_kind(x->web);
	struct addr client;

	x->request.who = x->who;
	if (kind == WEB_LOCAL) {
		identify_local(x);
		return;
	}
	x->request.from = web_client(x, &client) ? addr_format(&client, x->from) : "?";
	if (too_often(x, 1))
		exchange_refuse(x, STATUS_TOO_MANY, "too many requests: wait a second");
	else if (kind == WEB_HTTPS)
		identify_token(x);
	else if (x->command == &api_metrics)
		x->request.role = ROLE_VIEW;
	else
		exchange_refuse(x, STATUS_FORBIDDEN, "here is /metrics and nothing else");
	if (x->status == STATUS_UNAUTHORIZED)
		(void)too_often(x, UNKNOWN_COST);
}

void exchange_head(struct exchange *x)
{
	bool root = strcmp(x->path, "/v1") == 0 || strcmp(x->path, "/v1/") == 0;

	x->command = api_command_find(x->path);
	x->request.body = "";
	identify(x);
	if (x->answered)
		return;
	if (!x->command && !root)
		exchange_refuse(x, STATUS_NOT_FOUND, "no such path: GET /v1 lists them");
	else if (!method_allowed(x->command, x->method))
		exchange_refuse(x, STATUS_METHOD_NOT_ALLOWED,
			x->command && x->command->changes
				? "this changes something: only POST is understood"
				: "only GET is understood");
	else if (x->command && (x->command->changes || x->command->admin) &&
		 x->request.role != ROLE_ADMIN)
		exchange_refuse(x, STATUS_FORBIDDEN, "this needs a token of the role admin");
	else if (x->command && x->command->local && web_kind(x->web) != WEB_LOCAL)
		exchange_refuse(x, STATUS_FORBIDDEN, "this is asked on the box itself");
}

void exchange_begin(struct exchange *x)
{
	struct api_state state = {0};
	int error;

	if (!x->command) {
		set_answer(x, STATUS_OK, api_help());
		return;
	}
	web_arguments(x, take_argument);
	api_request_check(&x->request, x->command, &x->reason);
	if (x->reason.count) {
		exchange_refuse(x, STATUS_BAD_REQUEST, reason_text(&x->reason));
		return;
	}
	if (x->body)
		x->request.body = x->body;
	take_state(x, &state);
	if (x->command->begin) {
		if (begin(x, &state))
			web_suspend(x);
		return;
	}
	x->large = is_large(x, &state);
	x->request.state = &state;
	error = x->command->ask ? x->command->ask(&x->request, on_told, x)
				: ask(x, state.dataplane);
	x->request.state = NULL;
	if (!error) {
		web_suspend(x);
		return;
	}
	if (x->reason.count) {
		exchange_refuse(x, STATUS_BAD_REQUEST, reason_text(&x->reason));
		return;
	}
	if (x->command->need != NEED_NOTHING)
		x->request.why = error == -ENOTCONN && state.dataplane ? state.publish.down_reason
								       : strerror(-error);
	if (x->large && aside_begin(x, handle))
		web_suspend(x);
	else
		handle(x);
}

void exchange_clear(struct exchange *x)
{
	const struct api_options *options = &web_api(x->web)->options;

	if (x->command && x->command->again && x->answered && x->status == STATUS_OK &&
		options->again)
		options->again(options->arg);
	if (x->body)
		explicit_bzero(x->body, x->request.body_size);
	reason_clear(&x->reason);
	free(x->text);
	if (x->file)
		close(x->file);
	if (x->body) // there may be credentials in it
		explicit_bzero(x->body, x->request.body_size);
	free(x->body);
}
