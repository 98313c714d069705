// SPDX-License-Identifier: BSD-3-Clause
// libyaml's events, put together to trees.
//
// A stack of open collections, at most YAML_DEPTH_MAX deep; each finished value is hung into the
// collection on top. Aliases share the value of their anchor; its weight is counted again each
// time, so that a few lines cannot stand for millions of values.
#include "yaml_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "arena.h"

struct frame {
	struct tree *tree;
	const char *key; // read, its value is not yet
	bool merge;      // the key is "<<"
};

struct anchor {
	const char *name;
	struct tree *tree; // NULL while it is open
};

struct builder {
	yaml_parser_t parser;
	struct arena arena; // of the document
	struct frame stack[YAML_DEPTH_MAX];
	unsigned depth;
	struct tree *root;
	struct anchor anchors[YAML_ANCHORS_MAX];
	unsigned anchor_count;
	uint32_t values, aliased;
	struct yaml_error *error;
};

static int refuse(struct builder *b, unsigned line, const char *text)
{
	b->error->line = line;
	snprintf(b->error->text, sizeof(b->error->text), "%s", text);
	return -EBADMSG;
}

static unsigned line_of(const yaml_event_t *event)
{
	return (unsigned)event->start_mark.line + 1;
}

static int merge_into(struct builder *b, struct tree *map, const struct tree *from)
{
	if (from->kind == TREE_LIST) {
		for (unsigned i = 0; i < from->count; i++) {
			if (from->items[i]->kind != TREE_MAP)
				return refuse(b, from->line, "\"<<\" merges maps and nothing else");
			int rc = merge_into(b, map, from->items[i]);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (from->kind != TREE_MAP)
		return refuse(b, from->line, "\"<<\" merges maps and nothing else");
	b->aliased += from->count;
	if (b->aliased > YAML_ALIASED_MAX)
		return refuse(b, from->line, "aliases stand for too many values");
	for (unsigned i = 0; i < from->count; i++) {
		map->members =
			arena_grow(&b->arena, map->members, map->count, sizeof(*map->members));
		if (!map->members)
			return -ENOMEM;
		map->members[map->count++] = from->members[i];
	}
	return 0;
}

struct ordered {
	const char *key;
	unsigned index;
};

static int compare_ordered(const void *left, const void *right)
{
	const struct ordered *a = left, *b = right;
	int order = strcmp(a->key, b->key);

	return order ? order : (a->index > b->index) - (a->index < b->index);
}

// Each key once: a second one of the map's own is a mistake, a merged one gives way to the first.
static int check_keys(struct builder *b, struct tree *map, unsigned own)
{
	struct ordered *keys = malloc((map->count + 1u) * sizeof(*keys));
	unsigned left = 0;
	int rc = 0;

	if (!keys)
		return -ENOMEM;
	for (unsigned i = 0; i < map->count; i++)
		keys[i] = (struct ordered){map->members[i].key, i};
	qsort(keys, map->count, sizeof(*keys), compare_ordered);
	for (unsigned i = 1; i < map->count; i++) {
		const struct ordered *again = &keys[i];
		char text[128];

		if (strcmp(again->key, keys[i - 1].key) != 0)
			continue;
		if (again->index < own) {
			snprintf(text, sizeof(text), "the key \"%.60s\" stands twice in one map",
				again->key);
			rc = refuse(b, map->members[again->index].value->line, text);
			break;
		}
		map->members[again->index].value = NULL;
	}
	free(keys);
	for (unsigned i = 0; !rc && i < map->count; i++)
		if (map->members[i].value)
			map->members[left++] = map->members[i];
	if (!rc)
		map->count = left;
	return rc;
}

// A finished value goes where the stack says.
static int hang(struct builder *b, struct tree *value, unsigned line)
{
	struct frame *top = b->depth ? &b->stack[b->depth - 1] : NULL;
	struct tree *in;

	if (!top) {
		b->root = value;
		return 0;
	}
	in = top->tree;
	if (UINT32_MAX - in->weight < value->weight)
		return refuse(b, line, "too many values");
	if (in->kind == TREE_LIST) {
		in->items = arena_grow(&b->arena, in->items, in->count, sizeof(struct tree *));
		if (!in->items)
			return -ENOMEM;
		in->items[in->count++] = value;
	} else if (!top->key) {
		if (value->kind == TREE_LIST || value->kind == TREE_MAP)
			return refuse(b, line, "a key must be a plain value");
		top->key = value->text;
		return 0;
	} else {
		in->members = arena_grow(&b->arena, in->members, in->count, sizeof(*in->members));
		if (!in->members)
			return -ENOMEM;
		in->members[in->count++] = (struct tree_member){top->key, value};
		top->key = NULL;
	}
	in->weight += value->weight;
	return 0;
}

static int remember(struct builder *b, const yaml_char_t *name, struct tree *tree, unsigned line)
{
	if (!name)
		return 0;
	if (b->anchor_count == YAML_ANCHORS_MAX)
		return refuse(b, line, "too many anchors");
	b->anchors[b->anchor_count].name = arena_copy(&b->arena, (const char *)name);
	b->anchors[b->anchor_count].tree = tree;
	return b->anchors[b->anchor_count++].name ? 0 : -ENOMEM;
}

static struct tree *new_tree(struct builder *b, enum tree_kind kind, unsigned line)
{
	struct tree *tree = arena_take(&b->arena, sizeof(*tree));

	if (tree)
		*tree = (struct tree){.kind = kind, .line = line, .weight = 1};
	return tree;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	struct tree *tree = new_tree(b, TREE_TEXT, line_of(event));
	int rc;

	if (!tree)
		return -ENOMEM;
	if (strlen(text) != event->data.scalar.length)
		return refuse(b, tree->line, "a zero byte in a text");
	tree->text = arena_copy(&b->arena, text);
	if (!tree->text)
		return -ENOMEM;
	if (event->data.scalar.plain_implicit && !tag)
		tree->kind = tree_plain_kind(text);
	rc = remember(b, event->data.scalar.anchor, tree, tree->line);
	return rc ? rc : hang(b, tree, tree->line);
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	unsigned line = line_of(event);
	struct tree *tree = NULL;
	unsigned i = b->anchor_count;

	while (i > 0 && strcmp(b->anchors[i - 1].name, name) != 0)
		i--;
	if (i == 0)
		return refuse(b, line, "an alias of no anchor");
	tree = b->anchors[i - 1].tree;
	for (unsigned open = 0; open < b->depth; open++)
		if (b->stack[open].tree == tree)
			return refuse(b, line, "an alias of what it is in");
	if (tree->weight > YAML_ALIASED_MAX - b->aliased)
		return refuse(b, line, "aliases stand for too many values");
	b->aliased += tree->weight;
	return hang(b, tree, line);
}

static int on_start(struct builder *b, enum tree_kind kind, const yaml_event_t *event)
{
	struct tree *tree = new_tree(b, kind, line_of(event));
	const yaml_char_t *anchor = kind == TREE_MAP ? event->data.mapping_start.anchor
						     : event->data.sequence_start.anchor;

	if (!tree)
		return -ENOMEM;
	if (b->depth == YAML_DEPTH_MAX)
		return refuse(b, tree->line, "nested too deeply");
	b->stack[b->depth++] = (struct frame){.tree = tree};
	return remember(b, anchor, tree, tree->line);
}

// Puts in the maps that "<<" names, behind the map's own keys.
static int merge_all(struct builder *b, struct tree *map)
{
	unsigned own = 0;
	struct tree *from[8];
	unsigned from_count = 0;

	for (unsigned i = 0; i < map->count; i++) {
		if (strcmp(map->members[i].key, "<<") != 0)
			map->members[own++] = map->members[i];
		else if (from_count < sizeof(from) / sizeof(from[0]))
			from[from_count++] = map->members[i].value;
		else
			return refuse(b, map->line, "too many \"<<\" in one map");
	}
	if (from_count == 0)
		return check_keys(b, map, own);
	// A copy with room: arena_grow() counts on the capacity following from the count.
	struct tree_member *members = map->members;
	map->members = NULL;
	map->count = 0;
	for (unsigned i = 0; i < own; i++) {
		map->members =
			arena_grow(&b->arena, map->members, map->count, sizeof(*map->members));
		if (!map->members)
			return -ENOMEM;
		map->members[map->count++] = members[i];
	}
	for (unsigned i = 0; i < from_count; i++) {
		int rc = merge_into(b, map, from[i]);
		if (rc)
			return rc;
	}
	return check_keys(b, map, own);
}

static int on_end(struct builder *b)
{
	struct tree *tree = b->stack[--b->depth].tree;

	if (tree->kind == TREE_MAP) {
		int rc = merge_all(b, tree);
		if (rc)
			return rc;
	}
	return hang(b, tree, tree->line);
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	if (++b->values > YAML_VALUES_MAX)
		return refuse(b, line_of(event), "too many values in one document");
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, TREE_LIST, event);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, TREE_MAP, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

static int syntax_error(struct builder *b, const char *bytes, size_t length)
{
	const yaml_parser_t *p = &b->parser;
	char text[sizeof(b->error->text)];
	size_t line = p->problem_mark.line + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR) { // knows the byte and not the line
		line = 1;
		for (size_t i = 0; i < p->problem_offset && i < length; i++)
			line += bytes[i] == '\n';
	}
	snprintf(text, sizeof(text), "not YAML: %s%s%s", p->problem ? p->problem : "syntax error",
		p->context ? " " : "", p->context ? p->context : "");
	return refuse(b, (unsigned)line, text);
}

static void next_document(struct builder *b)
{
	arena_clear(&b->arena);
	b->root = NULL;
	b->depth = b->anchor_count = 0;
	b->values = b->aliased = 0;
}

int yaml_read(const char *bytes, size_t length,
	int (*visit)(const struct tree *document, void *arg), void *arg, struct yaml_error *error)
{
	struct builder *b = calloc(1, sizeof(*b));
	yaml_event_type_t type = YAML_NO_EVENT;
	int rc = 0;

	*error = (struct yaml_error){.line = 1};
	if (!b)
		return -ENOMEM;
	b->error = error;
	if (!yaml_parser_initialize(&b->parser)) {
		free(b);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)bytes, length);
	if (length > YAML_BYTES_MAX)
		rc = refuse(b, 1, "the file is larger than 64 MB");
	while (!rc && type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event)) {
			rc = syntax_error(b, bytes, length);
			break;
		}
		type = event.type;
		rc = on_event(b, &event);
		yaml_event_delete(&event);
		if (!rc && type == YAML_DOCUMENT_END_EVENT) {
			if (b->root && b->root->kind != TREE_NULL)
				rc = visit(b->root, arg);
			next_document(b);
		}
	}
	arena_clear(&b->arena);
	yaml_parser_delete(&b->parser);
	free(b);
	return rc;
}
