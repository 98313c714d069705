// SPDX-License-Identifier: BSD-3-Clause
#include "rows.h"

#include <string.h>

static void skip_space(struct rows *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t'))
		r->at++;
}

static bool take(struct rows *r, char wanted)
{
	skip_space(r);
	if (r->at == r->end || *r->at != wanted)
		return false;
	r->at++;
	return true;
}

static int hex4(const char *at)
{
	int value = 0;

	for (unsigned i = 0; i < 4; i++) {
		char c = at[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

// The escape at r->at, after its backslash, put at *out. False: it is none of the API's.
static bool take_escape(struct rows *r, char **out)
{
	int value;

	if (r->at == r->end)
		return false;
	switch (*r->at) {
	case '"':
	case '\\':
	case '/':
		*(*out)++ = *r->at++;
		return true;
	case 'u':
		value = r->end - r->at > 4 ? hex4(r->at + 1) : -1;
		if (value < 1 || value > 0x7f)
			return false;
		*(*out)++ = (char)value;
		r->at += 5;
		return true;
	default:
		return false;
	}
}

// A text; the byte of its closing quote becomes its zero. NULL: there is none.
static char *take_text(struct rows *r, size_t *length)
{
	char *start, *out;

	if (!take(r, '"'))
		return NULL;
	start = r->at;
	while (r->at < r->end && *r->at != '"' && *r->at != '\\')
		r->at++;
	out = r->at;
	while (r->at < r->end && *r->at != '"') {
		if (*r->at == '\\') {
			r->at++;
			if (!take_escape(r, &out))
				return NULL;
		} else {
			*out++ = *r->at++;
		}
	}
	if (r->at == r->end)
		return NULL;
	r->at++;
	*out = '\0';
	*length = (size_t)(out - start);
	return start;
}

// A list of texts as one, which is no longer than the list. NULL: it is none.
static char *take_list(struct rows *r, size_t *whole)
{
	char *start = r->at, *out = start;

	for (bool first = true; !take(r, ']'); first = false) {
		const char *text;
		size_t length;

		if (!first && !take(r, ','))
			return NULL;
		text = take_text(r, &length);
		if (!text)
			return NULL;
		if (!first) {
			*out++ = ',';
			*out++ = ' ';
		}
		memmove(out, text, length);
		out += length;
	}
	*out = '\0';
	*whole = (size_t)(out - start);
	return start;
}

static bool take_word(struct rows *r, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
		return false;
	r->at += length;
	return true;
}

static bool take_value(struct rows *r, struct row_field *field)
{
	skip_space(r);
	if (r->at == r->end)
		return false;
	if (*r->at == '"') {
		field->text = take_text(r, &field->length);
		return field->text;
	}
	if (take(r, '[')) {
		field->text = take_list(r, &field->length);
		return field->text;
	}
	if (*r->at < '0' || *r->at > '9') {
		field->is_true = take_word(r, "true");
		return field->is_true || take_word(r, "null") || take_word(r, "false");
	}
	field->number = 0;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		field->number = field->number * 10 + (uint64_t)(*r->at++ - '0');
	field->is_number = true;
	return true;
}

const char *row_field_text(const struct row_field *field)
{
	return field->text && *field->text ? field->text : "-";
}

bool rows_begin(struct rows *rows, char *bytes, size_t length, const char *noun)
{
	const char *name;
	size_t named;

	*rows = (struct rows){bytes, bytes + length};
	if (!take(rows, '{') || !(name = take_text(rows, &named)) || strcmp(name, noun) != 0)
		return false;
	return take(rows, ':') && take(rows, '[');
}

// Members come in an order: the one after the last is looked at first.
static struct row_field *find(
	struct row_field *fields, unsigned count, const char *name, unsigned *next)
{
	for (unsigned k = 0; k < count; k++) {
		unsigned i = (*next + k) % count;

		if (strcmp(fields[i].name, name) == 0) {
			*next = i + 1;
			return &fields[i];
		}
	}
	return NULL;
}

struct members { // of a row
	struct row_field *fields;
	unsigned count, next;
};

// To the closing bracket. An object among them is read as if its members stood here.
static bool take_members(struct rows *r, struct members *members, bool nested)
{
	struct row_field ignored, *field;
	const char *name;
	size_t length;

	while (!take(r, '}')) {
		take(r, ',');
		name = take_text(r, &length);
		if (!name || !take(r, ':'))
			return false;
		if (!nested && take(r, '{')) {
			if (!take_members(r, members, true))
				return false;
			continue;
		}
		field = find(members->fields, members->count, name, &members->next);
		if (!take_value(r, field ? field : &ignored))
			return false;
	}
	return true;
}

bool rows_next(struct rows *rows, struct row_field *fields, unsigned count)
{
	struct members members = {fields, count, 0};

	for (unsigned i = 0; i < count; i++) {
		fields[i].text = NULL;
		fields[i].length = 0;
		fields[i].is_number = fields[i].is_true = false;
	}
	take(rows, ',');
	return take(rows, '{') && take_members(rows, &members, false);
}

const char *rows_text(struct rows *rows, const char *name)
{
	struct row_field field = {.name = name};
	const char *member;
	size_t length;

	if (!take(rows, ']'))
		return NULL;
	while (take(rows, ',')) {
		member = take_text(rows, &length);
		field.text = NULL;
		if (!member || !take(rows, ':') || !take_value(rows, &field))
			return NULL;
		if (strcmp(member, name) == 0)
			return field.text;
	}
	return NULL;
}
