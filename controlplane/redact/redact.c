// SPDX-License-Identifier: BSD-3-Clause
#include "redact.h"

#include "redact_internal.h"

#include <stdlib.h>
#include <string.h>

#define BASE 0x01000193u

struct needle {
	char *bytes;
	size_t length;
	uint32_t hash; // of its first REDACT_WINDOW bytes
};

struct redact {
	struct needle *list; // those of REDACT_WINDOW bytes and more
	unsigned count, room;
	unsigned *slots; // of a table by hash, twice as large as `room`: positions in the list,
			 // plus 1
	struct needle shorter[REDACT_SHORTER];
	unsigned shorter_count;
};

struct redact *redact_new(void)
{
	return calloc(1, sizeof(struct redact));
}

static void needle_free(struct needle *needle)
{
	if (needle->bytes)
		explicit_bzero(needle->bytes, needle->length);
	free(needle->bytes);
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->count; i++)
		needle_free(&r->list[i]);
	for (unsigned i = 0; i < r->shorter_count; i++)
		needle_free(&r->shorter[i]);
	free(r->list);
	free(r->slots);
	free(r);
}

static uint32_t hash_window(const char *bytes)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < REDACT_WINDOW; i++)
		hash = hash * BASE + (uint8_t)bytes[i];
	return hash;
}

static unsigned first_slot(const struct redact *r, uint32_t hash)
{
	return (hash * 0x9e3779b1u >> 7) % (2 * r->room);
}

static void place(struct redact *r, unsigned at)
{
	unsigned slot = first_slot(r, r->list[at].hash);

	while (r->slots[slot])
		slot = (slot + 1) % (2 * r->room);
	r->slots[slot] = at + 1;
}

static bool make_room(struct redact *r)
{
	unsigned room = r->room ? 2 * r->room : 64;
	struct needle *list;
	unsigned *slots;

	if (r->count < r->room)
		return true;
	list = realloc(r->list, room * sizeof(*list));
	if (!list)
		return false;
	r->list = list;
	slots = calloc((size_t)2 * room, sizeof(*slots));
	if (!slots)
		return false;
	free(r->slots);
	r->slots = slots;
	r->room = room;
	for (unsigned i = 0; i < r->count; i++)
		place(r, i);
	return true;
}

// The needle at the text, or NULL.
static const struct needle *find(
	const struct redact *r, uint32_t hash, const char *text, size_t left)
{
	const struct needle *found = NULL;

	for (unsigned slot = first_slot(r, hash); r->slots[slot];
		slot = (slot + 1) % (2 * r->room)) {
		const struct needle *needle = &r->list[r->slots[slot] - 1];

		if (needle->hash == hash && needle->length <= left &&
			(!found || needle->length > found->length) &&
			memcmp(needle->bytes, text, needle->length) == 0)
			found = needle;
	}
	return found;
}

static bool add_line(struct redact *r, const char *line, size_t length)
{
	struct needle needle = {.length = length};

	while (length && (*line == ' ' || *line == '\t'))
		line++, length--;
	while (length && strchr(" \t\r", line[length - 1]))
		length--;
	needle.length = length;
	if (length < REDACT_MIN)
		return true;
	if (length < REDACT_WINDOW) {
		for (unsigned i = 0; i < r->shorter_count; i++)
			if (r->shorter[i].length == length &&
				memcmp(r->shorter[i].bytes, line, length) == 0)
				return true;
		if (r->shorter_count == REDACT_SHORTER)
			return false;
	} else {
		if (!make_room(r))
			return false;
		needle.hash = hash_window(line);
		for (const struct needle *same = find(r, needle.hash, line, length);
			same && same->length == length;)
			return true;
	}
	needle.bytes = malloc(length);
	if (!needle.bytes)
		return false;
	memcpy(needle.bytes, line, length);
	if (length < REDACT_WINDOW) {
		r->shorter[r->shorter_count++] = needle;
	} else {
		r->list[r->count++] = needle;
		place(r, r->count - 1);
	}
	return true;
}

