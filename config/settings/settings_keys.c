// SPDX-License-Identifier: BSD-3-Clause
// The reader's keys, told by itself. See settings_keys.h.
#include "settings_keys.h"

#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_TEXT    256
#define DEPTH_ROUNDS 8 // groups within groups; there are three

const struct settings_key *settings_keys_find(const struct settings_keys *keys, const char *path)
{
	for (unsigned i = 0; i < keys->count; i++)
		if (strcmp(keys->list[i].path, path) == 0)
			return &keys->list[i];
	return NULL;
}

// "ports[].vlans[]"
static void path_of(const setting_t *setting, char *buf, size_t size)
{
	const setting_t *parent = config_setting_parent(setting);
	const char *name = config_setting_name(setting);
	size_t n;

	buf[0] = '\0';
	if (!parent)
		return;
	path_of(parent, buf, size);
	n = strlen(buf);
	snprintf(buf + n, size - n, "%s%s", name && n ? "." : "", name ? name : "[]");
}

void read_note(struct reader *r, const setting_t *group, const char *name,
	enum settings_key_kind kind, const char *what)
{
	struct settings_keys *keys = r->keys;
	struct settings_key *key, *list;
	char path[PATH_TEXT];
	size_t n;

	if (!keys || !group)
		return;
	path_of(group, path, sizeof(path));
	n = strlen(path);
	snprintf(path + n, sizeof(path) - n, "%s%s", n ? "." : "", name);
	key = (struct settings_key *)settings_keys_find(keys, path);
	if (!key) {
		list = realloc(keys->list, (keys->count + 1) * sizeof(*list));
		if (!list)
			return;
		keys->list = list;
		key = &list[keys->count];
		*key = (struct settings_key){.path = strdup(path)};
		if (!key->path)
			return;
		keys->count++;
	}
	if (kind == KEY_ANY || (key->kind != KEY_ANY && key->what))
		return; // told before, by who knows more
	key->kind = kind;
	key->what = strdup(what);
}

// What is quoted in "\"a\", \"b\" or \"c\"" as "a|b|c", when nothing else is in it.
static bool quoted_choices(const char *what, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	while (*what == '"') {
		size_t length = strcspn(what + 1, "\"");

		if (!what[length + 1] || memchr(what + 1, '<', length))
			return false;
		n += (size_t)snprintf(
			out + n, size - n, "%s%.*s", n ? "|" : "", (int)length, what + 1);
		what += length + 2;
		if (strncmp(what, ", ", 2) == 0)
			what += 2;
		else if (strncmp(what, " or ", 4) == 0)
			what += 4;
		else
			break;
	}
	return *what == '\0' && strchr(out, '|') && n < size;
}

void read_note_text(struct reader *r, const setting_t *group, const char *name, const char *what)
{
	char words[256];

	if (quoted_choices(what, words, sizeof(words)))
		read_note(r, group, name, KEY_CHOICE, words);
	else
		read_note(r, group, name, KEY_TEXT, what);
}

void read_note_choice(
	struct reader *r, const setting_t *group, const char *name, const char *const *words)
{
	char text[256] = "";
	size_t n = 0;

	for (unsigned i = 0; words[i] && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "|" : "", words[i]);
	read_note(r, group, name, KEY_CHOICE, text);
}

// A text with each group and list that is known so far, below the prefix.
static void write_known(const struct settings_keys *keys, const char *prefix, FILE *out)
{
	size_t n = strlen(prefix);

	for (unsigned i = 0; i < keys->count; i++) {
		const struct settings_key *key = &keys->list[i];
		const char *name = key->path + n;
		char below[PATH_TEXT];

		if (strncmp(key->path, prefix, n) != 0 || strpbrk(name, ".[") ||
			(key->kind != KEY_GROUP && key->kind != KEY_LIST))
			continue;
		snprintf(below, sizeof(below), "%s%s.", key->path,
			key->kind == KEY_LIST ? "[]" : "");
		fprintf(out, "%s = %s", name, key->kind == KEY_LIST ? "( { " : "{ ");
		write_known(keys, below, out);
		fputs(key->kind == KEY_LIST ? "} ); " : "}; ", out);
	}
}

struct settings_keys *settings_keys_new(void)
{
	struct settings_keys *keys = calloc(1, sizeof(*keys));

	for (unsigned round = 0; keys && round < DEPTH_ROUNDS; round++) {
		unsigned before = keys->count;
		struct reason reason = {0};
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		if (out) {
			write_known(keys, "", out);
			fclose(out);
			settings_note_keys(keys, text, &reason);
		}
		free(text);
		reason_clear(&reason);
		if (keys->count == before)
			break;
	}
	return keys;
}

void settings_keys_free(struct settings_keys *keys)
{
	if (!keys)
		return;
	for (unsigned i = 0; i < keys->count; i++) {
		free(keys->list[i].path);
		free(keys->list[i].what);
	}
	free(keys->list);
	free(keys);
}
