// SPDX-License-Identifier: BSD-3-Clause
// JSON text -> trees, as the API server writes it: RFC 8259 and nothing beside it.
//
// A list of the API server is read item by item, so that memory is that of one item and not of the
// whole page. Input is hostile: depth and values are bounded, a key that stands twice is refused.
// Pure. Any thread.
#pragma once

#include <stddef.h>

#include "arena.h"
#include "tree.h"

#define JSON_DEPTH_MAX  64
#define JSON_VALUES_MAX (1u << 20) // of one text, or of one item of a list

struct json_error {
	size_t at; // the byte
	const char *text;
};

// One value, with white space around it. 0, -EBADMSG with the error, or -ENOMEM. The tree lives in
// the arena; all lines in it are 0.
int json_read(const char *bytes, size_t length, struct arena *arena, const struct tree **root,
	struct json_error *error);

// The bytes are those that the item was read from. Not 0 ends the reading.
typedef int json_item_fn(void *arg, const struct tree *item, const char *bytes, size_t length);

// A map whose member "items" is a list: each item is visited and gone again when `visit` returns;
// the other members are the map `head`, in `arena`. Items before an error have been visited. Beside
// what json_read() gives, what `visit` returned.
struct json_list {
	struct arena *arena;
	const struct tree *head; // out
	json_item_fn *visit;
	void *arg;
};
int json_read_list(
	const char *bytes, size_t length, struct json_list *list, struct json_error *error);
