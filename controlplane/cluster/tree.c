// SPDX-License-Identifier: BSD-3-Clause
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct tree *tree_get(const struct tree *map, const char *key)
{
	if (!map || map->kind != TREE_MAP)
		return NULL;
	for (unsigned i = 0; i < map->count; i++)
		if (strcmp(map->members[i].key, key) == 0)
			return map->members[i].value->kind == TREE_NULL ? NULL
									: map->members[i].value;
	return NULL;
}

bool tree_integer(const struct tree *tree, int64_t *value)
{
	const char *digits = tree->text;
	long long number;
	char *end;
	int base = 10;

	if (tree->kind != TREE_INTEGER)
		return false;
	if (*digits == '+' || *digits == '-')
		digits++;
	if (digits[0] == '0' && digits[1] == 'x')
		base = 16;
	else if (digits[0] == '0' && digits[1] == 'o')
		return false; // of YAML 1.2, which Kubernetes does not read either
	else if (digits[0] == '0')
		base = 8;
	errno = 0;
	number = strtoll(tree->text, &end, base);
	if (errno || *end)
		return false;
	*value = number;
	return true;
}

const char *tree_found(const struct tree *tree, char *buf, size_t size)
{
	const char *text = "nothing";

	if (tree) {
		switch (tree->kind) {
		case TREE_NULL:
			text = "null";
			break;
		case TREE_LIST:
			text = "a list";
			break;
		case TREE_MAP:
			text = "a map";
			break;
		case TREE_TEXT:
			snprintf(buf, size, "\"%.80s\"", tree->text);
			return buf;
		case TREE_BOOL:
		case TREE_INTEGER:
		case TREE_REAL:
			snprintf(buf, size, "%.80s", tree->text);
			return buf;
		}
	}
	snprintf(buf, size, "%s", text);
	return buf;
}

static bool is_among(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static bool is_integer(const char *text)
{
	size_t n;

	if (*text == '+' || *text == '-')
		text++;
	if (text[0] == '0' && text[1] == 'x')
		n = 2 + strspn(text + 2, "0123456789abcdefABCDEF");
	else
		n = strspn(text, "0123456789");
	return n > 0 && text[n] == '\0' && strcmp(text, "0x") != 0;
}

static bool is_real(const char *text)
{
	char *end;

	// strtod() also takes "inf", "nan" and hexadecimal, which YAML does not.
	if (text[strspn(text, "+-.0123456789eE")] != '\0' || !strpbrk(text, "0123456789"))
		return false;
	(void)strtod(text, &end);
	return *end == '\0';
}

enum tree_kind tree_plain_kind(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE",
		"yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", NULL};

	if (is_among(text, nulls))
		return TREE_NULL;
	if (is_among(text, bools))
		return TREE_BOOL;
	if (is_integer(text))
		return TREE_INTEGER;
	return is_real(text) ? TREE_REAL : TREE_TEXT;
}
