// SPDX-License-Identifier: BSD-3-Clause
#include "reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reason_add(struct reason *reason, const char *format, ...)
{
	va_list args;
	char *line;
	char *text;
	int n;

	reason->count++;
	va_start(args, format);
	n = vasprintf(&line, format, args);
	va_end(args);
	if (n < 0)
		return;
	text = realloc(reason->text, reason->length + (size_t)n + 2);
	if (text) {
		if (reason->length)
			text[reason->length++] = '\n';
		memcpy(text + reason->length, line, (size_t)n + 1);
		reason->length += (size_t)n;
		reason->text = text;
	}
	free(line);
}

const char *reason_text(const struct reason *reason)
{
	return reason->text ? reason->text : "";
}

void reason_clear(struct reason *reason)
{
	free(reason->text);
	*reason = (struct reason){0};
}
