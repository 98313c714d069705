// SPDX-License-Identifier: BSD-3-Clause
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX     16

// The log is one of the few mutable globals of the tree: globals.txt.
static struct log_state {
	pthread_mutex_t lock;
	enum log_level threshold;
	unsigned area_count;
	struct {
		char name[LOG_AREA_MAX];
		enum log_level level;
	} areas[LOG_AREAS_MAX];
	char identifier[40];
	int journal; // -1 = none
	log_sink_fn sink;
	void *sink_arg;
	double left; // lines that may be written now
	uint64_t filled_us, dropped, told_dropped;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.threshold = LOG_LEVEL_INFO,
	.journal = -1,
	.left = LOG_BURST};

static const char *const level_names[] = {[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug"};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_parse(const char *text, enum log_level *level)
{
	for (unsigned i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void log_set_level(enum log_level level)
{
	state.threshold = level;
}

static int area_index(const char *area)
{
	for (unsigned i = 0; i < state.area_count; i++)
		if (strcmp(state.areas[i].name, area) == 0)
			return (int)i;
	return -1;
}

bool log_set_area_level(const char *area, enum log_level level)
{
	int at;

	pthread_mutex_lock(&state.lock);
	at = area_index(area);
	if (at < 0 && state.area_count < LOG_AREAS_MAX && strlen(area) < LOG_AREA_MAX) {
		at = (int)state.area_count++;
		strcpy(state.areas[at].name, area);
	}
	if (at >= 0)
		state.areas[at].level = level;
	pthread_mutex_unlock(&state.lock);
	return at >= 0;
}

void log_reset_area_level(const char *area)
{
	int at;

	pthread_mutex_lock(&state.lock);
	at = area_index(area);
	if (at >= 0)
		state.areas[at] = state.areas[--state.area_count];
	pthread_mutex_unlock(&state.lock);
}

enum log_level log_level_of(const char *area)
{
	enum log_level level;
	int at;

	pthread_mutex_lock(&state.lock);
	at = area_index(area);
	level = at < 0 ? state.threshold : state.areas[at].level;
	pthread_mutex_unlock(&state.lock);
	return level;
}

const char *log_area(unsigned i)
{
	return i < state.area_count ? state.areas[i].name : NULL;
}

uint64_t log_dropped(void)
{
	return state.dropped;
}

void log_set_sink(log_sink_fn sink, void *arg)
{
	state.sink = sink;
	state.sink_arg = arg;
}

int log_to_journal(const char *socket_path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", socket_path);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	if (state.journal >= 0)
		close(state.journal);
	state.journal = fd;
	return 0;
}

void log_start(const char *identifier)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat info;

	snprintf(state.identifier, sizeof(state.identifier), "%s", identifier);
	if (stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		fstat(STDERR_FILENO, &info) == 0 && info.st_dev == device && info.st_ino == inode)
		(void)log_to_journal(JOURNAL_SOCKET);
}

// One datagram of NAME=value lines; ours have no line ends. A journal that is busy or gone does not
// hold us up: the line goes to standard error then.
static bool write_journal(const struct log_line *line)
{
	struct iovec parts[4 * FIELDS_MAX];
	struct msghdr message = {.msg_iov = parts};
	char head[120];
	size_t count = 0;

	snprintf(head, sizeof(head),
		"PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nSLUICE_AREA=%s\nMESSAGE=", (int)line->level,
		state.identifier, line->area);
	parts[count++] = (struct iovec){head, strlen(head)};
	parts[count++] = (struct iovec){(void *)(uintptr_t)line->text, strlen(line->text)};
	parts[count++] = (struct iovec){(void *)(uintptr_t) "\n", 1};
	for (unsigned i = 0; line->fields && line->fields[i].name && i < FIELDS_MAX - 2; i++) {
		const struct log_field *field = &line->fields[i];

		if (strchr(field->value, '\n'))
			continue;
		parts[count++] =
			(struct iovec){(void *)(uintptr_t)field->name, strlen(field->name)};
		parts[count++] = (struct iovec){(void *)(uintptr_t) "=", 1};
		parts[count++] =
			(struct iovec){(void *)(uintptr_t)field->value, strlen(field->value)};
		parts[count++] = (struct iovec){(void *)(uintptr_t) "\n", 1};
	}
	message.msg_iovlen = count;
	return sendmsg(state.journal, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static void write_stderr(const struct log_line *line)
{
	char text[LOG_LINE_MAX + 100];
	int n;

	if (isatty(STDERR_FILENO)) {
		time_t now = time(NULL);
		struct tm tm;

		localtime_r(&now, &tm);
		n = (int)strftime(text, sizeof(text), "%H:%M:%S ", &tm);
	} else {
		n = snprintf(text, sizeof(text), "<%d>", (int)line->level);
	}
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%s: %s\n", line->area, line->text);
	// One write, so that lines of the two processes never mix.
	(void)!write(STDERR_FILENO, text, (size_t)n);
}

static void deliver(const struct log_line *line)
{
	if (state.journal < 0 || !write_journal(line))
		write_stderr(line);
	if (state.sink)
		state.sink(state.sink_arg, line);
}

static uint64_t clock_us(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// May one more line be written? Tells first what had to be dropped, once it may be told.
static bool has_room(void)
{
	uint64_t now = clock_us(CLOCK_MONOTONIC), untold;
	char text[80];

	if (state.filled_us)
		state.left += (double)(now - state.filled_us) * LOG_RATE / 1e6;
	if (state.left > LOG_BURST)
		state.left = LOG_BURST;
	state.filled_us = now;
	if (state.left < 1) {
		state.dropped++;
		return false;
	}
	untold = state.dropped - state.told_dropped;
	if (untold && state.left >= 2) {
		struct log_line line = {
			clock_us(CLOCK_REALTIME), LOG_LEVEL_WARNING, "log", text, NULL};

		snprintf(text, sizeof(text), "%llu lines were dropped: more than %d a second",
			(unsigned long long)untold, LOG_RATE);
		state.told_dropped = state.dropped;
		state.left--;
		deliver(&line);
	}
	state.left--;
	return true;
}

static void write_line(enum log_level level, const char *area, const struct log_field *fields,
	const char *format, va_list args) // house: as the two below
{
	struct log_line line = {0, level, area, NULL, fields};
	char text[LOG_LINE_MAX];

	vsnprintf(text, sizeof(text), format, args);
	for (char *at = text; *at; at++)
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	pthread_mutex_lock(&state.lock);
	if (has_room()) {
		line.realtime_us = clock_us(CLOCK_REALTIME);
		line.text = text;
		deliver(&line);
	}
	pthread_mutex_unlock(&state.lock);
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
	va_list args;

	if (level > log_level_of(area))
		return;
	va_start(args, format);
	write_line(level, area, NULL, format, args);
	va_end(args);
}

void log_write_fields(enum log_level level, const char *area, const struct log_field *fields,
	const char *format, ...)
{
	va_list args;

	if (level > log_level_of(area))
		return;
	va_start(args, format);
	write_line(level, area, fields, format, args);
	va_end(args);
}
