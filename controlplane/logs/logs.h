// SPDX-License-Identifier: BSD-3-Clause
// What happens to our lines of log beside the journal: the last of them are kept, for `show log`,
// and those of a level and worse go to the syslog servers of sluice.conf (RFC 5424, by UDP, or by
// TCP with octet counts, RFC 6587).
//
// A server that is away or slow holds up nothing: what does not fit is dropped and counted. Only
// one at a time: it is the log's sink. Loop thread only.
#pragma once

#include "log.h"
#include "settings.h"

#include <stdbool.h>
#include <uv.h>

#define LOGS_KEPT 5000

struct logs;

struct kept_line {
	uint64_t realtime_us;
	enum log_level level;
	char area[LOG_AREA_MAX];
	char *text;
};

struct logs *logs_open(uv_loop_t *loop); // NULL: out of memory
void logs_close(struct logs *logs);      // the memory goes when the loop has run
// Sends to these from now on.
void logs_follow(struct logs *logs, const struct syslog_settings *servers, unsigned count);
// From the oldest on; NULL: there are no more.
const struct kept_line *logs_line(const struct logs *logs, unsigned i);
uint64_t logs_unsent(const struct logs *logs); // to syslog servers, since the start

// A line as RFC 5424 has it. The length, at most size - 1.
size_t syslog_format(const struct log_line *line, const char *host, char *text, size_t size);
// "90s", "5m", "2h", "1d" before now, or "2026-01-31T12:00:00Z". False: it is neither.
bool log_since_parse(const char *text, uint64_t now_us, uint64_t *since_us);
