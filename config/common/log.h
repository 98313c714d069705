// SPDX-License-Identifier: BSD-3-Clause
// One line a record, on standard error: "<priority>area: text", which is what systemd-journald
// reads (sd-daemon(3)); on a terminal the priority is left out and the time is put in front.
// Any thread but a worker: nothing on the packet's way may log.
#pragma once

enum log_level { // the numbers of syslog(3)
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *area, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(area, ...)   log_write(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_write(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_notice(area, ...)  log_write(LOG_LEVEL_NOTICE, area, __VA_ARGS__)
#define log_info(area, ...)    log_write(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)   log_write(LOG_LEVEL_DEBUG, area, __VA_ARGS__)
