// SPDX-License-Identifier: BSD-3-Clause
// The text of a configuration as a tree of places. See conf_tree.h.
#include "conf_tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct cursor {
	const char *text;
	size_t at;
	unsigned depth;
	struct reason *reason;
};

static bool fail(struct cursor *c, const char *expected)
{
	unsigned line = 1;

	for (size_t i = 0; i < c->at && c->text[i]; i++)
		line += c->text[i] == '\n';
	reason_add(c->reason, "line %u: found \"%.*s\", expected %s", line,
		(int)strcspn(c->text + c->at, "\n") > 20 ? 20 : (int)strcspn(c->text + c->at, "\n"),
		c->text + c->at, expected);
	return false;
}

static size_t comment_length(const char *at)
{
	const char *end;

	if (*at == '#' || strncmp(at, "//", 2) == 0 || strncmp(at, "@include", 8) == 0)
		return strcspn(at, "\n");
	if (strncmp(at, "/*", 2) != 0)
		return 0;
	end = strstr(at + 2, "*/");
	return end ? (size_t)(end - at) + 2 : 0; // one that does not end is none
}

static void skip_space(struct cursor *c)
{
	for (;;) {
		size_t n = strspn(c->text + c->at, " \t\r\n\f");

		n += comment_length(c->text + c->at + n);
		if (!n)
			return;
		c->at += n;
	}
}

static struct conf_node *new_node(struct conf_node *parent)
{
	struct conf_node *node = calloc(1, sizeof(*node));

	if (!node || !parent)
		return node;
	node->parent = parent;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

void conf_free(struct conf_node *node)
{
	struct conf_node *next;

	if (!node)
		return;
	for (struct conf_node *child = node->first; child; child = next) {
		next = child->next;
		conf_free(child); // as deep as DEPTH_MAX
	}
	free(node->name);
	free(node);
}

// One or more "..." behind each other.
static bool take_string(struct cursor *c)
{
	size_t end = c->at;

	while (c->text[c->at] == '"') {
		for (c->at++; c->text[c->at] && c->text[c->at] != '"'; c->at++)
			if (c->text[c->at] == '\\' && c->text[c->at + 1])
				c->at++;
		if (!c->text[c->at])
			return fail(c, "the other \"");
		end = ++c->at;
		skip_space(c);
	}
	c->at = end;
	return true;
}

static bool take_scalar(struct cursor *c)
{
	size_t start = c->at;

	if (c->text[c->at] == '"')
		return take_string(c);
	while (c->text[c->at] && !strchr(" \t\r\n\f,;{}()[]\"=:#", c->text[c->at]) &&
		!comment_length(c->text + c->at) && strncmp(c->text + c->at, "/*", 2) != 0)
		c->at++;
	if (strncmp(c->text + c->at, "/*", 2) == 0 && !comment_length(c->text + c->at))
		return fail(c, "a comment that ends with */");
	return c->at > start || fail(c, "a value");
}

static bool take_children(struct cursor *c, struct conf_node *node, char close);

static bool take_value(struct cursor *c, struct conf_node *node)
{
	char open = c->text[c->at];
	bool taken;

	node->value = c->at;
	if (open != '{' && open != '(' && open != '[') {
		taken = take_scalar(c);
	} else {
		if (c->depth == DEPTH_MAX)
			return fail(c, "fewer groups within groups");
		node->kind = open == '{' ? CONF_GROUP : open == '(' ? CONF_LIST : CONF_ARRAY;
		c->at++;
		c->depth++;
		taken = take_children(c, node, open == '{' ? '}' : open == '(' ? ')' : ']');
		c->depth--;
	}
	node->value_end = c->at;
	return taken;
}

static bool take_name(struct cursor *c, struct conf_node *node)
{
	size_t start = c->at;

	if (!isalpha((unsigned char)c->text[c->at]) && c->text[c->at] != '*')
		return fail(c, "the name of a key");
	while (isalnum((unsigned char)c->text[c->at]) ||
		(c->text[c->at] && strchr("-_*", c->text[c->at])))
		c->at++;
	node->name = strndup(c->text + start, c->at - start);
	skip_space(c);
	if (!node->name || (c->text[c->at] != '=' && c->text[c->at] != ':'))
		return fail(c, "= and a value");
	c->at++;
	skip_space(c);
	return true;
}

// Up to the closing character, which is taken; '\0' closes the root.
static bool take_children(struct cursor *c, struct conf_node *node, char close)
{
	for (;;) {
		struct conf_node *child;

		skip_space(c);
		if (c->text[c->at] == close) {
			c->at += close != '\0';
			return true;
		}
		if (node->last && !node->last->separated && node->kind != CONF_GROUP)
			return fail(c, "a comma");
		child = new_node(node);
		if (!child)
			return fail(c, "more memory");
		child->start = c->at;
		if ((node->kind == CONF_GROUP && !take_name(c, child)) || !take_value(c, child))
			return false;
		child->end = c->at;
		skip_space(c);
		if (c->text[c->at] == ',' || (c->text[c->at] == ';' && node->kind == CONF_GROUP)) {
			child->separated = true;
			child->end = ++c->at;
		}
	}
}

struct conf_node *conf_parse(const char *text, struct reason *reason)
{
	struct cursor c = {.text = text, .reason = reason};
	struct conf_node *root = new_node(NULL);

