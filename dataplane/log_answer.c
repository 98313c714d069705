// SPDX-License-Identifier: BSD-3-Clause
// The log, as the control plane asks for it: its lines since the last time, and its levels. Main
// lcore only.
//
// `taken` tells a control plane that begins anew which lines the one before had: it need not send
// those to syslog servers again.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane.h"
#include "log.h"

struct levels {
	Sluice__LogLevel rows[LOG_AREAS_MAX + 1], *pointers[LOG_AREAS_MAX + 1];
};

static const char *set_level(const Sluice__LogRequest *request)
{
	enum log_level level = (enum log_level)request->level;
	bool inherit = request->level == 0, all = strcmp(request->area, "all") == 0;

	if (!*request->area)
		return "";
	if ((inherit && all) || (!inherit && (request->level < LOG_LEVEL_ERROR ||
						     request->level > LOG_LEVEL_DEBUG)))
		return "level: expected 3 to 7, or 0 for that of all";
	if (all)
		log_set_level(level);
	else if (inherit)
		log_reset_area_level(request->area);
	else if (!log_set_area_level(request->area, level))
		return "subsystem: its name is too long, or too many have a level of their own";
	return "";
}

static void tell_levels(Sluice__LogLines *told, struct levels *levels)
{
	const char *area = "all";

	for (unsigned i = 0; area && i < LOG_AREAS_MAX + 1; i++) {
		Sluice__LogLevel *row = &levels->rows[i];

		sluice__log_level__init(row);
		row->area = (char *)(uintptr_t)area;
		row->level = (uint32_t)log_level_of(i ? area : "");
		levels->pointers[i] = row;
		told->n_levels++;
		area = log_area(i);
	}
	told->levels = levels->pointers;
}

static void tell_line(Sluice__LogLine *told, struct log_kept *line)
{
	sluice__log_line__init(told);
	told->number = line->number;
	told->realtime_us = line->realtime_us;
	told->level = (uint32_t)line->level;
	told->area = line->area;
	told->text = line->text;
}

void log_answer(void *arg, struct channel *channel, uint64_t id, const Sluice__LogRequest *request)
{
	struct dataplane *dataplane = arg;
	Sluice__LogLines told = SLUICE__LOG_LINES__INIT;
	bool goes_on = request->run == dataplane->run;
	struct log_kept *lines = NULL;
	Sluice__LogLine *rows = NULL, **pointers = NULL;
	struct levels levels;
	unsigned count = 0;

	told.run = dataplane->run;
	told.process = (uint32_t)getpid();
	told.taken = dataplane->log_taken;
	told.refused = (char *)(uintptr_t)set_level(request);
	told.dropped = log_dropped();
	tell_levels(&told, &levels);
	if (dataplane->log_keep)
		count = log_keep_after(dataplane->log_keep, goes_on ? request->after : 0, &lines);
	rows = calloc(count + 1, sizeof(*rows));
	pointers = calloc(count + 1, sizeof(*pointers));
	for (unsigned i = 0; rows && pointers && i < count; i++) {
		tell_line(&rows[i], &lines[i]);
		pointers[told.n_lines++] = &rows[i];
	}
	told.lines = pointers;
	if (goes_on && request->after > dataplane->log_taken)
		dataplane->log_taken = request->after;
	channel_send_log(channel, id, &told);
	log_kept_free(lines, count);
	free(rows);
	free(pointers);
}
