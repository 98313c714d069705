// SPDX-License-Identifier: BSD-3-Clause
// What a row says of its answer, as a schema of OpenAPI's. The text is ours, and right; see
// api_answer.h.
#include "api_internal.h"

#include <string.h>

static const char *type(struct text *text, const char *at);

// Behind the type that begins here.
static const char *skip_type(const char *at)
{
	unsigned depth = 0;

	for (; *at; at++) {
		if (!depth && strchr(",]}", *at))
			break;
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
	}
	return at;
}

struct member {
	char name[40];
	bool optional;
	const char *type; // NULL: a text
};

// The next one; false: there are no more, and `at` stands behind the object.
static bool next_member(const char **at, struct member *member)
{
	size_t n;

	*at += strspn(*at, "{, ");
	if (**at == '}' || !**at) {
		*at += **at == '}';
		return false;
	}
	n = strcspn(*at, "?:,}");
	snprintf(member->name, sizeof(member->name), "%.*s", (int)n, *at);
	*at += n;
	member->optional = **at == '?';
	*at += member->optional;
	member->type = NULL;
	if (**at == ':')
		member->type = *at + 1 + strspn(*at + 1, " ");
	*at = skip_type(*at);
	return true;
}

static const char *object(struct text *text, const char *at)
{
	struct member member;
	const char *from = at;
	bool needed = false;

	text_key_string(text, "type", "object");
	text_key(text, "properties");
	text_open(text, '{');
	while (next_member(&at, &member)) {
		text_key(text, member.name);
		text_open(text, '{');
		type(text, member.type ? member.type : "text");
		text_close(text, '}');
		needed |= !member.optional;
	}
	text_close(text, '}');
	if (!needed)
		return at;
	text_key(text, "required");
	text_open(text, '[');
	while (next_member(&from, &member))
		if (!member.optional)
			text_string(text, member.name);
	text_close(text, ']');
	return at;
}

static const char *type(struct text *text, const char *at)
{
	size_t n = strcspn(at, "?,]}");

	if (*at == '{') {
		at = object(text, at);
	} else if (*at == '[') {
		text_key_string(text, "type", "array");
		text_key(text, "items");
		text_open(text, '{');
		at = type(text, at + 1) + 1;
		text_close(text, '}');
	} else {
		if (strncmp(at, "text", n) == 0)
			text_key_string(text, "type", "string");
		else if (strncmp(at, "number", n) == 0)
			text_key_string(text, "type", "number");
		else if (strncmp(at, "bool", n) == 0)
			text_key_string(text, "type", "boolean");
		at += n;
	}
	if (*at == '?') {
		text_key(text, "nullable");
		text_put(text, "true");
		at++;
	}
	return at;
}

void api_answer_schema(struct text *text, const char *answer)
{
	text_open(text, '{');
	type(text, answer);
	text_close(text, '}');
}
