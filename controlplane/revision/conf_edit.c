// SPDX-License-Identifier: BSD-3-Clause
// One key of a configuration's text changed where it stands. See conf_tree.h.
#include "conf_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT 256

// The text with `length` bytes from `at` on replaced; to be freed.
static char *splice(const char *text, size_t at, size_t length, const char *with)
{
	char *out = NULL;

	if (asprintf(&out, "%.*s%s%s", (int)at, text, with, text + at + length) < 0)
		return NULL;
	return out;
}

static void quote(const char *text, size_t length, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ') {
			fprintf(out, "\\x%02x", text[i]);
			continue;
		}
		if (text[i] == '"' || text[i] == '\\')
			fputc('\\', out);
		fputc(text[i], out);
	}
	fputc('"', out);
}

// Does libconfig take it as one value?
static bool is_value(const char *value)
{
	struct reason reason = {0};
	struct conf_node *root;
	char *text = NULL;
	bool is = false;

	if (asprintf(&text, "x = %s;", value) < 0)
		return false;
	root = conf_parse(text, &reason);
	is = root && root->first && !root->first->next && root->first->end == strlen(text);
	conf_free(root);
	reason_clear(&reason);
	free(text);
	return is;
}

// Looks like a number, true or false.
static bool is_plain(const char *value)
{
	const char *digits = value + (*value == '-');
	bool hex = digits[0] == '0' && digits[1] == 'x';
	size_t n = strspn(digits + (hex ? 2 : 0), hex ? "0123456789abcdefABCDEF" : "0123456789");

	return (n && !digits[n + (hex ? 2 : 0)]) || strcmp(value, "true") == 0 ||
	       strcmp(value, "false") == 0;
}

// The value as libconfig has it: as it was typed when it is one, else its words quoted, as an array
// where the key is one. To be freed.
static char *as_value(const char *value, const struct settings_key *key, struct reason *reason)
{
	enum settings_key_kind kind = key ? key->kind : KEY_ANY;
	bool texts = kind == KEY_TEXTS, text = kind == KEY_TEXT || kind == KEY_CHOICE;
	char *out = NULL;
	bool first = true;
	size_t size;
	FILE *file;

	value += strspn(value, " \t");
	if (!*value) {
		reason_add(reason, "found nothing, expected %s",
			key && key->what ? key->what : "a value");
		return NULL;
	}
	if (strchr("\"[({", *value) && !(texts && *value == '"')) {
		if (is_value(value))
			return strdup(value);
		reason_add(reason,
			"found %.80s, expected a value: 5, true, \"text\", [ \"a\", \"b\" ], "
			"{ key = value; } or ( { ... }, { ... } )",
			value);
		return NULL;
	}
	file = open_memstream(&out, &size);
	if (!file)
		return NULL;
	if (texts) {
		fputs("[ ", file);
		for (const char *at = value; *(at += strspn(at, " ,\t"));) {
			size_t quoted = *at == '"',
			       n = strcspn(at + quoted, quoted ? "\"" : " ,\t");

			fputs(first ? "" : ", ", file);
			first = false;
			quote(at + quoted, n, file);
			at += quoted + n + (quoted && at[quoted + n]);
		}
		fputs(" ]", file);
	} else if (text || !is_plain(value)) {
		quote(value, strlen(value), file);
	} else {
		fputs(value, file);
	}
	fclose(file);
	return out;
}

static size_t line_start(const char *text, size_t at)
{
	while (at && text[at - 1] != '\n')
		at--;
	return at;
}

// The end of a comment that stands behind `at` in the same line, or `at`.
static size_t past_comment(const char *text, size_t at)
{
	size_t space = at + strspn(text + at, " \t");

	if (text[space] == '#' || strncmp(text + space, "//", 2) == 0)
		return space + strcspn(text + space, "\n");
	return at;
}

// What is missing of a path, as text.
struct rest {
	const struct conf_path *path;
	const struct settings_keys *keys;
	const char *value;
	FILE *out;
};

static void new_line(const struct rest *rest, unsigned depth)
{
	fprintf(rest->out, "\n%.*s", (int)depth, "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t");
}

// As libconfig wants the name of a key.
static bool is_key(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*";
	size_t n = strspn(text, letters);

	while (n && text[n] && (strchr(letters, text[n]) || strchr("-_0123456789", text[n])))
		n++;
	return n && !text[n];
}

static bool write_setting(const struct rest *rest, unsigned from, unsigned depth);