	if (!root)
		return NULL;
	root->kind = CONF_GROUP;
	if (!take_children(&c, root, '\0')) {
		conf_free(root);
		return NULL;
	}
	root->end = root->value_end = c.at;
	return root;
}

int conf_path_parse(struct conf_path *path, const char *text, struct reason *reason)
{
	const char *at = text;

	path->count = 0;
	while (*at) {
		struct conf_step *step = &path->steps[path->count];
		size_t n;

		if (path->count == CONF_STEPS_MAX)
			goto wrong;
		if (*at == '[') {
			n = strcspn(++at, "]");
			if (!at[n])
				goto wrong;
			step->index = n && strspn(at, "0123456789") == n;
		} else {
			at += path->count && *at == '.';
			n = strcspn(at, ".[");
			step->index = false;
		}
		if (!n || n >= sizeof(step->text))
			goto wrong;
		memcpy(step->text, at, n);
		step->text[n] = '\0';
		at += n + (at[n] == ']');
		if (*at && *at != '.' && *at != '[')
			goto wrong;
		path->count++;
	}
	if (path->count)
		return 0;
wrong:
	reason_add(reason,
		"found \"%.80s\", expected a path such as pools.default.priority or ports[0].mtu",
		text);
	return -1;
}

static struct conf_node *member(struct conf_node *group, const char *name)
{
	struct conf_node *node = group->first;

	while (node && (!node->name || strcmp(node->name, name) != 0))
		node = node->next;
	return node;
}

bool conf_element_name(const struct conf_node *element, const char *text, char *name, size_t size)
{
	static const char *const keys[] = {"name", "id", "service", "to"};

	for (unsigned i = 0; element->kind == CONF_GROUP && i < 4; i++) {
		const struct conf_node *node = member((struct conf_node *)element, keys[i]);
		size_t n = node ? node->value_end - node->value : 0;
		const char *value = node ? text + node->value : "";
		bool quoted = n >= 2 && *value == '"' && value[n - 1] == '"';

		if (!n || node->kind != CONF_SCALAR)
			continue;
		snprintf(name, size, "%.*s", (int)(quoted ? n - 2 : n), value + quoted);
		return true;
	}
	return false;
}

static struct conf_node *element(
	struct conf_node *list, const char *text, const struct conf_step *step)
{
	unsigned long at = step->index ? strtoul(step->text, NULL, 10) : 0;
	char name[sizeof(step->text)];

	for (struct conf_node *node = list->first; node; node = node->next) {
		if (step->index ? at-- == 0
				: conf_element_name(node, text, name, sizeof(name)) &&
					  strcmp(name, step->text) == 0)
			return node;
	}
	return NULL;
}

struct conf_node *conf_find(
	struct conf_node *root, const char *text, const struct conf_path *path, unsigned *count)
{
	struct conf_node *node = root;

	for (*count = 0; *count < path->count; ++*count) {
		const struct conf_step *step = &path->steps[*count];
		struct conf_node *next = NULL;

		if (node->kind == CONF_GROUP && !step->index)
			next = member(node, step->text);
		else if (node->kind == CONF_LIST || (node->kind == CONF_ARRAY && step->index))
			next = element(node, text, step);
		if (!next)
			break;
		node = next;
	}
	return node;
}

const struct settings_key *conf_key(const struct settings_keys *keys, const struct conf_path *path)
{
	const struct settings_key *key = NULL;
	char text[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < path->count && n < sizeof(text); i++) {
		if (key && key->kind == KEY_LIST) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "[]");
			key = NULL;
			continue;
		}
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "%s%s", i ? "." : "", path->steps[i].text);
		key = n < sizeof(text) ? settings_keys_find(keys, text) : NULL;
		if (!key)
			return NULL;
	}
	return key;
}

const char *conf_element_key(const struct settings_keys *keys, const char *list_path)
{
	static const char *const names[] = {"name", "id", "service", "to"};
	char path[256];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s[].%s", list_path, names[i]);
		if (settings_keys_find(keys, path))
			return names[i];
	}
	return NULL;
}
