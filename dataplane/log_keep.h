// SPDX-License-Identifier: BSD-3-Clause
// The last lines of our log, numbered, for the control plane to fetch: it is the log's sink. Any
// thread that logs writes, the main lcore reads.
#pragma once

#include "log.h"

#include <stdint.h>

#define LOG_KEPT 2500 // LOG_BURST and a second's worth: who asks each second misses none

struct log_keep;

struct log_kept {                     // a line
	uint64_t number, realtime_us; // numbers are from 1 on, without gaps
	enum log_level level;
	char area[LOG_AREA_MAX];
	char *text;
};

struct log_keep *log_keep_new(void); // NULL = out of memory
void log_keep_free(struct log_keep *keep);
// Copies of the lines after number `after`, oldest first, in *lines, for log_kept_free(). How many.
unsigned log_keep_after(struct log_keep *keep, uint64_t after, struct log_kept **lines);
void log_kept_free(struct log_kept *lines, unsigned count);
