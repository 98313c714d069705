// SPDX-License-Identifier: BSD-3-Clause
// What may come next on a line of the console: words of the table, names of arguments, and their
// values as the API knows them. See console.h.
#include "console.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_WORDS (WORDS_MAX + 2)
#define SECONDS_TEXT   56

struct line {
	struct hints *hints;
	char *full[LINE_MAX_WORDS]; // the words before the one to complete, as the table has them
	unsigned count;
	const struct cli_asker *asker;
};

static void add(struct hints *hints, const char *word, const char *help, bool value, bool goes_on)
{
	struct hint *list;

	if (!value && !cli_begins(word, hints->typed))
		return;
	if (hints->count && strcmp(hints->list[hints->count - 1].word, word) == 0)
		return;
	// Grows by whole powers of two.
	if ((hints->count & (hints->count - 1)) == 0) {
		list = realloc(hints->list, (hints->count ? 2 * hints->count : 1) * sizeof(*list));
		if (!list)
			return;
		hints->list = list;
	}
	hints->list[hints->count] = (struct hint){.word = strdup(word),
		.help = strdup(help ? help : ""),
		.goes_on = goes_on,
		.value = value};
	if (hints->list[hints->count].word && hints->list[hints->count].help) {
		hints->count++;
	} else {
		free(hints->list[hints->count].word);
		free(hints->list[hints->count].help);
	}
}

static void add_word(struct hints *hints, const char *word, const char *help)
{
	add(hints, word, help, false, false);
}

static int compare_words(const void *a, const void *b)
{
	const struct hint *const *x = a, *const *y = b;
	int order = strcmp((*x)->word, (*y)->word);

	return order ? order : (*x > *y) - (*x < *y);
}

// Each word once, where it came first: an endpoint is in several pools.
static void drop_repeated(struct hints *hints)
{
	struct hint **sorted = calloc(hints->count + 1, sizeof(*sorted));
	const char *before = "";
	unsigned left = 0;

	if (!sorted)
		return;
	for (unsigned i = 0; i < hints->count; i++)
		sorted[i] = &hints->list[i];
	qsort(sorted, hints->count, sizeof(struct hint *), compare_words);
	for (unsigned i = 0; i < hints->count; i++) {
		if (strcmp(sorted[i]->word, before) != 0) {
			before = sorted[i]->word;
			continue;
		}
		sorted[i]->repeated = true;
	}
	for (unsigned i = 0; i < hints->count; i++) {
		if (!hints->list[i].repeated) {
			hints->list[left++] = hints->list[i];
			continue;
		}
		free(hints->list[i].word);
		free(hints->list[i].help);
	}
	hints->count = left;
	free(sorted);
}

static void add_rows(struct hints *hints, const struct cli_values *values, json_t *answer)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, values->rows), i, row)
	{
		json_t *word = values->member ? json_object_get(row, values->member) : row;
		const char *help =
			values->help ? json_string_value(json_object_get(row, values->help)) : NULL;

		char number[HUMAN_TEXT];

		snprintf(number, sizeof(number), "%lld", json_integer_value(word));
		if (json_is_string(word) || json_is_integer(word))
			add(hints, json_is_string(word) ? json_string_value(word) : number, help,
				json_is_true(json_object_get(row, "value")),
				json_is_true(json_object_get(row, "goes_on")));
	}
	drop_repeated(hints);
}

// "tcp|udp" are words to complete; anything else that stands for a value ("ADDRESS|NAME") is only
// told.
static void add_choices(struct hints *hints, const struct cli_argument *argument)
{
	char copy[80], *rest = copy;

	if (!strchr(argument->value, '|') || (*argument->value >= 'A' && *argument->value <= 'Z')) {
		if (!*hints->typed)
			add(hints, argument->value, argument->help, true, false);
		return;
	}
	snprintf(copy, sizeof(copy), "%s", argument->value);
	for (char *word; (word = strsep(&rest, "|"));)
		add_word(hints, word, argument->help);
}

static void add_values(
	struct line *line, const struct cli_command *command, unsigned at, const char *const *given)
{
	const struct cli_values *values = command->values[at];
	const struct cli_command question = {.path = values ? values->path : "",
		.arguments = {{"typed", "", ""}, {"path", "", ""}}};
	struct cli_call *call = values ? calloc(1, sizeof(*call)) : NULL;
	struct reason reason = {0};
	unsigned before = line->hints->count;
	json_t *answer = NULL;
	char *query;

	if (call) {
		call->command = &question;
		if (values->typed) {
			call->values[0] = line->hints->typed;
			call->values[1] = at ? given[0] : NULL;
		}
		query = client_query(call);
		if (query && client_ask(line->asker, query, NULL, &answer, &reason) == CLI_OK)
			add_rows(line->hints, values, answer);
		json_decref(answer);
		reason_clear(&reason);
		free(query);
		free(call);
	}
	if (line->hints->count == before)
		add_choices(line->hints, &command->arguments[at]);
}

// The argument whose name begins with the word, or -1.
static int find_argument(const struct cli_command *command, const char *word)
{
	int found = -1;

	for (int i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		if (strcmp(command->arguments[i].name, word) == 0)
			return i;
		if (cli_begins(command->arguments[i].name, word))
			found = i;
	}
	return found;
}

