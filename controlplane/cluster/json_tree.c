// SPDX-License-Identifier: BSD-3-Clause
// A cursor that goes once over the bytes and hangs values together.
#include "json_tree.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
	const char *start, *at, *end;
	struct arena *arena;
	uint32_t values;
	unsigned depth;
	struct json_error *error;
};

static int refuse(struct cursor *c, const char *text)
{
	c->error->at = (size_t)(c->at - c->start);
	c->error->text = text;
	return -EBADMSG;
}

static void skip_space(struct cursor *c)
{
	while (c->at < c->end &&
		(*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
		c->at++;
}

static bool next_is(struct cursor *c, char letter)
{
	skip_space(c);
	if (c->at == c->end || *c->at != letter)
		return false;
	c->at++;
	return true;
}

static int hex4(struct cursor *c, uint32_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 4; i++) {
		char letter = c->at < c->end ? *c->at : 0;

		if (letter >= '0' && letter <= '9')
			*out = *out << 4 | (uint32_t)(letter - '0');
		else if ((letter | 32) >= 'a' && (letter | 32) <= 'f')
			*out = *out << 4 | (uint32_t)((letter | 32) - 'a' + 10);
		else
			return refuse(c, "\\u without four digits");
		c->at++;
	}
	return 0;
}

static char *put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

// Behind "\u". Never writes more than the six or twelve letters it reads.
static int unicode(struct cursor *c, char **to)
{
	uint32_t code, low;
	int rc = hex4(c, &code);

	if (rc)
		return rc;
	if (code == 0 || (code >= 0xdc00 && code < 0xe000))
		return refuse(c, "a character that is none");
	if (code >= 0xd800 && code < 0xdc00) {
		if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u')
			return refuse(c, "half a character");
		c->at += 2;
		rc = hex4(c, &low);
		if (rc)
			return rc;
		if (low < 0xdc00 || low >= 0xe000)
			return refuse(c, "half a character");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_utf8(*to, code);
	return 0;
}

static int escape(struct cursor *c, char **to)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char letter = c->at < c->end ? *c->at++ : 0;

	if (letter == 'u')
		return unicode(c, to);
	found = letter ? strchr(letters, letter) : NULL;
	if (!found)
		return refuse(c, "an unknown escape in a text");
	*(*to)++ = means[found - letters];
	return 0;
}

// Behind the opening quote.
static int read_text(struct cursor *c, const char **out)
{
	const char *end = c->at;
	char *text, *to;

	while (end < c->end && *end != '"')
		end += *end == '\\' && end + 1 < c->end ? 2 : 1;
	if (end >= c->end) {
		c->at = c->end;
		return refuse(c, "the text ends within a string");
	}
	text = to = arena_take_array(c->arena, (size_t)(end - c->at) + 1, 1);
	if (!text)
		return -ENOMEM;
	while (*c->at != '"') {
		if ((unsigned char)*c->at < 0x20)
			return refuse(c, "a control character in a string");
		if (*c->at != '\\') {
			*to++ = *c->at++;
			continue;
		}
		c->at++;
		int rc = escape(c, &to);
		if (rc)
			return rc;
	}
	c->at++;
	*out = text;
	return 0;
}

static bool skip_digits(const char **at, const char *end)
{
	const char *before = *at;

	while (*at < end && **at >= '0' && **at <= '9')
		(*at)++;
	return *at > before;
}

static int read_number(struct cursor *c, struct tree *tree)
{
	const char *at = c->at, *first;
	bool real = false;

	if (*at == '-')
		at++;
	first = at;
	if (!skip_digits(&at, c->end) || (*first == '0' && at - first > 1))
		return refuse(c, "not a value");
	if (at < c->end && *at == '.') {
		at++;
		real = true;
		if (!skip_digits(&at, c->end))
			return refuse(c, "a number without digits behind its point");
	}
	if (at < c->end && (*at | 32) == 'e') {
		at++;
		real = true;
		if (at < c->end && (*at == '+' || *at == '-'))
			at++;
		if (!skip_digits(&at, c->end))
			return refuse(c, "a number without digits in its exponent");
	}
	tree->kind = real ? TREE_REAL : TREE_INTEGER;
	tree->text = arena_copy_part(c->arena, c->at, (size_t)(at - c->at));
	c->at = at;
	return tree->text ? 0 : -ENOMEM;
}

static int read_word(struct cursor *c, struct tree *tree)
{
	static const struct {
		const char *text;
		enum tree_kind kind;
	} words[] = {{"true", TREE_BOOL}, {"false", TREE_BOOL}, {"null", TREE_NULL}};

	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(words[i].text);

		if ((size_t)(c->end - c->at) < n || memcmp(c->at, words[i].text, n) != 0)
			continue;
		c->at += n;
		tree->kind = words[i].kind;
		tree->text = words[i].text;
		return 0;
	}
	return read_number(c, tree);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_keys(struct cursor *c, const struct tree *map)
{
	const char *few[32], **keys = few;
	int rc = 0;

	if (map->count < 2)
		return 0;
	if (map->count > 32)
		keys = malloc(map->count * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (unsigned i = 0; i < map->count; i++)
		keys[i] = map->members[i].key;
	qsort(keys, map->count, sizeof(*keys), compare_keys);
	for (unsigned i = 1; i < map->count && !rc; i++)
		if (strcmp(keys[i], keys[i - 1]) == 0)
			rc = refuse(c, "a key stands twice in one map");
	if (keys != few)
		free(keys);
	return rc;
}

static int read_value(struct cursor *c, struct tree **out);

static int read_key(struct cursor *c, const char **key)
{
	int rc;

	if (!next_is(c, '"'))
		return refuse(c, "expected a key");
	rc = read_text(c, key);
	if (!rc && !next_is(c, ':'))
		rc = refuse(c, "expected \":\" behind a key");
	return rc;
}

static int add_member(struct cursor *c, struct tree *map, const char *key, struct tree *value)
{
	map->members = arena_grow(c->arena, map->members, map->count, sizeof(*map->members));
	if (!map->members)
		return -ENOMEM;
	map->members[map->count++] = (struct tree_member){key, value};
	map->weight += value->weight;
	return 0;
}

static int read_map(struct cursor *c, struct tree *map)
{
	map->kind = TREE_MAP;
	if (next_is(c, '}'))
		return 0;
	do {
		const char *key;
		struct tree *value;
		int rc = read_key(c, &key);

		if (!rc)
			rc = read_value(c, &value);
		if (!rc)
			rc = add_member(c, map, key, value);
		if (rc)
			return rc;
	} while (next_is(c, ','));
	if (!next_is(c, '}'))
		return refuse(c, "expected \",\" or \"}\"");
	return check_keys(c, map);
}

static int read_items(struct cursor *c, struct tree *list)
{
	list->kind = TREE_LIST;
	if (next_is(c, ']'))
		return 0;
	do {
		struct tree *value;
		int rc = read_value(c, &value);

		if (rc)
			return rc;
		list->items = arena_grow(c->arena, list->items, list->count, sizeof(struct tree *));
		if (!list->items)
			return -ENOMEM;
		list->items[list->count++] = value;
		list->weight += value->weight;
	} while (next_is(c, ','));
	return next_is(c, ']') ? 0 : refuse(c, "expected \",\" or \"]\"");
}

static int read_value(struct cursor *c, struct tree **out)
{
	struct tree *tree;
	int rc;

	skip_space(c);
	if (c->at == c->end)
		return refuse(c, "the text ends too early");
	if (++c->values > JSON_VALUES_MAX)
		return refuse(c, "too many values");
	if (c->depth == JSON_DEPTH_MAX)
		return refuse(c, "nested too deeply");
	tree = *out = arena_take(c->arena, sizeof(*tree));
	if (!tree)
		return -ENOMEM;
	tree->weight = 1;
	c->depth++;
	switch (*c->at) {
	case '{':
		c->at++;
		rc = read_map(c, tree);
		break;
	case '[':
		c->at++;
		rc = read_items(c, tree);
		break;
	case '"':
		c->at++;
		tree->kind = TREE_TEXT;
		rc = read_text(c, &tree->text);
		break;
	default:
		rc = read_word(c, tree);
	}
	c->depth--;
	return rc;
}

static int read_end(struct cursor *c)
{
	skip_space(c);
	return c->at == c->end ? 0 : refuse(c, "more behind the value");
}

int json_read(const char *bytes, size_t length, struct arena *arena, const struct tree **root,
	struct json_error *error)
{
	struct cursor c = {bytes, bytes, bytes + length, arena, 0, 0, error};
	struct tree *tree = NULL;
	int rc = read_value(&c, &tree);

	if (!rc)
		rc = read_end(&c);
	if (!rc)
		*root = tree;
	return rc;
}

static int visit_items(struct cursor *c, struct json_list *list)
{
	struct arena arena = {0};
	int rc = 0;

	if (!next_is(c, '['))
		return refuse(c, "items: expected a list");
	if (next_is(c, ']'))
		return 0;
	do {
		struct tree *item;
		const char *first;

		skip_space(c);
		first = c->at;
		c->arena = &arena;
		c->values = 0;
		rc = read_value(c, &item);
		if (!rc)
			rc = list->visit(list->arg, item, first, (size_t)(c->at - first));
		arena_clear(&arena);
	} while (!rc && next_is(c, ','));
	if (!rc && !next_is(c, ']'))
		rc = refuse(c, "expected \",\" or \"]\"");
	c->arena = list->arena;
	return rc;
}

int json_read_list(
	const char *bytes, size_t length, struct json_list *list, struct json_error *error)
{
	struct cursor c = {bytes, bytes, bytes + length, list->arena, 0, 1, error};
	struct tree *head = arena_take(list->arena, sizeof(*head));
	int rc = head ? 0 : -ENOMEM;
	bool items = false;

	if (!rc && !next_is(&c, '{'))
		rc = refuse(&c, "expected a list of objects");
	if (rc)
		return rc;
	head->kind = TREE_MAP;
	head->weight = 1;
	if (!next_is(&c, '}')) {
		do {
			const char *key;
			struct tree *value;

			rc = read_key(&c, &key);
			if (!rc && strcmp(key, "items") == 0) {
				rc = items ? refuse(&c, "a key stands twice in one map")
					   : visit_items(&c, list);
				items = true;
			} else if (!rc) {
				rc = read_value(&c, &value);
				if (!rc)
					rc = add_member(&c, head, key, value);
			}
		} while (!rc && next_is(&c, ','));
		if (!rc && !next_is(&c, '}'))
			rc = refuse(&c, "expected \",\" or \"}\"");
		if (!rc)
			rc = check_keys(&c, head);
	}
	if (!rc)
		rc = read_end(&c);
	if (!rc)
		list->head = head;
	return rc;
}
