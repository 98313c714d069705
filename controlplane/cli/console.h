// SPDX-License-Identifier: BSD-3-Clause
// The console on a terminal: lines with completion, help, history and paging, each of them a
// command of the table in command.c. complete.c says what may come next; filter.c and pager.c are
// what becomes of the output.
//
// There are two levels. In "config" a line is a command that begins with `configure`, which is left
// away: `set` there is `configure set` elsewhere.
#pragma once

#include "cli.h"

#define WORDS_MAX 64

// A line as its words. Quotes, "..." and '...', keep spaces and are gone; a backslash keeps the
// next character, in '...' itself. A | outside of quotes is a word of its own.
struct words {
	unsigned count;
	char *list[WORDS_MAX + 1];    // the last is NULL
	size_t starts[WORDS_MAX + 1]; // in the line
	bool piped[WORDS_MAX + 1];    // is a |
	char quote;                   // the line ends within these; '\0' = it does not
	bool open;                    // the line ends within its last word
	char *text;
};

// -E2BIG when there are more words than fit, -ENOMEM.
int words_split(struct words *words, const char *line);
void words_free(struct words *words);

struct hint { // what may come next
	char *word, *help;
	bool goes_on; // more of the same word may follow: a path, not a word
	bool value;   // only told, not completed: "ADDRESS"
	bool repeated;
};

struct hints {
	unsigned count;
	struct hint *list;
	const struct words *words; // for what
	const char *typed;         // the beginning of the word to complete, "" = none of it
};

// What may stand at the end of these words. `configuring`: at the config level. Asks the API for
// values through `asker`; what it does not answer is not offered.
void hints_find(struct hints *hints, const struct words *words, bool configuring,
	const struct cli_asker *asker);
void hints_free(struct hints *hints);
// How much of the word all of them that complete share; to be freed.
char *hints_common(const struct hints *hints);

// Filters of the output: `| include TEXT`, `| exclude TEXT`, `| count`, `| no-more`.
struct filters {
	bool all_at_once; // no-more
	unsigned count;
	struct filter {
		enum filter_kind {
			FILTER_INCLUDE,
			FILTER_EXCLUDE,
			FILTER_COUNT
		} kind;
		const char *text;
	} list[8];
};

// From the words after the first |. -EINVAL with the reason.
int filters_parse(
	struct filters *filters, const struct words *words, unsigned at, struct reason *reason);
// The text after the filters; to be freed.
char *filters_apply(const struct filters *filters, const char *text);
struct filter_help {
	const char *word, *help;
};
extern const struct filter_help filter_words[]; // ended by NULL

// Shows it, page by page when it is longer than the terminal.
void pager_show(const char *text, bool all_at_once);

int console_run(const char *socket, bool json);
