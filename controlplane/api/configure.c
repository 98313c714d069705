// SPDX-License-Identifier: BSD-3-Clause
// /v1/config/candidate, and POST /v1/config/set, delete, rollback, discard, commit: the candidate
// for the next configuration.
#include "api_internal.h"

#include "conf_tree.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_S 60
#define DAY_S    86400

enum {
	PATH,
	SEEN,
	VALUE
};

enum {
	COMMENT,
	MINUTES,
	SECONDS,
	NAME,
	SEEN_LAST
};

#define SEEN_ALONE 0
#define SEEN_HELP  "`edit` as it was answered last: refused when there was another edit since"

// Whoever does not tell what it has seen takes the candidate as it is.
static bool unmoved(const struct api_request *request, unsigned at)
{
	return !request->values[at] ||
	       revisions_unmoved(request->state->revisions,
		       (uint32_t)strtoul(request->values[at], NULL, 10), request->refused);
}

// May it be changed? Told when not.
static bool may_edit(const struct api_request *request)
{
	return revisions_kept(request) && unmoved(request, SEEN);
}

// The candidate as it is now: whose, since when, and what a commit would be refused for.
static json_t *candidate_json(const struct revisions *revisions)
{
	json_t *row = json_object();
	struct candidate candidate;
	struct reason mistakes = {0}, none = {0};
	char *running = revisions_running(revisions, &none);

	revisions_candidate(revisions, &candidate);
	json_object_set_new(row, "who", candidate.text ? json_string(candidate.who) : json_null());
	json_object_set_new(row, "edit", json_integer(candidate.edit));
	if (candidate.text) {
		revisions_check(revisions, &mistakes);
		json_object_set_new(row, "since", json_time(candidate.since_s * 1000000));
		json_object_set_new(row, "base", json_integer(candidate.base));
		json_object_set_new(row, "behind", json_boolean(candidate.behind));
		json_object_set_new(row, "changed",
			json_boolean(!running || strcmp(running, candidate.text) != 0));
		json_object_set_new(row, "mistakes", json_string(reason_text(&mistakes)));
	}
	if (revisions_pending(revisions)->id)
		json_object_set_new(row, "undone_at",
			json_time(revisions_pending(revisions)->until_s * 1000000));
	reason_clear(&mistakes);
	reason_clear(&none);
	free(running);
	return row;
}

static json_t *candidate_show(const struct api_request *request)
{
	const struct revisions *revisions = request->state->revisions;
	char *text, *part = NULL;
	struct candidate candidate;
	json_t *answer;

	if (!revisions_kept(request))
		return NULL;
	revisions_candidate(revisions, &candidate);
	text = candidate.text ? strdup(candidate.text)
			      : revisions_running(revisions, request->refused);
	if (text && request->values[PATH])
		part = conf_show(text, request->values[PATH], request->refused);
	answer = candidate_json(revisions);
	json_object_set_new(answer, "text",
		json_string(request->values[PATH] ? part ? part : ""
			    : text                ? text
						  : ""));
	free(part);
	free(text);
	return answer;
}

#define CANDIDATE                                                                                  \
	"who: text?, edit: number, since?, base?: number, behind?: bool, changed?: "               \
	"bool, mistakes?, undone_at?"

const struct api_command api_candidate = {
	.path = "/v1/config/candidate",
	.help = "the candidate, or what runs while there is none",
	.arguments = {[PATH] = {"path", ARGUMENT_TEXT, "only this part: pools.default"}},
	.need = NEED_NOTHING,
	.admin = true,
	.handler = candidate_show,
	.answer = "{" CANDIDATE ", text}",
};

static json_t *set(const struct api_request *request)
{
	if (!may_edit(request))
		return NULL;
	revisions_set(request->state->revisions, request->who, request->values[PATH],
		request->values[VALUE], request->refused);
	return candidate_json(request->state->revisions);
}

