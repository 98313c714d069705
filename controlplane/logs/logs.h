// SPDX-License-Identifier: BSD-3-Clause
// What happens to lines of log beside the journal, ours and the dataplane's, which is asked for
// them: the last are kept, for `show log`, and those of a level and worse go to the syslog servers
// of sluice.conf (RFC 5424, by UDP, or by TCP with octet counts, RFC 6587). Each process writes its
// own to the journal.
//
// A server that is away or slow holds up nothing: what does not fit is dropped and counted. Only
// one at a time: it is the log's sink. Loop thread only.
#pragma once

#include "log.h"
#include "publish.h"
#include "settings.h"

#include <stdbool.h>
#include <uv.h>

#define LOGS_KEPT 5000 // of each process

enum log_process {
	LOG_CONTROLPLANE,
	LOG_DATAPLANE,
	LOG_PROCESSES
};

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

struct logs_cursor { // begins as {0}
	unsigned at[LOG_PROCESSES];
};

// Both processes' lines by time, from the oldest on; NULL: there are no more.
const struct kept_line *logs_next(
	const struct logs *logs, struct logs_cursor *cursor, enum log_process *from);
uint64_t logs_unsent(const struct logs *logs); // to syslog servers, since the start
uint64_t logs_missed(
	const struct logs *logs); // of the dataplane: dropped, or gone before they came

// What to ask the dataplane for its newest lines, and what it answered.
void logs_question(const struct logs *logs, Sluice__LogRequest *question);
void logs_take(struct logs *logs, const Sluice__LogLines *answer);

const char *log_process_name(enum log_process process); // "dataplane"
bool log_process_parse(const char *text, enum log_process *process);

struct syslog_origin {
	const char *host;
	enum log_process process;
	int pid;
};

// A line as RFC 5424 has it. The length, at most size - 1.
size_t syslog_format(
	const struct log_line *line, const struct syslog_origin *origin, char *text, size_t size);
// "90s", "5m", "2h", "1d" before now, or "2026-01-31T12:00:00Z". False: it is neither.
bool log_since_parse(const char *text, uint64_t now_us, uint64_t *since_us);
