// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/config, /v1/config/history, /v1/config/compare: sluice.conf as it runs and as it was. A
// configuration may hold passwords: only who may change it sees it.
#include "api_internal.h"

#include "conf_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	AGO,
	PATH
};

bool revisions_kept(const struct api_request *request)
{
	if (request->state->revisions)
		return true;
	reason_add(request->refused, "revisions cannot be kept here: see `show problems`");
	return false;
}

bool revisions_number(const struct api_request *request, unsigned at, unsigned *number)
{
	const char *text = request->values[at];
	unsigned long value;
	char *end;

	if (!text)
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value >= HISTORY_MAX) {
		reason_add(request->refused, "found \"%.40s\", expected a number from 0 to %d",
			text, HISTORY_MAX - 1);
		return false;
	}
	*number = (unsigned)value;
	return true;
}

static json_t *config(const struct api_request *request)
{
	char *text = NULL, *part = NULL;
	unsigned ago = 0;
	json_t *answer;

	if (!revisions_kept(request))
		return NULL;
	revisions_number(request, AGO, &ago);
	if (!request->refused->count)
		text = revisions_ago(request->state->revisions, ago, request->refused);
	if (text && request->values[PATH])
		part = conf_show(text, request->values[PATH], request->refused);
	answer = json_pack("{s:s, s:s?}", "file", request->state->settings->file, "text",
		request->values[PATH] ? part : text);
	free(part);
	free(text);
	return answer;
}

const struct api_command api_config = {
	.path = "/v1/config",
	.help = "the configuration that runs, or one that ran before",
	.arguments = {[AGO] = {"revision", ARGUMENT_TEXT, "so many revisions ago; 0 = what runs"},
		[PATH] = {"path", ARGUMENT_TEXT, "only this part: pools.default"}},
	.need = NEED_NOTHING,
	.admin = true,
	.handler = config,
	.answer = "{file, text: text?}",
};

static json_t *history(const struct api_request *request)
{
	const struct history *kept;
	const struct pending *pending;
	json_t *rows = json_array();

	if (!revisions_kept(request))
		return rows;
	kept = revisions_history(request->state->revisions);
	pending = revisions_pending(request->state->revisions);
	for (unsigned ago = 0; ago < kept->count; ago++) {
		const struct revision *revision = &kept->list[kept->count - 1 - ago];
		json_t *row = json_object();

		json_object_set_new(row, "ago", json_integer(ago));
		json_object_set_new(row, "revision", json_integer(revision->id));
		json_object_set_new(row, "time", json_time(revision->at_us));
		json_object_set_new(row, "who", json_string(revision->who));
		json_object_set_new(row, "comment", json_string(revision->comment));
		if (pending->id == revision->id)
			json_object_set_new(
				row, "undone_at", json_time(pending->until_s * 1000000));
		json_array_append_new(rows, row);
	}
	return json_pack("{s:o}", "history", rows);
}

const struct api_command api_history = {
	.path = "/v1/config/history",
	.help = "who changed the configuration when",
	.need = NEED_NOTHING,
	.handler = history,
	.answer = "{history: [{ago: number, revision: number, time, who, comment, undone_at?}]}",
};

// Between what is compared and what runs; without anything, the candidate, or else the last change.
static json_t *compare(const struct api_request *request)
{
	const struct revisions *revisions = request->state->revisions;
	char *before = NULL, *after = NULL, *text;
	struct candidate candidate;
	json_t *answer;
	unsigned ago;

	if (!revisions_kept(request))
		return NULL;
	revisions_candidate(revisions, &candidate);
	if (revisions_number(request, AGO, &ago)) {
		before = revisions_ago(revisions, ago, request->refused);
		after = candidate.text ? strdup(candidate.text)
				       : revisions_running(revisions, request->refused);
	} else if (!request->refused->count) {
		before = revisions_running(revisions, request->refused);
		after = strdup(candidate.text ? candidate.text : before ? before : "");
	}
	text = before && after ? conf_compare(before, after) : NULL;
	answer = json_pack("{s:s?, s:I}", "text", text, "edit", (json_int_t)candidate.edit);
	free(before);
	free(after);
	free(text);
	return answer;
}

const struct api_command api_compare = {
	.path = "/v1/config/compare",
	.help = "what the candidate changes, beside what runs or a revision",
	.arguments = {[AGO] = {"revision", ARGUMENT_TEXT,
			      "beside this many revisions ago; 0 = what runs"}},
	.need = NEED_NOTHING,
	.admin = true,
	.handler = compare,
	.answer = "{text: text?, edit: number}",
};
