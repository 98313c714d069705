// SPDX-License-Identifier: BSD-3-Clause
// The log. A line goes to systemd-journald by its native protocol, with its subsystem and what else
// is said of it as fields, when the journal has our standard error; else to standard error, as
// "<priority>area: text", on a terminal with the time in front. And to a sink, if there is one.
//
// Each area has the level of all unless it is given its own. More lines than LOG_RATE a second are
// dropped, and how many were is told. Any thread but a worker: nothing on the packet's way may log.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { // the numbers of syslog(3)
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

#define LOG_AREA_MAX  24 // with its zero
#define LOG_AREAS_MAX 32
#define LOG_LINE_MAX  2048
#define LOG_RATE      500 // lines a second
#define LOG_BURST     2000

struct log_field { // NAME=value; the name as journald has them: capital letters
	const char *name, *value;
};

struct log_line { // of the sink; borrowed
	uint64_t realtime_us;
	enum log_level level;
	const char *area, *text;
	const struct log_field *fields; // ends with a NULL name; NULL = none
};

typedef void (*log_sink_fn)(void *arg, const struct log_line *line);

// `identifier`: the program, for the journal. The journal is used when $JOURNAL_STREAM says that
// standard error is its own. Called once; before it, standard error is used.
void log_start(const char *identifier);
// As if the journal listened there. 0 or -errno.
int log_to_journal(const char *socket_path);
void log_set_sink(log_sink_fn sink, void *arg); // from the same thread that logs; NULL = none

void log_set_level(enum log_level level);
// Of one area; false when there are too many. `inherit`: the level of all again.
bool log_set_area_level(const char *area, enum log_level level);
void log_reset_area_level(const char *area);
enum log_level log_level_of(const char *area); // "" = of all
// The i-th area that has a level of its own; NULL = there is none.
const char *log_area(unsigned i);
const char *log_level_name(enum log_level level); // "debug"
bool log_level_parse(const char *text, enum log_level *level);
uint64_t log_dropped(void); // lines, since the start

void log_write(enum log_level level, const char *area, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// The same with fields, which end with a NULL name.
void log_write_fields(enum log_level level, const char *area, const struct log_field *fields,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(area, ...)   log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_notice(area, ...)  log_write(LOG_LEVEL_NOTICE, area, __VA_ARGS__)
#define log_info(area, ...)    log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)   log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