// An element of a list that is called by the step, with what is to be in it.
static bool write_element(
	const struct rest *rest, unsigned from, unsigned depth, const struct settings_key *list)
{
	const struct conf_step *step = &rest->path->steps[from];
	const char *name = conf_element_key(rest->keys, list->path);

	if (from + 1 == rest->path->count) { // the value is all of it
		fputs(rest->value, rest->out);
		return true;
	}
	if (step->index || !name)
		return false;
	fputc('{', rest->out);
	new_line(rest, depth + 1);
	fprintf(rest->out, "%s = ", name);
	if (strcmp(name, "id") == 0 && is_plain(step->text))
		fputs(step->text, rest->out);
	else
		quote(step->text, strlen(step->text), rest->out);
	fputc(';', rest->out);
	if (strcmp(rest->path->steps[from + 1].text, name) != 0) {
		new_line(rest, depth + 1);
		if (!write_setting(rest, from + 1, depth + 1)) // as deep as a path
			return false;
	}
	new_line(rest, depth);
	fputc('}', rest->out);
	return true;
}

// "name = ...;" of the step `from` and all below it.
static bool write_setting(const struct rest *rest, unsigned from, unsigned depth)
{
	struct conf_path head = *rest->path;
	const struct settings_key *key;
	bool list;

	if (!is_key(rest->path->steps[from].text))
		return false;
	fprintf(rest->out, "%s = ", rest->path->steps[from].text);
	if (from + 1 == rest->path->count) {
		fprintf(rest->out, "%s;", rest->value);
		return true;
	}
	head.count = from + 1;
	key = conf_key(rest->keys, &head);
	if (!key || (key->kind != KEY_LIST && key->kind != KEY_GROUP))
		return false;
	list = key->kind == KEY_LIST;
	fputc(list ? '(' : '{', rest->out);
	new_line(rest, depth + 1);
	if (list ? !write_element(rest, from + 1, depth + 1, key)
		 : !write_setting(rest, from + 1, depth + 1))
		return false;
	new_line(rest, depth);
	fputs(list ? ");" : "};", rest->out);
	return true;
}

// What is to come into the node. To be freed; NULL when nothing of that kind can.
static char *write_rest(
	struct rest *rest, const struct conf_node *node, unsigned from, unsigned depth)
{
	struct conf_path head = *rest->path;
	const struct settings_key *list;
	bool written = false;
	char *text = NULL;
	size_t size;

	rest->out = open_memstream(&text, &size);
	if (!rest->out)
		return NULL;
	head.count = from;
	list = from ? conf_key(rest->keys, &head) : NULL;
	if (node->kind == CONF_GROUP)
		written = write_setting(rest, from, depth);
	else if (node->kind == CONF_LIST && list)
		written = write_element(rest, from, depth, list);
	else if (node->kind == CONF_ARRAY && from + 1 == rest->path->count)
		written = fputs(rest->value, rest->out) >= 0;
	fclose(rest->out);
	if (written)
		return text;
	free(text);
	return NULL;
}

// Into a node that holds nothing yet: on lines of its own where it has several.
static char *insert_first(const char *text, const struct conf_node *node, const char *rest)
{
	size_t close = node->value_end - 1, line = line_start(text, close);
	char *with = NULL, *out;
	bool own = line > node->value && strspn(text + line, " \t") == close - line;

	if (asprintf(&with, own ? "%.*s\t%s\n" : "%.*s %s ", own ? (int)(close - line) : 0,
		    text + line, rest) < 0)
		return NULL;
	out = splice(text, own ? line : close, 0, with);
	free(with);
	return out;
}

// Into the node, behind what is in it.
static char *insert(const char *text, const struct conf_node *node, const char *rest)
{
	const struct conf_node *last = node->last;
	bool list = node->kind != CONF_GROUP, own;
	size_t at = node->value_end, line;
	const char *separator;
	char *with = NULL, *out;
	int n;

	if (!last && node->parent)
		return insert_first(text, node, rest);
	if (!last) {
		n = asprintf(&with, "%s%s\n", at && text[at - 1] != '\n' ? "\n" : "", rest);
	} else {
		line = line_start(text, last->start);
		own = !node->parent || strspn(text + line, " \t") == last->start - line;
		at = list              ? last->value_end
		     : last->separated ? past_comment(text, last->end)
				       : last->end;
		separator = list ? "," : last->separated ? "" : ";";
		n = own ? asprintf(&with, "%s\n%.*s%s", separator,
				  node->parent ? (int)(last->start - line) : 0, text + line, rest)
			: asprintf(&with, "%s %s", separator, rest);
	}
	if (n < 0)
		return NULL;
	out = splice(text, at, 0, with);
	free(with);
	return out;
}

static unsigned depth_of(const struct conf_node *node)
{
	unsigned depth = 0;

	for (; node->parent; node = node->parent)
		depth++;
	return depth;
}

