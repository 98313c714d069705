// SPDX-License-Identifier: BSD-3-Clause
// Lines that fit the screen, broken between words. See table.h.
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INDENT 15
#define MORE   "..."
#define NARROW 40 // columns; on less, nothing is broken

// Of the terminal; where there is none, as many as there may be.
static size_t screen_columns(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < NARROW)
		return SIZE_MAX;
	return size.ws_col;
}

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

// How many bytes of the text fit, with what a cut needs behind them; a whole word if there is one.
static size_t fitting(const char *text, size_t columns, bool cut)
{
	size_t room = columns - (cut ? strlen(MORE) : 0), used = 0, i = 0, word = 0;

	for (; text[i] && used <= room; i++) {
		if (text[i] == ' ')
			word = i;
		used += starts_character(text[i]);
	}
	if (used <= room)
		return i;
	for (i--; i && !starts_character(text[i]); i--)
		;
	return word ? word : i;
}

void print_fitted(FILE *out, unsigned most, const char *format, ...)
{
	size_t columns = screen_columns(), room = columns, length;
	char *text, *at;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	at = text;
	for (unsigned line = 1; at; line++) {
		bool is_whole = strlen(at) <= room || fitting(at, room, false) == strlen(at);

		length = is_whole ? strlen(at) : fitting(at, room, line == most);
		fprintf(out, "%*s%.*s%s\n", line > 1 ? INDENT : 0, "", (int)length, at,
			is_whole || line < most ? "" : MORE);
		if (is_whole || line == most)
			break;
		at += length;
		at += *at == ' ';
		room = columns - INDENT;
	}
	free(text);
}
