// SPDX-License-Identifier: BSD-3-Clause
// Lines as syslog has them, and times as people say them. Pure.
#include "logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FACILITY_DAEMON 3
// No enterprise number is ours: that of examples (RFC 5612) stands in.
#define ELEMENT "sluice@32473"

static size_t add(char *text, size_t size, size_t at, const char *more)
{
	size_t length = strlen(more), room = size - 1 - at;

	if (length > room)
		length = room;
	memcpy(text + at, more, length);
	text[at + length] = '\0';
	return at + length;
}

// name="value", with what must be escaped.
static size_t add_field(char *text, size_t size, size_t at, const struct log_field *field)
{
	at = add(text, size, at, " ");
	at = add(text, size, at, field->name);
	at = add(text, size, at, "=\"");
	for (const char *letter = field->value; *letter; letter++) {
		char pair[3] = {'\\', *letter, '\0'};

		at = add(text, size, at,
			*letter == '"' || *letter == '\\' || *letter == ']' ? pair : pair + 1);
	}
	return add(text, size, at, "\"");
}

size_t syslog_format(
	const struct log_line *line, const struct syslog_origin *origin, char *text, size_t size)
{
	time_t seconds = (time_t)(line->realtime_us / 1000000);
	char when[40];
	struct tm tm;
	size_t at;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, size, "<%d>1 %s.%06uZ %s sluice-%s %d %s ",
		FACILITY_DAEMON * 8 + (int)line->level, when,
		(unsigned)(line->realtime_us % 1000000), *origin->host ? origin->host : "-",
		log_process_name(origin->process), origin->pid, *line->area ? line->area : "-");
	at = strlen(text);
	if (line->fields && line->fields[0].name) {
		at = add(text, size, at, "[" ELEMENT);
		for (unsigned i = 0; line->fields[i].name; i++)
			at = add_field(text, size, at, &line->fields[i]);
		at = add(text, size, at, "] ");
	} else {
		at = add(text, size, at, "- ");
	}
	return add(text, size, at, line->text);
}

bool log_since_parse(const char *text, uint64_t now_us, uint64_t *since_us)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char *unit;
	uint64_t number;

	if (end && (strcmp(end, "Z") == 0 || *end == '\0')) {
		time_t seconds = timegm(&tm);

		*since_us = seconds > 0 ? (uint64_t)seconds * 1000000 : 0;
		return true;
	}
	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	number = strtoull(text, &unit, 10);
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*unit == units[i].unit && unit[1] == '\0') {
			number *= units[i].seconds * 1000000ull;
			*since_us = number < now_us ? now_us - number : 0;
			return true;
		}
	return false;
}
