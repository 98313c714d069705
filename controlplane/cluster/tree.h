// SPDX-License-Identifier: BSD-3-Clause
// A document as it was written: maps, lists and plain values, each with its line.
//
// What YAML files and the API server's JSON have in common, so that one set of decoders serves
// both. Lives in the arena it was read into and is never changed afterwards. Through aliases one
// value may stand in several places: it is a tree to read, not to take apart.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tree_kind {
	TREE_NULL,
	TREE_BOOL,
	TREE_INTEGER,
	TREE_REAL,
	TREE_TEXT,
	TREE_LIST,
	TREE_MAP,
};

struct tree_member {
	const char *key;
	struct tree *value;
};

struct tree {
	enum tree_kind kind;
	unsigned line;   // from 1
	unsigned count;  // of items or members
	uint32_t weight; // values in it, itself included, aliases written out
	union {
		const char *text; // of a plain value, as written; never NULL
		struct tree **items;
		struct tree_member *members; // no key twice
	};
};

// The member of a map. NULL when there is none, when it is null, or when this is no map (or NULL).
const struct tree *tree_get(const struct tree *map, const char *key);
bool tree_integer(const struct tree *tree, int64_t *value);
// What stands there, for people: `"text"`, `80`, `a list`.
const char *tree_found(const struct tree *tree, char *buf, size_t size);
// What a plain value without quotes means in YAML as Kubernetes reads it.
enum tree_kind tree_plain_kind(const char *text);