// As it stands in JSON, where that is another text.
static bool add_escaped(struct redact *r, const char *line, size_t length)
{
	char *escaped = malloc(2 * length + 1);
	bool ok = true;
	size_t n = 0;

	if (!escaped)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '"' || line[i] == '\\')
			escaped[n++] = '\\';
		escaped[n++] = line[i];
	}
	if (n != length)
		ok = add_line(r, escaped, n);
	explicit_bzero(escaped, n);
	free(escaped);
	return ok;
}

bool redact_add(struct redact *r, const char *secret, size_t length)
{
	bool pem = memmem(secret, length, "-----BEGIN ", 11) != NULL, within = false, ok = true;
	const char *end = secret + length;

	while (secret < end) {
		const char *next = memchr(secret, '\n', (size_t)(end - secret));
		size_t n = (size_t)((next ? next : end) - secret);

		if (pem && n > 10 && memcmp(secret, "-----", 5) == 0)
			within = memmem(secret, n, "BEGIN", 5) &&
				 memmem(secret, n, "PRIVATE KEY", 11);
		else if (!pem || within)
			ok &= add_line(r, secret, n) && add_escaped(r, secret, n);
		secret += n + 1;
	}
	return ok;
}

void marks_hide(struct marks *marks, size_t from, size_t to)
{
	if (to > marks->length)
		to = marks->length;
	if (from < to)
		memset(marks->hidden + from, 1, to - from);
}

// A window's hash moves on by a byte.
static void mark_long(const struct redact *r, struct marks *marks)
{
	const char *text = marks->text;
	uint32_t hash, first = 1;

	if (!r->count || marks->length < REDACT_WINDOW)
		return;
	for (unsigned i = 1; i < REDACT_WINDOW; i++)
		first *= BASE;
	hash = hash_window(text);
	for (size_t at = 0;; at++) {
		const struct needle *needle = find(r, hash, text + at, marks->length - at);

		if (needle)
			marks_hide(marks, at, at + needle->length);
		if (at + REDACT_WINDOW >= marks->length)
			return;
		hash = (hash - (uint8_t)text[at] * first) * BASE +
		       (uint8_t)text[at + REDACT_WINDOW];
	}
}

static void mark_short(const struct needle *needle, struct marks *marks)
{
	const char *at = marks->text, *end = at + marks->length;

	while ((at = memmem(at, (size_t)(end - at), needle->bytes, needle->length))) {
		size_t from = (size_t)(at - marks->text);

		marks_hide(marks, from, from + needle->length);
		at++;
	}
}

static char *write_left(const struct marks *marks, size_t *left_length)
{
	size_t size = 1, n = 0;
	char *left;

	for (size_t i = 0; i < marks->length; i++)
		size += marks->hidden[i] ? (i == 0 || !marks->hidden[i - 1]) * strlen(REDACTED) : 1;
	left = malloc(size);
	if (!left)
		return NULL;
	for (size_t i = 0; i < marks->length; i++) {
		if (!marks->hidden[i]) {
			left[n++] = marks->text[i];
		} else if (i == 0 || !marks->hidden[i - 1]) {
			memcpy(left + n, REDACTED, strlen(REDACTED));
			n += strlen(REDACTED);
		}
	}
	left[n] = '\0';
	*left_length = n;
	return left;
}

char *redact_text(const struct redact *r, const char *text, size_t length, size_t *left_length)
{
	struct marks marks = {text, length, calloc(length + 1, 1)};
	char *left = NULL;

	if (!marks.hidden)
		return NULL;
	if (r)
		mark_long(r, &marks);
	for (unsigned i = 0; r && i < r->shorter_count; i++)
		mark_short(&r->shorter[i], &marks);
	pattern_mark(&marks);
	left = write_left(&marks, left_length);
	free(marks.hidden);
	return left;
}
