// SPDX-License-Identifier: BSD-3-Clause
#include "text_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM_FIRST  4096
#define ROOM_FILE   262144 // with a file
#define KEPT        16     // of it, as what comes depends on what stands before
#define NUMBER_TEXT 20

bool text_write(int file, const char *bytes, size_t count)
{
	while (count) {
		ssize_t n = write(file, bytes, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		count -= (size_t)n;
	}
	return true;
}

static void spill(struct text *text)
{
	size_t count = text->length - KEPT;

	if (!text_write(text->file, text->bytes, count))
		text->failed = true;
	memmove(text->bytes, text->bytes + count, KEPT);
	text->length = KEPT;
}

void text_drop(struct text *text)
{
	if (text->file && (ftruncate(text->file, 0) || lseek(text->file, 0, SEEK_SET)))
		text->failed = true;
	free(text->bytes);
	text->bytes = NULL;
	text->length = text->room = 0;
}

static char *grow(struct text *text, size_t count)
{
	size_t room = text->room ? text->room : ROOM_FIRST;
	char *grown;

	if (text->file && text->room >= ROOM_FILE && text->length > KEPT) {
		spill(text);
		if (text->length + count < room)
			return text->bytes + text->length;
	}
	while (text->length + count >= room)
		room *= 2;
	grown = text->failed ? NULL : realloc(text->bytes, room);
	if (!grown) {
		text->failed = true;
		return NULL;
	}
	text->bytes = grown;
	text->room = room;
	return grown + text->length;
}

// Place for `count` more bytes and a zero.
static inline char *make_room(struct text *text, size_t count)
{
	if (text->length + count < text->room)
		return text->bytes + text->length;
	return grow(text, count);
}

void text_bytes(struct text *text, const char *bytes, size_t count)
{
	char *at = make_room(text, count);

	if (!at)
		return;
	memcpy(at, bytes, count);
	at[count] = '\0';
	text->length += count;
}

void text_put(struct text *text, const char *string)
{
	text_bytes(text, string, strlen(string));
}

static char *put_number(char *at, uint64_t number)
{
	char digits[NUMBER_TEXT];
	unsigned first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	memcpy(at, digits + first, sizeof(digits) - first);
	return at + sizeof(digits) - first;
}

static void end_at(struct text *text, char *at)
{
	*at = '\0';
	text->length = (size_t)(at - text->bytes);
}

void text_number(struct text *text, uint64_t number)
{
	char *at = make_room(text, NUMBER_TEXT);

	if (at)
		end_at(text, put_number(at, number));
}

void text_format(struct text *text, const char *format, ...)
{
	char line[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (length > 0)
		text_bytes(text, line,
			(size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

static char last(const struct text *text)
{
	return text->length ? text->bytes[text->length - 1] : '[';
}

// Before an item of a list; a member's value follows its colon.
static bool is_first(const struct text *text)
{
	char before = last(text);

	return before == '[' || before == '{' || before == ':';
}

void text_separate(struct text *text)
{
	if (!is_first(text))
		text_bytes(text, ",", 1);
}

void text_open(struct text *text, char bracket)
{
	text_separate(text);
	text_bytes(text, &bracket, 1);
}

void text_close(struct text *text, char bracket)
{
	text_bytes(text, &bracket, 1);
}

// With place for a number behind it. NULL: there is none.
static char *put_key(struct text *text, const char *name)
{
	size_t length = strlen(name);
	char *at = make_room(text, length + 4 + NUMBER_TEXT);

	if (!at)
		return NULL;
	if (!is_first(text))
		*at++ = ',';
	*at++ = '"';
	memcpy(at, name, length);
	at += length;
	*at++ = '"';
	*at++ = ':';
	return at;
}

void text_key(struct text *text, const char *name)
{
	char *at = put_key(text, name);

	if (at)
		end_at(text, at);
}

// How many bytes the UTF-8 character at `at` has; 0 = it is none.
static unsigned utf8_length(const unsigned char *at)
{
	unsigned length = at[0] < 0x80   ? 1
			  : at[0] < 0xc2 ? 0
			  : at[0] < 0xe0 ? 2
			  : at[0] < 0xf0 ? 3
			  : at[0] < 0xf5 ? 4
					 : 0;

	for (unsigned i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
		(at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

static void escape(struct text *text, unsigned char byte)
{
	if (byte == '"' || byte == '\\')
		text_format(text, "\\%c", byte);
	else if (byte < 0x20)
		text_format(text, "\\u%04x", byte);
	else
		text_bytes(text, "?", 1);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

// Is one of the eight less than a space, a quote, a backslash, or none of ASCII?
static bool is_odd(uint64_t eight)
{
	uint64_t quote = eight ^ EACH('"'), backslash = eight ^ EACH('\\');

	return (((eight - EACH(' ')) | (quote - EACH(1)) | (backslash - EACH(1)) | eight) &
		       EACH(0x80)) != 0;
}

// How many bytes from the beginning on stand for themselves. Sees a byte too few here and there.
static size_t plain_length(const char *string, size_t length)
{
	uint64_t eight;
	size_t i = 0;

	for (; length - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, string + i, sizeof(eight));
		if (is_odd(eight))
			return i;
	}
	return i;
}

// What stands for itself, and what does not, to the string's end.
static void put_escaped(struct text *text, const char *string)
{
	const unsigned char *at = (const unsigned char *)string, *plain = at;

	while (*at) {
		unsigned length;

		if (*at < 0x20 || *at == '"' || *at == '\\')
			length = 0;
		else
			length = *at < 0x80 ? 1 : utf8_length(at);
		if (length) {
			at += length;
			continue;
		}
		text_bytes(text, (const char *)plain, (size_t)(at - plain));
		escape(text, *at);
		plain = ++at;
	}
	text_bytes(text, (const char *)plain, (size_t)(at - plain));
}

void text_string(struct text *text, const char *string)
{
	size_t length, plain;
	char *at;

	text_separate(text);
	if (!string) {
		text_put(text, "null");
		return;
	}
	length = strlen(string);
	plain = plain_length(string, length);
	at = make_room(text, plain + 1);
	if (!at)
		return;
	*at++ = '"';
	memcpy(at, string, plain);
	end_at(text, at + plain);
	put_escaped(text, string + plain);
	text_bytes(text, "\"", 1);
}

void text_strings(struct text *text, char *const *strings, unsigned count)
{
	text_open(text, '[');
	for (unsigned i = 0; i < count; i++)
		text_string(text, strings[i]);
	text_close(text, ']');
}

void text_key_string(struct text *text, const char *name, const char *string)
{
	text_key(text, name);
	text_string(text, string);
}

void text_key_number(struct text *text, const char *name, uint64_t number)
{
	char *at = put_key(text, name);

	if (at)
		end_at(text, put_number(at, number));
}

void text_key_null(struct text *text, const char *name)
{
	text_key(text, name);
	text_put(text, "null");
}

void text_key_addr(struct text *text, const char *name, const struct addr *addr)
{
	char word[ADDR_TEXT];

	text_key_string(text, name, addr_format(addr, word));
}
