// SPDX-License-Identifier: BSD-3-Clause
#include "decode_told.h"

#include "model.h"
#include "told.h"

#include <stdio.h>
#include <string.h>

// Changes with every write, whatever is written.
static bool is_book_keeping(const char *key)
{
	return strcmp(key, "resourceVersion") == 0 || strcmp(key, "managedFields") == 0;
}

// The tree is bounded in depth by its parser.
static uint64_t add_tree(uint64_t hash, const struct tree *tree, unsigned depth)
{
	hash = (hash ^ tree->kind ^ tree->count << 3) * UINT64_C(0x9e3779b97f4a7c15);
	switch (tree->kind) {
	case TREE_MAP:
		for (unsigned i = 0; i < tree->count; i++) {
			const struct tree_member *member = &tree->members[i];

			if ((depth == 0 && strcmp(member->key, "status") == 0) ||
				(depth == 1 && is_book_keeping(member->key)))
				continue;
			hash = add_tree(told_text(hash, member->key), member->value, depth + 1);
		}
		break;
	case TREE_LIST:
		for (unsigned i = 0; i < tree->count; i++)
			hash = add_tree(hash, tree->items[i], depth + 1);
		break;
	case TREE_NULL:
	case TREE_BOOL:
	case TREE_INTEGER:
	case TREE_REAL:
	case TREE_TEXT:
		hash = told_text(hash, tree->text ? tree->text : "");
		break;
	}
	return hash;
}

static const char *text_of(const struct tree *item, const char *key)
{
	const struct tree *value = tree_get(item, key);

	return value && value->kind == TREE_TEXT ? value->text : "";
}

static void read_said(struct object *object, const char *ip)
{
	struct addr address;

	if (addr_parse(&address, ip) == 0 &&
		addr_is_zero(&object->status.said[!addr_is_v4(&address)]))
		object->status.said[!addr_is_v4(&address)] = address;
}

static uint64_t read_told(const struct tree *tree, struct object *object)
{
	const struct tree *balancer = tree_get(tree_get(tree, "status"), "loadBalancer");
	const struct tree *list = tree_get(balancer, "ingress");
	uint64_t told = TOLD_NOTHING;

	for (unsigned i = 0; list && list->kind == TREE_LIST && i < list->count; i++) {
		const struct tree *item = list->items[i];

		if (*text_of(item, "hostname")) // not ours to say: it differs from what we would
			told = told_add(told, text_of(item, "hostname"), "hostname");
		else
			told = told_add(told, text_of(item, "ip"), text_of(item, "ipMode"));
		read_said(object, text_of(item, "ip"));
	}
	return told;
}

void decode_told(const struct tree *tree, struct object *object)
{
	const char *version = text_of(tree_get(tree, "metadata"), "resourceVersion");

	if (object->kind != OBJECT_SERVICE && object->kind != OBJECT_INGRESS)
		return;
	object->told = read_told(tree, object);
	if (strlen(version) < sizeof(object->status.version) && !strpbrk(version, "\"\\"))
		snprintf(object->status.version, sizeof(object->status.version), "%s", version);
	object->digest = add_tree(TOLD_NOTHING, tree, 0) | 1;
}
