// SPDX-License-Identifier: BSD-3-Clause
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The log level is one of the two mutable globals of the tree; the stop flags are the other.
static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
	char line[2048];
	va_list args;
	int n;

	if (level > threshold)
		return;
	if (isatty(STDERR_FILENO)) {
		time_t now = time(NULL);
		struct tm tm;

		localtime_r(&now, &tm);
		n = (int)strftime(line, sizeof(line), "%H:%M:%S ", &tm);
	} else {
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	}
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s: ", area);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	for (int i = 0; i < n; i++)
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	line[n++] = '\n';
	// One write, so that lines of the two processes never mix.
	(void)!write(STDERR_FILENO, line, (size_t)n);
}