static void complain_path(const char *path, const struct conf_path *steps, unsigned known,
	const struct settings_keys *keys, struct reason *reason)
{
	struct conf_path head = *steps;
	const struct settings_key *key;
	char all[512] = "";
	const char *prefix;
	size_t n = 0, length;

	for (head.count = known; head.count && !conf_key(keys, &head); head.count--)
		continue;
	key = head.count ? conf_key(keys, &head) : NULL;
	prefix = key ? key->path : "";
	length = strlen(prefix);
	for (unsigned i = 0; i < keys->count && n < sizeof(all); i++) {
		const char *rest = keys->list[i].path + length;

		if (strncmp(keys->list[i].path, prefix, length) != 0)
			continue;
		if (key && key->kind == KEY_LIST && strncmp(rest, "[].", 3) == 0)
			rest += 3;
		else if (key && *rest == '.')
			rest++;
		else if (key)
			continue;
		if (*rest && !strpbrk(rest, ".["))
			n += (size_t)snprintf(
				all + n, sizeof(all) - n, "%s%s", n ? ", " : "", rest);
	}
	reason_add(reason, "%s: unknown key, expected one of: %s", path, all);
}

// What stands behind it without a separator is not to become part of it.
static char *replace_value(const char *text, const struct conf_node *node, const char *literal)
{
	bool separate = node->name && node->next && !node->separated;
	char *with = NULL, *out;

	if (asprintf(&with, "%s%s", literal, separate ? ";" : "") < 0)
		return NULL;
	out = splice(text, node->value, node->value_end - node->value, with);
	free(with);
	return out;
}

// An element of a list or of an array: it has no key of its own.
static bool is_element(const struct settings_keys *keys, const struct conf_path *path)
{
	struct conf_path list = *path;
	const struct settings_key *key;

	list.count--;
	key = list.count ? conf_key(keys, &list) : NULL;
	return key && (key->kind == KEY_LIST || path->steps[list.count].index);
}

char *conf_set(const char *text, const char *path, const char *value,
	const struct settings_keys *keys, struct reason *reason)
{
	const struct settings_key *key;
	struct conf_node *root, *node;
	struct conf_path steps;
	char *literal = NULL, *rest = NULL, *out = NULL;
	unsigned known;

	if (conf_path_parse(&steps, path, reason))
		return NULL;
	root = conf_parse(text, reason);
	if (!root)
		return NULL;
	node = conf_find(root, text, &steps, &known);
	key = conf_key(keys, &steps);
	if (known < steps.count && !key && !is_element(keys, &steps)) {
		complain_path(path, &steps, steps.count - 1, keys, reason);
		goto out;
	}
	literal = as_value(value, key, reason);
	if (!literal)
		goto out;
	if (known == steps.count) {
		out = replace_value(text, node, literal);
		goto out;
	}
	rest = write_rest(&(struct rest){.path = &steps, .keys = keys, .value = literal}, node,
		known, depth_of(node));
	if (rest)
		out = insert(text, node, rest);
	else
		reason_add(reason, "%s: there is no \"%s\" to set this in", path,
			steps.steps[known].text);
out:
	conf_free(root);
	free(literal);
	free(rest);
	return out;
}

// What goes with a setting that goes: its line when nothing else is in it, or a comma.
static void widen(const char *text, const struct conf_node *node, size_t *start, size_t *end)
{
	const struct conf_node *before = node->parent->first;
	size_t line = line_start(text, *start), after;

	if (node->parent->kind != CONF_GROUP && !node->separated && before != node) {
		while (before->next != node)
			before = before->next;
		*start = before->value_end; // with the comma that was between them
		return;
	}
	after = past_comment(text, *end);
	after += strspn(text + after, " \t");
	if (strspn(text + line, " \t") == *start - line && (!text[after] || text[after] == '\n')) {
		*start = line;
		*end = after + (text[after] == '\n');
	} else if (text[*end] == ' ' && *start && text[*start - 1] == ' ') {
		++*end;
	}
}

static struct conf_node *find_whole(
	struct conf_node *root, const char *text, const char *path, struct reason *reason)
{
	struct conf_path steps;
	struct conf_node *node;
	unsigned known;

	if (conf_path_parse(&steps, path, reason))
		return NULL;
	node = conf_find(root, text, &steps, &known);
	if (known == steps.count)
		return node;
	reason_add(reason, "%s: \"%s\" is not in the configuration", path, steps.steps[known].text);
	return NULL;
}

char *conf_delete(const char *text, const char *path, struct reason *reason)
{
	struct conf_node *root = conf_parse(text, reason);
	struct conf_node *node = root ? find_whole(root, text, path, reason) : NULL;
	char *out = NULL;

	if (node) {
		size_t start = node->start, end = node->end;

		widen(text, node, &start, &end);
		out = splice(text, start, end - start, "");
	}
	conf_free(root);
	return out;
}

char *conf_show(const char *text, const char *path, struct reason *reason)
{
	struct conf_node *root = conf_parse(text, reason);
	struct conf_node *node = root ? find_whole(root, text, path, reason) : NULL;
	char *out = NULL;

	if (node)
		out = strndup(text + node->start, node->end - node->start);
	conf_free(root);
	return out;
}
