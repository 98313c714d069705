// SPDX-License-Identifier: BSD-3-Clause
#include "decode_field.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_problem(const struct field *in, unsigned line, const char *text, bool warning)
{
	struct decode *d = in->decode;
	struct model_problem *problem;

	if (d->problem_count >= DECODE_PROBLEMS_MAX)
		return;
	d->problems = arena_grow(&d->arena, d->problems, d->problem_count, sizeof(*d->problems));
	if (!d->problems)
		return; // the arena remembers
	problem = &d->problems[d->problem_count++];
	problem->object = d->object_text;
	problem->where =
		line ? arena_format(&d->arena, "%s:%u", d->origin, line) : ""; // not of a file
	problem->text = d->problem_count == DECODE_PROBLEMS_MAX
				? "more problems in this file are not listed"
				: text;
	problem->warning = warning;
}

void field_wrong(
	const struct field *in, const struct tree *found, const char *key, const char *expected)
{
	struct decode *d = in->decode;
	char buf[96];
	const struct tree *at = found ? found : in->map;

	d->mistakes++;
	add_problem(in,
		at           ? at->line
		: in->object ? in->object->line
			     : 1,
		arena_format(&d->arena, "%s%s%s: found %s, expected %s", in->path,
			*in->path && *key && *key != '[' ? "." : "", key,
			tree_found(found, buf, sizeof(buf)), expected),
		false);
}

void field_mistake(const struct field *in, unsigned line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	in->decode->mistakes++;
	add_problem(in, line, arena_copy(&in->decode->arena, text), false);
}

void field_warn(const struct field *in, unsigned line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add_problem(in, line, arena_copy(&in->decode->arena, text), true);
}

void field_text(const struct field *in, const char *key, const char **out)
{
	const struct tree *tree = tree_get(in->map, key);

	if (!tree)
		return;
	if (tree->kind != TREE_TEXT) {
		field_wrong(in, tree, key,
			tree->kind == TREE_LIST || tree->kind == TREE_MAP
				? "a text"
				: "a text: put it in quotes");
		return;
	}
	*out = in->object ? arena_copy(&in->object->arena, tree->text) : tree->text;
	if (!*out)
		*out = ""; // the arena remembers
}

void field_number(
	const struct field *in, const char *key, int64_t least, int64_t most, int64_t *out)
{
	const struct tree *tree = tree_get(in->map, key);
	char expected[80];
	int64_t value;

	if (!tree)
		return;
	if (tree_integer(tree, &value) && value >= least && value <= most) {
		*out = value;
		return;
	}
	snprintf(expected, sizeof(expected), "a number from %lld to %lld", (long long)least,
		(long long)most);
	field_wrong(in, tree, key, expected);
}

void field_bool(const struct field *in, const char *key, bool *out)
{
	const struct tree *tree = tree_get(in->map, key);

	if (!tree)
		return;
	if (tree->kind != TREE_BOOL)
		field_wrong(in, tree, key, "true or false");
	else // true, yes, on: the second letter of "on" is no f
		*out = strchr("tTyY", tree->text[0]) || strcasecmp(tree->text, "on") == 0;
}

void field_choice(const struct field *in, const char *key, const char *const *names, unsigned *out)
{
	const struct tree *tree = tree_get(in->map, key);
	char expected[256];
	size_t n = 0;

	if (!tree)
		return;
	for (unsigned i = 0; names[i]; i++) {
		if (tree->kind == TREE_TEXT && strcmp(tree->text, names[i]) == 0) {
			*out = i;
			return;
		}
		if (*names[i])
			n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%s%s",
				n ? ", " : "one of ", names[i]);
	}
	field_wrong(in, tree, key, expected);
}

static const struct tree *field_of(
	const struct field *in, const char *key, enum tree_kind kind, const char *expected)
{
	const struct tree *tree = tree_get(in->map, key);

	if (!tree || tree->kind == kind)
		return tree;
	field_wrong(in, tree, key, expected);
	return NULL;
}

const struct tree *field_map(const struct field *in, const char *key)
{
	return field_of(in, key, TREE_MAP, "a map");
}

const struct tree *field_list(const struct field *in, const char *key)
{
	return field_of(in, key, TREE_LIST, "a list");
}

void field_protocol(const struct field *in, const char *key, uint8_t *out)
{
	static const char *const names[] = {"TCP", "UDP", "SCTP", NULL};
	static const uint8_t numbers[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	unsigned choice = sizeof(numbers);

	field_choice(in, key, names, &choice);
	if (choice < sizeof(numbers))
		*out = numbers[choice];
}

static bool name_is(const char *name, size_t most, const char *letters)
{
	size_t n = strspn(name, letters);

	return n > 0 && n <= most && name[n] == '\0' && !strchr("-.", name[0]) &&
	       !strchr("-.", name[n - 1]);
}

bool name_is_label(const char *name)
{
	return name_is(name, 63, "abcdefghijklmnopqrstuvwxyz0123456789-");
}

bool name_is_subdomain(const char *name)
{
	return name_is(name, 253, "abcdefghijklmnopqrstuvwxyz0123456789-.");
}
