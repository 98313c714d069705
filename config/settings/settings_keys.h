// SPDX-License-Identifier: BSD-3-Clause
// Which keys sluice.conf may have: for completion and help. The table is not written anywhere: the
// reader itself is asked, by reading a text that has every group and list it knows. And the check
// of a text that is not a file yet.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stddef.h>

enum settings_key_kind {
	KEY_ANY, // known, and read in a way of its own
	KEY_GROUP,
	KEY_LIST,
	KEY_TEXTS,
	KEY_NUMBER,
	KEY_BOOL,
	KEY_CHOICE,
	KEY_TEXT,
};

struct settings_key {
	char *path; // "ports[].vlans[].id"
	enum settings_key_kind kind;
	char *what; // "a number from 1 to 4094"; of a choice the words, "adaptive|poll"
};

struct settings_keys {
	unsigned count;
	struct settings_key *list; // in the order of reading, a group before its keys
};

// A text that is to become `file`, checked as that; mistakes call it `name`.
bool settings_check_text(
	const char *text, const char *file, const char *name, struct reason *reason);
// NULL: out of memory.
struct settings_keys *settings_keys_new(void);
void settings_keys_free(struct settings_keys *keys);
const struct settings_key *settings_keys_find(const struct settings_keys *keys, const char *path);