static void add_arguments(struct line *line, const struct cli_command *command)
{
	const char *given[CLI_ARGUMENTS_MAX] = {NULL};
	unsigned bare = 0;
	int at;

	for (unsigned i = cli_depth(command); i < line->count; i++) {
		const char *word = line->full[i];

		if (strcmp(word, "--json") == 0)
			continue;
		if (cli_begins(word, "--")) // as in `commit --file`
			word += 2;
		if (bare < command->bare && strcmp(word, command->arguments[bare].name) != 0) {
			if (command->tail == bare + 1)
				return;
			given[bare++] = word;
			continue;
		}
		at = find_argument(command, word);
		if (at < 0)
			return;
		given[at] = word;
		if ((unsigned)at < command->bare)
			bare = (unsigned)at + 1;
		if (!command->arguments[at].value)
			continue;
		if (i + 1 == line->count) {
			add_values(line, command, (unsigned)at, given);
			return;
		}
		given[at] = line->full[++i];
		if (command->tail == (unsigned)at + 1)
			return;
	}
	if (bare < command->bare) {
		add_values(line, command, bare, given);
		if (!command->bare_spared)
			return;
	}
	for (unsigned i = command->bare > command->positional ? command->bare : command->positional;
		i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++)
		if (!given[i])
			add_word(line->hints, command->arguments[i].name,
				command->arguments[i].help);
	if (*line->hints->typed) {
		add_word(line->hints, "--json", "the answer as JSON");
		return;
	}
	add(line->hints, "--json", "the answer as JSON", true, false);
	add(line->hints, "|", "filter what is shown", true, false);
	add(line->hints, "<Enter>", command->help, true, false);
}

// "status, vips, services, ..." of a first word; of a command that is one word what it does.
static void add_first(struct line *line, const struct cli_command *command)
{
	char seconds[SECONDS_TEXT];
	size_t n = 0;

	for (unsigned i = 0; i < line->hints->count; i++)
		if (strcmp(line->hints->list[i].word, command->words[0]) == 0)
			return; // its commands need not stand together

	if (!command->words[1] || command->positional) {
		add_word(line->hints, command->words[0], command->help);
		return;
	}
	for (unsigned i = 0; cli_commands[i]; i++) {
		const char *word = cli_commands[i]->words[1];

		if (!word || strcmp(cli_commands[i]->words[0], command->words[0]) != 0)
			continue;
		if (n + strlen(word) + 7 > sizeof(seconds)) {
			snprintf(seconds + n, sizeof(seconds) - n, ", ...");
			break;
		}
		n += (size_t)snprintf(
			seconds + n, sizeof(seconds) - n, "%s%s", n ? ", " : "", word);
	}
	add_word(line->hints, command->words[0], seconds);
}

static void add_words(struct line *line, unsigned at)
{
	const struct cli_command *command;

	for (unsigned i = 0; (command = cli_commands[i]); i++) {
		if (!cli_fits(command, line->full, at) || cli_depth(command) <= at)
			continue;
		if (at && command->positional)
			add_values(line, command, 0, NULL);
		else if (at)
			add_word(line->hints, command->words[1], command->help);
		else
			add_first(line, command);
	}
}

static void add_filters(struct hints *hints, const struct words *words, unsigned complete,
	unsigned pipe, bool configuring) // house: what a line is, in parts
{
	if (complete == pipe + 1) {
		if (configuring && cli_begins("show", words->list[0]))
			add_word(hints, "compare",
				"only what differs from the running configuration");
		for (unsigned i = 0; filter_words[i].word; i++)
			add_word(hints, filter_words[i].word, filter_words[i].help);
	} else if (complete == pipe + 2 && strchr("ie", words->list[pipe + 1][0]) &&
		   !*hints->typed) {
		add(hints, "TEXT", "what the lines are looked through for", true, false);
	}
}

static void add_level(struct line *line, bool configuring)
{
	struct hints *hints = line->hints;

	if (configuring) {
		add_word(hints, "run", "a command of the level above: run show vips");
		add_word(hints, "exit", "leave; the candidate is kept");
	} else {
		add_word(hints, "exit", "leave");
	}
	add_word(hints, "help", "all commands, or one and its arguments");
}

void hints_find(struct hints *hints, const struct words *words, bool configuring,
	const struct cli_asker *asker)
{
	struct line line = {.hints = hints, .asker = asker};
	unsigned complete = words->count - (words->open && words->count), first = 0;
	struct reason reason = {0};
	const struct cli_command *command;

	*hints = (struct hints){
		.words = words, .typed = words->open && words->count ? words->list[complete] : ""};
	for (unsigned i = complete; i-- > 0;)
		if (words->piped[i]) {
			add_filters(hints, words, complete, i, configuring);
			return;
		}
	if (complete && strcmp(words->list[0], "help") == 0) {
		first = 1;
	} else if (configuring && complete && strcmp(words->list[0], "run") == 0) {
		first = 1;
		configuring = false;
	}
	if (configuring)
		line.full[line.count++] = (char *)(uintptr_t) "configure";
	for (unsigned i = first; i < complete; i++)
		line.full[line.count++] = words->list[i];
	if (line.count < 2)
		add_words(&line, line.count);
	if (complete == 0)
		add_level(&line, configuring);
	command = line.count ? cli_find(line.full, line.count, &reason) : NULL;
	if (command && line.count >= cli_depth(command))
		add_arguments(&line, command);
	reason_clear(&reason);
}

void hints_free(struct hints *hints)
{
	for (unsigned i = 0; i < hints->count; i++) {
		free(hints->list[i].word);
		free(hints->list[i].help);
	}
	free(hints->list);
	memset(hints, 0, sizeof(*hints));
}

char *hints_common(const struct hints *hints)
{
	char *common = NULL;

	for (unsigned i = 0; i < hints->count; i++) {
		size_t n = 0;

		if (hints->list[i].value)
			continue;
		if (!common) {
			common = strdup(hints->list[i].word);
			if (!common)
				return NULL;
			continue;
		}
		while (common[n] && common[n] == hints->list[i].word[n])
			n++;
		common[n] = '\0';
	}
	return common;
}
