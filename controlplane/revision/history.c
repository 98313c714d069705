// SPDX-License-Identifier: BSD-3-Clause
// See history.h.
#include "history.h"

#include "whole_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LINE 600
#define SECOND_US UINT64_C(1000000)

char *file_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		if (ferror(file)) {
			free(text);
			text = NULL;
		} else if (text) {
			*text = '\0';
		} else {
			text = strdup("");
		}
	}
	fclose(file);
	return text;
}

static void path_of(const struct history *history, unsigned id, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%08u.conf", history->dir, id);
}

// "// <key> <value>" in the head; false when the line says something else.
static bool head_line(const char *line, const char *key, char *value)
{
	size_t n = strlen(key);

	if (strncmp(line, "// ", 3) != 0 || strncmp(line + 3, key, n) != 0 || line[3 + n] != ' ')
		return false;
	snprintf(value, HEAD_LINE, "%.*s", (int)strcspn(line + 4 + n, "\n"), line + 4 + n);
	return true;
}

// "1764000000.123456", or without what is behind the point: seconds of the epoch.
static uint64_t time_of(const char *text)
{
	char *at;
	uint64_t us = strtoull(text, &at, 10) * SECOND_US;

	if (*at == '.')
		for (uint64_t unit = SECOND_US / 10; unit && *++at >= '0' && *at <= '9'; unit /= 10)
			us += (uint64_t)(*at - '0') * unit;
	return us;
}

static bool read_head(struct revision *revision, const char *path)
{
	char line[HEAD_LINE], at[HEAD_LINE], who[HEAD_LINE], comment[HEAD_LINE];
	FILE *file = fopen(path, "re");
	bool is = file && fgets(line, sizeof(line), file) && head_line(line, "at", at) &&
		  fgets(line, sizeof(line), file) && head_line(line, "by", who) &&
		  fgets(line, sizeof(line), file) && head_line(line, "comment", comment);

	if (file)
		fclose(file);
	if (!is)
		return false;
	revision->at_us = time_of(at);
	revision->who = strdup(who);
	revision->comment = strdup(comment);
	return revision->who && revision->comment;
}

static void forget(struct revision *revision)
{
	free(revision->who);
	free(revision->comment);
	*revision = (struct revision){0};
}

static int compare_ids(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

// What is on disk, the newest HISTORY_MAX of it. A file that is none of ours is left alone.
static int read_all(struct history *history)
{
	DIR *dir = opendir(history->dir);
	unsigned *ids = NULL, count = 0;
	struct dirent *entry;
	char path[PATH_MAX];

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		unsigned *grown, id;
		int end = 0;

		if (sscanf(entry->d_name, "%8u.conf%n", &id, &end) != 1 || end != 13 ||
			entry->d_name[end] || !id)
			continue;
		grown = realloc(ids, (count + 1) * sizeof(*ids));
		if (!grown)
			break;
		ids = grown;
		ids[count++] = id;
	}
	closedir(dir);
	if (count)
		qsort(ids, count, sizeof(*ids), compare_ids);
	for (unsigned i = count > HISTORY_MAX ? count - HISTORY_MAX : 0; i < count; i++) {
		struct revision *revision = &history->list[history->count];

		path_of(history, ids[i], path);
		revision->id = ids[i];
		if (read_head(revision, path))
			history->count++;
		else
			forget(revision);
	}
	free(ids);
	return 0;
}

int history_open(struct history *history, const char *state_dir, struct reason *reason)
{
	int error;

	memset(history, 0, sizeof(*history));
	if (asprintf(&history->dir, "%s/revisions", state_dir) < 0) {
		history->dir = NULL;
		return -ENOMEM;
	}
	if (mkdir(history->dir, 0700) < 0 && errno != EEXIST)
		error = -errno;
	else
		error = read_all(history);
	if (error)
		reason_add(
			reason, "%s: revisions cannot be kept: %s", history->dir, strerror(-error));
	return error;
}

void history_close(struct history *history)
{
	for (unsigned i = 0; i < history->count; i++)
		forget(&history->list[i]);
	free(history->dir);
	memset(history, 0, sizeof(*history));
}

// As one line, and not too long a one.
static char *one_line(const char *text)
{
	char *copy = strndup(text, HEAD_LINE - 100);

	for (char *at = copy; at && *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	return copy;
}

int history_add(struct history *history, const char *who, const char *comment, const char *text,
	struct reason *reason)
{
	struct revision revision = {.who = one_line(who), .comment = one_line(comment)};
	char path[PATH_MAX], *whole = NULL;
	struct timespec now;
	int error = -ENOMEM;

	clock_gettime(CLOCK_REALTIME, &now);
	revision.at_us = (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
	revision.id = history->count ? history->list[history->count - 1].id + 1 : 1;
	if (revision.who && revision.comment &&
		asprintf(&whole, "// at %" PRIu64 ".%06" PRIu64 "\n// by %s\n// comment %s\n%s",
			revision.at_us / SECOND_US, revision.at_us % SECOND_US, revision.who,
			revision.comment, text) > 0) {
		path_of(history, revision.id, path);
		error = whole_file_write(
			&(struct whole_file){path, 0600, false}, whole, strlen(whole), reason);
		free(whole);
	}
	if (error) {
		forget(&revision);
		return error;
	}
	if (history->count == HISTORY_MAX) {
		path_of(history, history->list[0].id, path);
		unlink(path);
		forget(&history->list[0]);
		memmove(&history->list[0], &history->list[1],
			(HISTORY_MAX - 1) * sizeof(history->list[0]));
		history->count--;
	}
	history->list[history->count++] = revision;
	return 0;
}

void history_drop(struct history *history)
{
	char path[PATH_MAX];

	if (!history->count)
		return;
	path_of(history, history->list[--history->count].id, path);
	unlink(path);
	forget(&history->list[history->count]);
}

char *history_text(const struct history *history, unsigned id, struct reason *reason)
{
	char path[PATH_MAX], *text, *at;

	path_of(history, id, path);
	text = at = file_text(path);
	for (unsigned line = 0; at && line < 3; line++) {
		at = strchr(at, '\n');
		at += at != NULL;
	}
	if (at)
		memmove(text, at, strlen(at) + 1);
	else
		reason_add(reason, "%s: cannot be read", path);
	if (at)
		return text;
	free(text);
	return NULL;
}

const struct revision *history_find(const struct history *history, unsigned id)
{
	for (unsigned i = 0; i < history->count; i++)
		if (history->list[i].id == id)
			return &history->list[i];
	return NULL;
}

void history_pending_read(const struct history *history, struct pending *pending)
{
	char path[PATH_MAX], *text;

	*pending = (struct pending){0};
	snprintf(path, sizeof(path), "%s/unconfirmed", history->dir);
	text = file_text(path);
	if (text && sscanf(text, "%u %u %" SCNu64, &pending->id, &pending->before,
			    &pending->until_s) != 3)
		*pending = (struct pending){0};
	free(text);
}

int history_pending_write(
	const struct history *history, const struct pending *pending, struct reason *reason)
{
	char path[PATH_MAX], text[80];

	snprintf(path, sizeof(path), "%s/unconfirmed", history->dir);
	if (!pending->id) {
		unlink(path);
		return 0;
	}
	snprintf(text, sizeof(text), "%u %u %" PRIu64 "\n", pending->id, pending->before,
		pending->until_s);
	return whole_file_write(
		&(struct whole_file){path, 0600, false}, text, strlen(text), reason);
}
