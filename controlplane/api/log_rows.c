// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/log, POST /v1/log/level: the last lines of the log, and which are written.
#include "api_internal.h"

#include "log.h"

#include <string.h>
#include <time.h>

enum {
	LEVEL,
	SUBSYSTEM,
	SINCE,
	TEXT_IN,
	LAST,
	LEVELS
};

static void levels(struct text *text)
{
	const char *area;

	text_key(text, "levels");
	text_open(text, '[');
	for (unsigned i = 0; i == 0 || log_area(i - 1); i++) {
		area = i ? log_area(i - 1) : "all";
		text_open(text, '{');
		text_key_string(text, "subsystem", area);
		text_key_string(
			text, "level", log_level_name(log_level_of(i ? log_area(i - 1) : "")));
		text_close(text, '}');
	}
	text_close(text, ']');
}

struct filter {
	enum log_level level;
	const char *subsystem, *text;
	uint64_t since_us;
};

static bool matches(const struct filter *filter, const struct kept_line *line)
{
	return line->level <= filter->level && line->realtime_us >= filter->since_us &&
	       (!filter->subsystem || strcmp(filter->subsystem, line->area) == 0) &&
	       (!filter->text || strcasestr(line->text, filter->text));
}

static void add_line(struct text *text, const struct kept_line *line)
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
	text_key_string(text, "subsystem", line->area);
	text_key_string(text, "text", line->text);
	text_close(text, '}');
}

static bool read_filter(const struct api_request *request, struct filter *filter)
{
	const char *level = request->values[LEVEL], *since = request->values[SINCE];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*filter = (struct filter){.level = LOG_LEVEL_DEBUG,
		.subsystem = request->values[SUBSYSTEM],
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
	return !request->refused->count;
}

static void show(const struct api_request *request, struct text *text)
{
	const struct logs *logs = request->state->logs;
	unsigned long last =
		request->values[LAST] ? strtoul(request->values[LAST], NULL, 10) : LOGS_KEPT;
	const struct kept_line *line;
	unsigned long matching = 0, skip;
	struct filter filter;

	if (!read_filter(request, &filter))
		return;
	text_open(text, '{');
	if (request->values[LEVELS]) {
		levels(text);
		text_close(text, '}');
		return;
	}
	for (unsigned i = 0; logs && (line = logs_line(logs, i)); i++)
		matching += matches(&filter, line);
	skip = matching > last ? matching - last : 0;
	text_key(text, "log");
	text_open(text, '[');
	for (unsigned i = 0; logs && (line = logs_line(logs, i)); i++)
		if (matches(&filter, line)) {
			if (skip)
				skip--;
			else
				add_line(text, line);
		}
	text_close(text, ']');
	text_key_number(text, "dropped", log_dropped());
	text_key_number(text, "unsent", logs ? logs_unsent(logs) : 0);
	text_close(text, '}');
}

enum {
	SET_SUBSYSTEM,
	SET_LEVEL
};

static json_t *set_level(const struct api_request *request)
{
	const char *area = request->values[SET_SUBSYSTEM], *word = request->values[SET_LEVEL];
	bool inherit = word && strcmp(word, "default") == 0;
	enum log_level level = LOG_LEVEL_INFO;

	if (!area || strlen(area) >= LOG_AREA_MAX)
		reason_add(request->refused,
			"subsystem: found \"%.40s\", expected \"all\" or a subsystem of `show log`",
			area ? area : "");
	if (!word || (!inherit && !log_level_parse(word, &level)))
		reason_add(request->refused,
			"level: found \"%.40s\", expected error, warning, notice, info, debug or "
			"default",
			word ? word : "");
	if (!area || request->refused->count)
		return NULL;
	if (strcmp(area, "all") == 0)
		log_set_level(level);
	else if (inherit)
		log_reset_area_level(area);
	else if (!log_set_area_level(area, level))
		reason_add(request->refused, "subsystem: too many have a level of their own");
	return json_pack("{s:s, s:s}", "subsystem", area, "level", word);
}

const struct api_command api_log = {
	.path = "/v1/log",
	.help = "the last lines of the control plane's log",
	.arguments =
		{
			[LEVEL] = {"level", ARGUMENT_TEXT, "this level and worse"},
			[SUBSYSTEM] = {"subsystem", ARGUMENT_TEXT, "only of this subsystem"},
			[SINCE] = {"since", ARGUMENT_TEXT, "90s, 5m, 2h, 1d or a time in UTC"},
			[TEXT_IN] = {"text", ARGUMENT_TEXT, "only with this text in them"},
			[LAST] = {"last", ARGUMENT_NUMBER, "so many at most, the newest"},
			[LEVELS] = {"levels", ARGUMENT_FLAG, "which levels are written, instead"},
		},
	.write = show,
};

const struct api_command api_log_level = {
	.path = "/v1/log/level",
	.help = "which lines of a subsystem are written, until the restart",
	.arguments =
		{
			[SET_SUBSYSTEM] = {"subsystem", ARGUMENT_TEXT, "all, or one"},
			[SET_LEVEL] = {"level", ARGUMENT_TEXT,
				"error, warning, notice, info, debug; default: that of all"},
		},
	.changes = true,
	.handler = set_level,
};
