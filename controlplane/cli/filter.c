// SPDX-License-Identifier: BSD-3-Clause
// What becomes of the output behind a |. Pure. See console.h.
#include "console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct filter_help filter_words[] = {
	{"include", "only lines with a text, and the head of a table"},
	{"exclude", "only lines without a text, and the head"},
	{"count", "how many lines there are"},
	{"no-more", "all at once, not page by page"},
	{NULL, NULL},
};

enum {
	INCLUDE,
	EXCLUDE,
	COUNT,
	NO_MORE
};

static int find_filter(const char *word, struct reason *reason)
{
	for (int i = 0; *word && filter_words[i].word; i++)
		if (cli_begins(filter_words[i].word, word))
			return i;
	reason_add(reason,
		"found \"%.60s\" after |, expected one of include, exclude, count, no-more", word);
	return -1;
}

int filters_parse(
	struct filters *filters, const struct words *words, unsigned at, struct reason *reason)
{
	*filters = (struct filters){0};
	for (unsigned i = at; i < words->count; i++) {
		struct filter *filter = &filters->list[filters->count];
		const char *next = i + 1 < words->count ? words->list[i + 1] : "";
		int found;

		if (!words->piped[i]) {
			reason_add(
				reason, "found \"%.60s\", expected | or the end", words->list[i]);
			return -EINVAL;
		}
		found = find_filter(next, reason);
		if (found < 0)
			return -EINVAL;
		i++;
		if (found == NO_MORE) {
			filters->all_at_once = true;
			continue;
		}
		if (filters->count == sizeof(filters->list) / sizeof(filters->list[0])) {
			reason_add(reason, "too many filters");
			return -EINVAL;
		}
		filters->count++;
		if (found == COUNT) {
			filter->kind = FILTER_COUNT;
			continue;
		}
		filter->kind = found == INCLUDE ? FILTER_INCLUDE : FILTER_EXCLUDE;
		if (i + 1 >= words->count || words->piped[i + 1]) {
			reason_add(reason, "\"%s\" needs its TEXT", filter_words[found].word);
			return -EINVAL;
		}
		filter->text = words->list[++i];
	}
	return 0;
}

// A table's head has no small letters.
static bool is_head(const char *line, size_t length)
{
	bool any = false;

	for (size_t i = 0; i < length; i++) {
		if (line[i] >= 'a' && line[i] <= 'z')
			return false;
		any |= line[i] >= 'A' && line[i] <= 'Z';
	}
	return any && length && line[0] != '{' && line[0] != '[';
}

static void apply(const struct filter *filter, const char *text, FILE *out)
{
	unsigned long long count = 0;
	bool first = true, head = false;

	for (const char *line = text; *line; first = false) {
		size_t length = strcspn(line, "\n");
		bool found =
			filter->text && memmem(line, length, filter->text, strlen(filter->text));

		head = first && is_head(line, length);
		count += !head;
		if (filter->kind != FILTER_COUNT &&
			(head || found == (filter->kind == FILTER_INCLUDE)))
			fprintf(out, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	if (filter->kind == FILTER_COUNT)
		fprintf(out, "%llu lines\n", count);
}

char *filters_apply(const struct filters *filters, const char *text)
{
	char *now = strdup(text);

	for (unsigned i = 0; now && i < filters->count; i++) {
		char *next = NULL;
		size_t size;
		FILE *out = open_memstream(&next, &size);

		if (out) {
			apply(&filters->list[i], now, out);
			fclose(out);
		}
		free(now);
		now = next;
	}
	return now;
}
