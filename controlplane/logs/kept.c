// SPDX-License-Identifier: BSD-3-Clause
// The last lines of both processes. The dataplane's are asked for, each time those after the last
// one that came; its run tells whether it is still the process that numbered them.
#include "logs_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const process_names[] = {
	[LOG_CONTROLPLANE] = "controlplane", [LOG_DATAPLANE] = "dataplane"};

const char *log_process_name(enum log_process process)
{
	return process_names[process];
}

bool log_process_parse(const char *text, enum log_process *process)
{
	for (unsigned i = 0; i < LOG_PROCESSES; i++)
		if (strcmp(text, process_names[i]) == 0) {
			*process = (enum log_process)i;
			return true;
		}
	return false;
}

void kept_add(struct kept *kept, const struct log_line *line)
{
	struct kept_line *place = &kept->lines[(kept->first + kept->count) % LOGS_KEPT];
	char *text = strdup(line->text);

	if (!text)
		return;
	if (kept->count == LOGS_KEPT) {
		free(place->text);
		kept->first = (kept->first + 1) % LOGS_KEPT;
	} else {
		kept->count++;
	}
	place->realtime_us = line->realtime_us;
	place->level = line->level;
	place->text = text;
	strncpy(place->area, line->area, sizeof(place->area) - 1);
	place->area[sizeof(place->area) - 1] = '\0';
}

void kept_free(struct kept *kept)
{
	for (unsigned i = 0; i < kept->count; i++)
		free(kept->lines[(kept->first + i) % LOGS_KEPT].text);
}

// Each process's lines stay in the order in which they were written, also over a clock that was
// set back.
const struct kept_line *logs_next(
	const struct logs *logs, struct logs_cursor *cursor, enum log_process *from)
{
	const struct kept_line *next = NULL;

	for (unsigned i = 0; i < LOG_PROCESSES; i++) {
		const struct kept *kept = &logs->kept[i];
		const struct kept_line *line;

		if (cursor->at[i] >= kept->count)
			continue;
		line = &kept->lines[(kept->first + cursor->at[i]) % LOGS_KEPT];
		if (!next || line->realtime_us < next->realtime_us) {
			next = line;
			*from = (enum log_process)i;
		}
	}
	if (next)
		cursor->at[*from]++;
	return next;
}

void logs_question(const struct logs *logs, Sluice__LogRequest *question)
{
	question->run = logs->dataplane.run;
	question->after = logs->dataplane.last;
}

static enum log_level known_level(uint32_t level)
{
	if (level < LOG_LEVEL_ERROR)
		return LOG_LEVEL_ERROR;
	return level > LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : (enum log_level)level;
}

// Two questions may have been under way: what has come before is passed over.
void logs_take(struct logs *logs, const Sluice__LogLines *answer)
{
	struct dataplane_log *known = &logs->dataplane;
	bool first = known->run == 0;

	if (answer->run != known->run)
		*known = (struct dataplane_log){.run = answer->run, .missed = known->missed};
	for (size_t i = 0; i < answer->n_lines; i++) {
		const Sluice__LogLine *told = answer->lines[i];
		const struct log_line line = {
			told->realtime_us, known_level(told->level), told->area, told->text, NULL};

		if (told->number <= known->last)
			continue;
		if (known->last || !first)
			known->missed += told->number - known->last - 1;
		first = false;
		known->last = told->number;
		kept_add(&logs->kept[LOG_DATAPLANE], &line);
		if (told->number > answer->taken)
			logs_send(logs, &line, LOG_DATAPLANE, (int)answer->process);
	}
	known->dropped = answer->dropped;
}

uint64_t logs_missed(const struct logs *logs)
{
	return logs->dataplane.dropped + logs->dataplane.missed;
}
