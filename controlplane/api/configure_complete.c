// SPDX-License-Identifier: BSD-3-Clause
// GET /v1/config/complete: which paths and values may follow what was typed, from the reader's keys
// and from what the candidate has.
#include "api_internal.h"

#include "conf_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
	TYPED,
	PATH
};

#define PATH_TEXT 256

static void add(json_t *rows, const char *word, const char *help, bool goes_on, bool value)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:b}", "word", word, "help", help,
					    "goes_on", goes_on, "value", value));
}

// The keys of a group: those of the table directly below it.
static void add_keys(json_t *rows, const struct settings_keys *keys, const char *below,
	const char *typed) // house: what is typed is the head of what is offered
{
	size_t n = strlen(below);

	for (unsigned i = 0; i < keys->count; i++) {
		const struct settings_key *key = &keys->list[i];
		const char *name = key->path + n;
		char word[2 * PATH_TEXT];

		if (strncmp(key->path, below, n) != 0)
			continue;
		if (n && *name++ != '.')
			continue;
		if (!*name || strpbrk(name, ".["))
			continue;
		snprintf(word, sizeof(word), "%s%s%s", typed, *typed ? "." : "", name);
		add(rows, word, key->what ? key->what : "",
			key->kind == KEY_GROUP || key->kind == KEY_LIST, false);
	}
}

// The elements that the candidate has in a list.
static void add_elements(
	json_t *rows, const struct conf_node *list, const char *text, const char *typed)
{
	unsigned i = 0;

	for (const struct conf_node *node = list->first; node; node = node->next, i++) {
		char name[128], word[2 * PATH_TEXT];

		if (!conf_element_name(node, text, name, sizeof(name)))
			snprintf(word, sizeof(word), "%s[%u]", typed, i);
		else if (strpbrk(name, ".[]") || strspn(name, "0123456789") == strlen(name))
			snprintf(word, sizeof(word),
				strspn(name, "0123456789") == strlen(name) ? "%s.%s" : "%s[%s]",
				typed, name);
		else
			snprintf(word, sizeof(word), "%s.%s", typed, name);
		add(rows, word, "", true, false);
	}
}

// Up to the last . or [ of what is typed is known; below that is what may follow.
static void complete_path(json_t *rows, const struct revisions *revisions, const char *text,
	const char *typed) // house: the same
{
	const struct settings_keys *keys = revisions_keys(revisions);
	struct conf_path path = {0};
	struct reason none = {0};
	const struct settings_key *key = NULL;
	struct conf_node *root, *node;
	char known[PATH_TEXT] = "";
	const char *end = strrchr(typed, '.'), *bracket = strrchr(typed, '[');
	unsigned count;

	if (bracket && (!end || bracket > end) && !strchr(bracket, ']'))
		end = bracket;
	if (end)
		snprintf(known, sizeof(known), "%.*s", (int)(end - typed), typed);
	if (!*known) {
		add_keys(rows, keys, "", "");
		return;
	}
	if (conf_path_parse(&path, known, &none) == 0)
		key = conf_key(keys, &path);
	root = conf_parse(text, &none);
	if (key && key->kind == KEY_LIST) {
		node = root ? conf_find(root, text, &path, &count) : NULL;
		if (node && count == path.count && node->kind == CONF_LIST)
			add_elements(rows, node, text, known);
		if (!json_array_size(rows))
			add(rows, "NAME", "of a new element", false, true);
	} else if (key && key->kind == KEY_GROUP) {
		add_keys(rows, keys, key->path, known);
	} else if (path.count > 1) { // an element: its list's keys
		path.count--;
		key = conf_key(keys, &path);
		if (key && key->kind == KEY_LIST) {
			char below[PATH_TEXT];

			snprintf(below, sizeof(below), "%s[]", key->path);
			add_keys(rows, keys, below, known);
		}
	}
	reason_clear(&none);
	conf_free(root);
}

static void complete_value(
	json_t *rows, const struct revisions *revisions, const char *text, const char *path_text)
{
	struct conf_path path;
	struct reason none = {0};
	const struct settings_key *key = NULL;
	char *now = conf_show(text, path_text, &none);
	char words[PATH_TEXT], *rest = words;

	if (conf_path_parse(&path, path_text, &none) == 0)
		key = conf_key(revisions_keys(revisions), &path);
	snprintf(words, sizeof(words), "%s", key && key->what ? key->what : "");
	if (key && key->kind == KEY_BOOL)
		snprintf(words, sizeof(words), "true|false");
	if (key && (key->kind == KEY_BOOL || key->kind == KEY_CHOICE))
		for (char *word; (word = strsep(&rest, "|"));)
			add(rows, word, "", false, false);
	else
		add(rows, "VALUE", *words ? words : "its value", false, true);
	if (now)
		add(rows, "now:", now, false, true);
	reason_clear(&none);
	free(now);
}

static json_t *complete(const struct api_request *request)
{
	const struct revisions *revisions = request->state->revisions;
	struct candidate candidate;
	json_t *rows = json_array();
	char *text;

	if (!revisions_kept(request))
		return rows;
	revisions_candidate(revisions, &candidate);
	text = candidate.text ? strdup(candidate.text)
			      : revisions_running(revisions, request->refused);
	if (text && request->values[PATH])
		complete_value(rows, revisions, text, request->values[PATH]);
	else if (text)
		complete_path(rows, revisions, text,
			request->values[TYPED] ? request->values[TYPED] : "");
	free(text);
	return json_pack("{s:o}", "words", rows);
}

const struct api_command api_complete = {
	.path = "/v1/config/complete",
	.help = "how a path, or a value, of the configuration may go on",
	.arguments = {[TYPED] = {"typed", ARGUMENT_FLAG, "what there is of it"},
		[PATH] = {"path", ARGUMENT_TEXT, "whose value; without, a path is completed"}},
	.need = NEED_NOTHING,
	.admin = true,
	.handler = complete,
	.answer = "{words: [{word, help, goes_on: bool, value: bool}]}",
};
