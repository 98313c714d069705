// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/log, POST /v1/log/level: the last lines of the log, and which are written. The dataplane
// is asked for its newest first; without it there are those that came before.
#include "api_internal.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LEVEL,
	SUBSYSTEM,
	PROCESS,
	SINCE,
	TEXT_IN,
	LAST,
	LEVELS
};

static void add_level(
	struct text *text, enum log_process process, const char *area, enum log_level level)
{
	text_open(text, '{');
	text_key_string(text, "process", log_process_name(process));
	text_key_string(text, "subsystem", area);
	text_key_string(text, "level", log_level_name(level));
	text_close(text, '}');
}

static void levels(const struct api_request *request, struct text *text)
{
	const Sluice__LogLines *log = request->log;

	text_key(text, "levels");
	text_open(text, '[');
	add_level(text, LOG_CONTROLPLANE, "all", log_level_of(""));
	for (unsigned i = 0; log_area(i); i++)
		add_level(text, LOG_CONTROLPLANE, log_area(i), log_level_of(log_area(i)));
	for (size_t i = 0; log && i < log->n_levels; i++)
		if (log->levels[i]->level >= LOG_LEVEL_ERROR &&
			log->levels[i]->level <= LOG_LEVEL_DEBUG)
			add_level(text, LOG_DATAPLANE, log->levels[i]->area,
				(enum log_level)log->levels[i]->level);
	text_close(text, ']');
}

struct filter {
	enum log_level level;
	const char *subsystem, *process, *text;
	uint64_t since_us;
};

static bool matches(
	const struct filter *filter, const struct kept_line *line, enum log_process from)
{
	return line->level <= filter->level && line->realtime_us >= filter->since_us &&
	       (!filter->subsystem || strcmp(filter->subsystem, line->area) == 0) &&
	       (!filter->process || strcmp(filter->process, log_process_name(from)) == 0) &&
	       (!filter->text || strcasestr(line->text, filter->text));
}

static void add_line(struct text *text, const struct kept_line *line, enum log_process from)
{
	time_t seconds = (time_t)(line->realtime_us / 1000000);
	char when[40];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	text_open(text, '{');
	text_key(text, "time");
	text_format(text, "\"%s.%03uZ\"", when, (unsigned)(line->realtime_us / 1000 % 1000));
	text_key_string(text, "level", log_level_name(line->level));
	text_key_string(text, "process", log_process_name(from));
	text_key_string(text, "subsystem", line->area);
	text_key_string(text, "text", line->text);
	text_close(text, '}');
}

static void check_process(const char *process, struct reason *reason)
{
	enum log_process known;

	if (process && !log_process_parse(process, &known))
		reason_add(reason, "process: found \"%.40s\", expected controlplane or dataplane",
			process);
}

static bool read_filter(const struct api_request *request, struct filter *filter)
{
	const char *level = request->values[LEVEL], *since = request->values[SINCE];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*filter = (struct filter){.level = LOG_LEVEL_DEBUG,
		.subsystem = request->values[SUBSYSTEM],
		.process = request->values[PROCESS],
		.text = request->values[TEXT_IN]};
	if (level && !log_level_parse(level, &filter->level))
		reason_add(request->refused,
			"level: found \"%.40s\", expected error, warning, notice, info or debug",
			level);
	if (since && !log_since_parse(since,
			     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
			     &filter->since_us))
		reason_add(request->refused,
			"since: found \"%.40s\", expected 90s, 5m, 2h, 1d or 2026-01-31T12:00:00Z",
			since);
	check_process(filter->process, request->refused);
	return !request->refused->count;
}

// The lines that match, but for the first so many; how many match.
static unsigned long add_lines(const struct api_request *request, const struct filter *filter,
	struct text *text, unsigned long skip)
{
	struct logs_cursor cursor = {{0}};
	const struct kept_line *line;
	unsigned long matching = 0;
	enum log_process from;

	while (request->state->logs &&
		(line = logs_next(request->state->logs, &cursor, &from)) != NULL)
		if (matches(filter, line, from) && matching++ >= skip && text)
			add_line(text, line, from);
	return matching;
}

static void show(const struct api_request *request, struct text *text)
{
	const struct logs *logs = request->state->logs;
	unsigned long last = request->values[LAST] ? strtoul(request->values[LAST], NULL, 10)
						   : LOG_PROCESSES * LOGS_KEPT;
	unsigned long matching;
	struct filter filter;
	char warning[300];

	if (!read_filter(request, &filter))
		return;
	text_open(text, '{');
	if (request->values[LEVELS]) {
		levels(request, text);
	} else {
		matching = add_lines(request, &filter, NULL, 0);
		text_key(text, "log");
		text_open(text, '[');
		add_lines(request, &filter, text, matching > last ? matching - last : 0);
		text_close(text, ']');
		text_key_number(text, "dropped", log_dropped() + (logs ? logs_missed(logs) : 0));
		text_key_number(text, "unsent", logs ? logs_unsent(logs) : 0);
	}
	if (!request->log) {
		snprintf(warning, sizeof(warning), "nothing newer of the dataplane: %s",
			request->why ? request->why : "");
		text_key_string(text, "warning", warning);
	}
	text_close(text, '}');
}