const struct api_command api_set = {
	.path = "/v1/config/set",
	.help = "set a key in the candidate",
	.arguments = {[PATH] = {"path", ARGUMENT_TEXT, "the key: pools.default.priority", true},
		[SEEN] = {"seen", ARGUMENT_NUMBER, SEEN_HELP},
		[VALUE] = {"value", ARGUMENT_TEXT, "its value, as sluice.conf has it, or plain",
			true}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = set,
	.answer = "{" CANDIDATE "}",
};

static json_t *delete (const struct api_request *request)
{
	if (!may_edit(request))
		return NULL;
	revisions_delete(
		request->state->revisions, request->who, request->values[PATH], request->refused);
	return candidate_json(request->state->revisions);
}

const struct api_command api_delete = {
	.path = "/v1/config/delete",
	.help = "delete a key, a group or an element in the candidate",
	.arguments = {[PATH] = {"path", ARGUMENT_TEXT, "what: pools.default.priority, pools[2]",
			      true},
		[SEEN] = {"seen", ARGUMENT_NUMBER, SEEN_HELP}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = delete,
	.answer = "{" CANDIDATE "}",
};

static json_t *rollback(const struct api_request *request)
{
	unsigned ago = 0;

	if (!may_edit(request))
		return NULL;
	if (revisions_number(request, PATH, &ago))
		revisions_rollback(request->state->revisions, request->who, ago, request->refused);
	return candidate_json(request->state->revisions);
}

const struct api_command api_rollback = {
	.path = "/v1/config/rollback",
	.help = "make an earlier revision the candidate",
	.arguments = {[PATH] = {"revision", ARGUMENT_TEXT, "so many revisions ago", true},
		[SEEN] = {"seen", ARGUMENT_NUMBER, SEEN_HELP}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = rollback,
	.answer = "{" CANDIDATE "}",
};

static json_t *discard(const struct api_request *request)
{
	if (!revisions_kept(request) || !unmoved(request, SEEN_ALONE))
		return NULL;
	revisions_discard(request->state->revisions, request->who, request->refused);
	return candidate_json(request->state->revisions);
}

const struct api_command api_discard = {
	.path = "/v1/config/discard",
	.help = "drop the candidate, whosever it is",
	.arguments = {[SEEN_ALONE] = {"seen", ARGUMENT_NUMBER, SEEN_HELP}},
	.need = NEED_NOTHING,
	.changes = true,
	.handler = discard,
	.answer = "{" CANDIDATE "}",
};

json_t *config_waiting(const char *before, const char *now)
{
	static const char *const keys[] = {"dataplane", "ports", "routes", "snat", "timeouts",
		"http", "access_log", "run_dir", "state_dir", "group"};
	struct reason none = {0};
	json_t *list = json_array();

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *a = conf_show(now, keys[i], &none), *b = conf_show(before, keys[i], &none);

		if (!a != !b || (a && strcmp(a, b) != 0))
			json_array_append_new(list, json_string(keys[i]));
		free(a);
		free(b);
	}
	reason_clear(&none);
	return list;
}

// What the dataplane has not read yet: it reads the file when it starts.
static json_t *waiting(const struct api_request *request)
{
	const struct revisions *revisions = request->state->revisions;
	uint64_t started_us = request->state->publish.started_us;
	struct reason none = {0};
	char *now = revisions_ago(revisions, 0, &none);
	char *read = started_us ? revisions_at(revisions, started_us, &none) : NULL;
	json_t *list = now && read ? config_waiting(read, now) : json_array();

	reason_clear(&none);
	free(now);
	free(read);
	return list;
}

static uint64_t confirm_s(const struct api_request *request)
{
	const char *minutes = request->values[MINUTES], *seconds = request->values[SECONDS];
	uint64_t s = minutes   ? strtoull(minutes, NULL, 10) * MINUTE_S
		     : seconds ? strtoull(seconds, NULL, 10)
			       : 0;

	if (s > DAY_S)
		reason_add(
			request->refused, "found more than a day, expected at most 1440 minutes");
	return s;
}

static json_t *commit(const struct api_request *request)
{
	static const char *const results[] = {[COMMIT_DONE] = "done",
		[COMMIT_CONFIRMED] = "confirmed",
		[COMMIT_NOTHING] = "nothing",
		[COMMIT_REFUSED] = "refused"};
	struct revisions *revisions = request->state->revisions;
	const struct history *history;
	struct commit commit = {.who = request->who,
		.comment = request->values[COMMENT] ? request->values[COMMENT] : "",
		.text = request->body_size ? request->body : NULL,
		.name = request->values[NAME] ? request->values[NAME] : "file",
		.confirm_s = confirm_s(request)};
	struct candidate candidate;
	enum committed result;
	json_t *answer;

	if (!revisions_kept(request) || request->refused->count ||
		(!commit.text && !unmoved(request, SEEN_LAST)))
		return NULL;
	if (commit.text && strlen(commit.text) != request->body_size) {
		reason_add(request->refused, "found a zero byte, expected a text");
		return NULL;
	}
	result = revisions_commit(revisions, &commit, request->refused);
	history = revisions_history(revisions);
	answer = json_pack("{s:s, s:i, s:o}", "result", results[result], "revision",
		history->count ? (int)history->list[history->count - 1].id : 0, "waiting",
		result == COMMIT_DONE ? waiting(request) : json_array());
	revisions_candidate(revisions, &candidate);
	json_object_set_new(answer, "edit", json_integer(candidate.edit));
	if (revisions_pending(revisions)->id)
		json_object_set_new(answer, "undone_at",
			json_time(revisions_pending(revisions)->until_s * 1000000));
	return answer;
}

const struct api_command api_commit = {
	.path = "/v1/config/commit",
	.help = "use the candidate, or the body, from now on; or confirm what is in use",
	.arguments = {[COMMENT] = {"comment", ARGUMENT_TEXT, "what for"},
		[MINUTES] = {"confirmed", ARGUMENT_NUMBER,
			"undo it after so many minutes unless another commit confirms it"},
		[SECONDS] = {"confirmed_s", ARGUMENT_NUMBER, "the same in seconds"},
		[NAME] = {"file", ARGUMENT_TEXT, "what mistakes in the body are told of"},
		[SEEN_LAST] = {"seen", ARGUMENT_NUMBER, SEEN_HELP}},
	.need = NEED_NOTHING,
	.changes = true,
	.posted = "a configuration, in place of the candidate",
	.posted_type = "text/plain",
	.handler = commit,
	.answer = "{result, revision: number, waiting: [any], edit: number, undone_at?}",
};
