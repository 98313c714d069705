// SPDX-License-Identifier: BSD-3-Clause
#include "log_keep.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct log_keep {
	pthread_mutex_t lock;            // held for copies alone, never while something is logged
	uint64_t last;                   // the newest line's number
	struct log_kept lines[LOG_KEPT]; // number n at n % LOG_KEPT
};

static void on_line(void *arg, const struct log_line *line)
{
	struct log_keep *keep = arg;
	char *text = strdup(line->text);
	struct log_kept *kept;

	if (!text)
		return;
	pthread_mutex_lock(&keep->lock);
	kept = &keep->lines[++keep->last % LOG_KEPT];
	free(kept->text);
	*kept = (struct log_kept){keep->last, line->realtime_us, line->level, "", text};
	strncpy(kept->area, line->area, sizeof(kept->area) - 1);
	pthread_mutex_unlock(&keep->lock);
}

struct log_keep *log_keep_new(void)
{
	struct log_keep *keep = calloc(1, sizeof(*keep));

	if (!keep)
		return NULL;
	pthread_mutex_init(&keep->lock, NULL);
	log_set_sink(on_line, keep);
	return keep;
}

void log_keep_free(struct log_keep *keep)
{
	if (!keep)
		return;
	log_set_sink(NULL, NULL);
	for (unsigned i = 0; i < LOG_KEPT; i++)
		free(keep->lines[i].text);
	pthread_mutex_destroy(&keep->lock);
	free(keep);
}

unsigned log_keep_after(struct log_keep *keep, uint64_t after, struct log_kept **lines)
{
	unsigned count = 0;
	uint64_t first;

	*lines = NULL;
	pthread_mutex_lock(&keep->lock);
	first = keep->last > LOG_KEPT ? keep->last - LOG_KEPT + 1 : 1;
	if (first <= after)
		first = after + 1;
	if (first <= keep->last)
		*lines = calloc(keep->last - first + 1, sizeof(**lines));
	for (uint64_t number = first; *lines && number <= keep->last; number++) {
		(*lines)[count] = keep->lines[number % LOG_KEPT];
		(*lines)[count].text = strdup(keep->lines[number % LOG_KEPT].text);
		if (!(*lines)[count].text)
			break; // it is asked for again
		count++;
	}
	pthread_mutex_unlock(&keep->lock);
	return count;
}

void log_kept_free(struct log_kept *lines, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(lines[i].text);
	free(lines);
}