enum {
	SET_SUBSYSTEM,
	SET_LEVEL,
	SET_PROCESS
};

// Of this process too; all are, unless one is named.
static bool is_for(const struct api_request *request, enum log_process process)
{
	const char *named = request->values[SET_PROCESS];

	return !named || strcmp(named, log_process_name(process)) == 0;
}

static bool check_level(const struct api_request *request, struct reason *reason)
{
	const char *area = request->values[SET_SUBSYSTEM], *word = request->values[SET_LEVEL];
	bool all = area && strcmp(area, "all") == 0;
	enum log_level level;

	if (!area || !*area || strlen(area) >= LOG_AREA_MAX)
		reason_add(reason,
			"subsystem: found \"%.40s\", expected \"all\" or a subsystem of `show log`",
			area ? area : "");
	if (!word || ((all || strcmp(word, "default") != 0) && !log_level_parse(word, &level)))
		reason_add(reason,
			"level: found \"%.40s\", expected error, warning, notice, info%s",
			word ? word : "", all ? " or debug" : ", debug or default");
	check_process(request->values[SET_PROCESS], reason);
	return !reason->count;
}

bool api_log_question(const struct api_command *command, const struct api_request *request,
	Sluice__LogRequest *question, struct reason *reason)
{
	enum log_level level;

	logs_question(request->state->logs, question);
	if (command != &api_log_level)
		return true;
	if (!check_level(request, reason) || !is_for(request, LOG_DATAPLANE))
		return false;
	question->area = (char *)(uintptr_t)request->values[SET_SUBSYSTEM];
	if (log_level_parse(request->values[SET_LEVEL], &level))
		question->level = (uint32_t)level;
	return true;
}

// The dataplane has done it when it has answered.
static json_t *set_level(const struct api_request *request)
{
	const char *area = request->values[SET_SUBSYSTEM], *word = request->values[SET_LEVEL];
	enum log_level level;
	json_t *answer;

	if (!check_level(request, request->refused))
		return NULL;
	if (request->log && *request->log->refused) {
		reason_add(request->refused, "the dataplane: %s", request->log->refused);
		return NULL;
	}
	if (!is_for(request, LOG_CONTROLPLANE)) {
		if (!request->log)
			reason_add(request->refused, "the dataplane does not answer: %s",
				request->why ? request->why : "");
	} else if (!log_level_parse(word, &level)) {
		log_reset_area_level(area);
	} else if (strcmp(area, "all") == 0) {
		log_set_level(level);
	} else if (!log_set_area_level(area, level)) {
		reason_add(request->refused, "subsystem: too many have a level of their own");
	}
	answer = json_pack("{s:s, s:s}", "subsystem", area, "level", word);
	if (is_for(request, LOG_DATAPLANE) && !request->log)
		json_object_set_new(answer, "warning",
			json_sprintf("not of the dataplane: %s", request->why ? request->why : ""));
	return answer;
}

const struct api_command api_log = {
	.path = "/v1/log",
	.help = "the last lines of the log, of both processes",
	.arguments =
		{
			[LEVEL] = {"level", ARGUMENT_TEXT, "this level and worse"},
			[SUBSYSTEM] = {"subsystem", ARGUMENT_TEXT, "only of this subsystem"},
			[PROCESS] = {"process", ARGUMENT_TEXT, "controlplane or dataplane"},
			[SINCE] = {"since", ARGUMENT_TEXT, "90s, 5m, 2h, 1d or a time in UTC"},
			[TEXT_IN] = {"text", ARGUMENT_TEXT, "only with this text in them"},
			[LAST] = {"last", ARGUMENT_NUMBER, "so many at most, the newest"},
			[LEVELS] = {"levels", ARGUMENT_FLAG, "which levels are written, instead"},
		},
	.need = WANT_LOG,
	.write = show,
	.answer = "{log?: [{time, level, process, subsystem, text}], dropped?: number, unsent?: "
		  "number, levels?: [{process, subsystem, level}], " ANSWER_WARNING "}",
};

const struct api_command api_log_level = {
	.path = "/v1/log/level",
	.help = "which lines of a subsystem are written, until the restart",
	.arguments =
		{
			[SET_SUBSYSTEM] = {"subsystem", ARGUMENT_TEXT, "all, or one", true},
			[SET_LEVEL] = {"level", ARGUMENT_TEXT,
				"error, warning, notice, info, debug; default: that of all", true},
			[SET_PROCESS] = {"process", ARGUMENT_TEXT,
				"controlplane or dataplane; both when there is none"},
		},
	.need = WANT_LOG,
	.changes = true,
	.handler = set_level,
	.answer = "{subsystem, level, " ANSWER_WARNING "}",
};
