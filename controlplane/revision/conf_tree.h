// SPDX-License-Identifier: BSD-3-Clause
// A configuration's text as a tree of places in it, so that one key can be changed where it stands
// and comments and order stay. Pure; whether the text makes sense is for settings/ to say.
#pragma once

#include "reason.h"
#include "settings_keys.h"

#include <stdbool.h>
#include <stddef.h>

enum conf_kind {
	CONF_SCALAR,
	CONF_GROUP, // { }
	CONF_LIST,  // ( )
	CONF_ARRAY, // [ ]
};

struct conf_node {
	enum conf_kind kind;
	char *name;        // NULL: an element, or the root
	size_t start, end; // with its name and the ; or , behind it
	size_t value, value_end;
	bool separated; // there is a ; or , behind it
	struct conf_node *parent, *first, *last, *next;
};

// The root, a group. NULL with the reason when the text is none of libconfig's.
struct conf_node *conf_parse(const char *text, struct reason *reason);
void conf_free(struct conf_node *root);

// A path: "bgp.peers[0].asn", "pools.default.priority", "pools[my.pool].priority". Elements of a
// list are found by their number or by their name, which is what their key `name`, `id`, `service`
// or `to` says.
#define CONF_STEPS_MAX 16
struct conf_step {
	char text[128];
	bool index; // in brackets and a number
};

struct conf_path {
	unsigned count;
	struct conf_step steps[CONF_STEPS_MAX];
};

int conf_path_parse(struct conf_path *path, const char *text, struct reason *reason);
// The node of the path's first `*count` steps, as many as there are.
struct conf_node *conf_find(
	struct conf_node *root, const char *text, const struct conf_path *path, unsigned *count);
// By what an element is called: the text of its name, or false.
bool conf_element_name(const struct conf_node *element, const char *text, char *name, size_t size);
// The key of the reader's table that a path is about, "pools[].priority"; NULL: it has none.
const struct settings_key *conf_key(const struct settings_keys *keys, const struct conf_path *path);
// How elements of that list are called: "name".
const char *conf_element_key(const struct settings_keys *keys, const char *list_path);

// The text with the path set to the value; to be freed. NULL with the reason. A value may be
// libconfig's, or plain words, which are quoted as the key wants it.
char *conf_set(const char *text, const char *path, const char *value,
	const struct settings_keys *keys, struct reason *reason);
char *conf_delete(const char *text, const char *path, struct reason *reason);
// What stands at the path; to be freed.
char *conf_show(const char *text, const char *path, struct reason *reason);

// From one text to another, line by line as diff -u does it; "" when they are the same. To be
// freed.
char *conf_compare(const char *before, const char *after);
