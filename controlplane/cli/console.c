// SPDX-License-Identifier: BSD-3-Clause
// Lines from the terminal, by libedit, until the end. Ctrl-C ends a line, or what a command waits
// for, and never the console. See console.h.
#include "console.h"

#include <histedit.h>

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HISTORY_LINES 1000
#define HELP_COLUMN   24

struct console {
	EditLine *edit;
	History *history;
	char *history_file;
	struct cli_asker asker;
	uint64_t seen; // of the candidate
	bool json, configuring, aborted, done;
};

static char *prompt(EditLine *edit)
{
	struct console *console;

	el_get(edit, EL_CLIENTDATA, &console);
	return (char *)(uintptr_t)(console->configuring ? "sluice(config)> " : "sluice> ");
}

// The line up to the cursor as words.
static int words_before_cursor(EditLine *edit, struct words *words)
{
	const LineInfo *line = el_line(edit);
	char *text = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
	int error = text ? words_split(words, text) : -ENOMEM;

	free(text);
	return error;
}

static void print_hints(const struct hints *hints)
{
	putchar('\n');
	for (unsigned i = 0; i < hints->count; i++)
		printf("  %-*s %s\n", HELP_COLUMN, hints->list[i].word, hints->list[i].help);
	if (!hints->count)
		printf("  nothing is expected here\n");
	fflush(stdout);
}

static unsigned char on_tab(EditLine *edit, int key)
{
	unsigned char result = CC_REFRESH;
	unsigned completing = 0;
	struct console *console;
	struct words words;
	struct hints hints;
	char *common;

	(void)key;
	el_get(edit, EL_CLIENTDATA, &console);
	if (words_before_cursor(edit, &words))
		return CC_ERROR;
	hints_find(&hints, &words, console->configuring, &console->asker);
	common = hints_common(&hints);
	for (unsigned i = 0; i < hints.count; i++)
		completing += !hints.list[i].value;
	if (common && strlen(common) > strlen(hints.typed))
		el_insertstr(edit, common + strlen(hints.typed));
	else if (completing != 1 && hints.count)
		print_hints(&hints);
	if (common && completing == 1)
		for (unsigned i = 0; i < hints.count; i++)
			if (!hints.list[i].value && !hints.list[i].goes_on)
				el_insertstr(edit, " ");
	if (!common || (strlen(common) <= strlen(hints.typed) && completing != 1))
		result = hints.count ? CC_REDISPLAY : CC_REFRESH_BEEP;
	free(common);
	hints_free(&hints);
	words_free(&words);
	return result;
}

// Within quotes and URLs a ? is one.
static unsigned char on_question(EditLine *edit, int key)
{
	struct console *console;
	struct words words;
	struct hints hints;

	(void)key;
	el_get(edit, EL_CLIENTDATA, &console);
	if (words_before_cursor(edit, &words))
		return CC_ERROR;
	if (words.quote || (words.open && strstr(words.list[words.count - 1], "://"))) {
		el_insertstr(edit, "?");
		words_free(&words);
		return CC_REFRESH;
	}
	hints_find(&hints, &words, console->configuring, &console->asker);
	print_hints(&hints);
	hints_free(&hints);
	words_free(&words);
	return CC_REDISPLAY;
}

static unsigned char on_abort(EditLine *edit, int key)
{
	struct console *console;

	(void)key;
	el_get(edit, EL_CLIENTDATA, &console);
	console->aborted = true;
	return CC_NEWLINE;
}

static void complain(struct reason *reason)
{
	printf("%s\n", reason_text(reason));
	reason_clear(reason);
}

// What the command prints goes through filters and the pager, complaints at once to the terminal.
static void ask(struct console *console, const struct cli_call *call, const struct filters *filters)
{
	struct cli_asker asker = console->asker;
	char *text = NULL, *filtered;
	size_t size;

	if (call->command->run && !filters->count) { // seen as it comes
		cli_ask(call, &asker);
		return;
	}
	asker.out = open_memstream(&text, &size);
	if (!asker.out)
		return;
	cli_ask(call, &asker);
	fclose(asker.out);
	filtered = filters_apply(filters, text);
	fflush(stdout);
	if (filtered)
		pager_show(filtered, filters->all_at_once);
	free(filtered);
	free(text);
}

// `help`, or `help` and a command.
static void help(char *const *words, unsigned count)
{
	struct reason reason = {0};
	const struct cli_command *command;

	if (!count) {
		cli_usage(stdout);
		return;
	}
	command = cli_find(words, count, &reason);
	if (command)
		cli_command_usage(command, stdout);
	else
		complain(&reason);
	reason_clear(&reason);
}

// A word that only commands of the lower level begin with.
static bool is_level(const char *word)
{
	bool any = false;

	for (unsigned i = 0; cli_commands[i]; i++) {
		if (!cli_begins(cli_commands[i]->words[0], word))
			continue;
		if (strcmp(cli_commands[i]->words[0], "configure") != 0)
			return false;
		any = true;
	}
	return any;
}

// Whose the candidate is, when there is one.
static void tell_candidate(struct console *console)
{
	struct cli_call *call = calloc(1, sizeof(*call));

	if (!call)
		return;
	call->command = &cli_candidate_left;
	console->asker.json = false;
	cli_ask(call, &console->asker);
	free(call);
}

// What the console itself does. True when the line was that.
static bool run_own(struct console *console, struct words *words)
{
	const char *first = words->list[0];

	if (strcmp(first, "exit") == 0 || strcmp(first, "quit") == 0 || strcmp(first, "end") == 0) {
		if (console->configuring)
			tell_candidate(console);
		console->done = !console->configuring;
		console->configuring = false;
		return true;
	}
	if (cli_begins("help", first) && strlen(first) > 1) {
		help(words->list + 1, words->count - 1);
		return true;
	}
	if (!console->configuring && words->count == 1 && is_level(first)) {
		console->configuring = true;
		tell_candidate(console);
		return true;
	}
	return false;
}

// A line's words as the table has them.
struct typed {
	char *full[WORDS_MAX + 2];
	unsigned count;
	unsigned end;   // of them in the line: the first |, or all
	unsigned ahead; // so many of them are not in the line
	char *raw;      // the last of them, as it was typed
};

static char *constant(const char *text)
{
	return (char *)(uintptr_t)text;
}

static unsigned first_pipe(const struct words *words)
{
	unsigned i = 0;

	while (i < words->count && !words->piped[i])
		i++;
	return i;
}

// `configure` comes before what is typed at its level, unless that says `run`; what is of interest
// there and shown by the level above needs no `run`.
static void take_command(struct console *console, const struct words *words, struct typed *typed)
{
	const char *second = typed->end > 1 ? words->list[1] : "";
	unsigned first = 0;

	if (console->configuring && typed->end &&
		(strcmp(words->list[0], "run") == 0 || strcmp(words->list[0], "do") == 0))
		first = 1;
	else if (console->configuring &&
		 !(cli_begins("show", words->list[0]) &&
			 (strcmp(second, "history") == 0 || strcmp(second, "config") == 0)))
		typed->full[typed->count++] = constant("configure");
	typed->ahead = typed->count - first;
	for (unsigned i = first; i < typed->end; i++) {
		if (strcmp(words->list[i], "--json") == 0)
			console->asker.json = true;
		else // --file is as good as file
			typed->full[typed->count++] =
				words->list[i] + (cli_begins(words->list[i], "--") ? 2 : 0);
	}
	typed->full[typed->count] = NULL;
}

// `show | compare` is `compare`.
static void take_compare(const struct words *words, struct typed *typed)
{
	if (typed->count != 2 || strcmp(typed->full[0], "configure") != 0 ||
		!cli_begins("show", typed->full[1]) || typed->end + 1 >= words->count ||
		strlen(words->list[typed->end + 1]) < 3 ||
		!cli_begins("compare", words->list[typed->end + 1]))
		return;
	typed->full[1] = constant("compare");
	typed->end += 2;
}

// A command that wants its last argument with quotes gets it as it stands in the line.
static void take_raw(const char *line, const struct words *words, struct typed *typed)
{
	struct reason reason = {0};
	const struct cli_command *command = cli_find(typed->full, typed->count, &reason);
	unsigned at = command ? cli_depth(command) + command->tail - 1 : 0;
	size_t start, stop = typed->end < words->count ? words->starts[typed->end] : strlen(line);

	reason_clear(&reason);
	if (!command || !command->raw || typed->count <= at)
		return;
	start = words->starts[at - typed->ahead];
	typed->raw = strndup(line + start, stop - start);
	if (!typed->raw)
		return;
	typed->full[at] = typed->raw;
	typed->count = at + 1;
	typed->full[typed->count] = NULL;
}

static void run_command(struct console *console, const char *line, const struct words *words)
{
	struct typed typed = {.end = first_pipe(words)};
	struct cli_call *call = calloc(1, sizeof(*call));
	struct reason reason = {0};
	struct filters filters;

	console->asker.json = console->json;
	take_command(console, words, &typed);
	take_compare(words, &typed);
	take_raw(line, words, &typed);
	if (call && filters_parse(&filters, words, typed.end, &reason) == 0 &&
		cli_parse(call, typed.full, typed.count, &reason) == 0)
		ask(console, call, &filters);
	else
		complain(&reason);
	reason_clear(&reason);
	free(typed.raw);
	free(call);
}

static void run_line(struct console *console, const char *line)
{
	struct words words;

	if (words_split(&words, line)) {
		printf("too many words\n");
		return;
	}
	if (words.quote)
		printf("a quote is open: expected another %c\n", words.quote);
	else if (words.count && !run_own(console, &words))
		run_command(console, line, &words);
	words_free(&words);
}

// What holds a secret is not kept.
static void remember(struct console *console, const char *line)
{
	HistEvent event;

	if (strspn(line, " \t\n") == strlen(line) || strstr(line, "password"))
		return;
	history(console->history, &event, H_ENTER, line);
	if (console->history_file)
		history(console->history, &event, H_SAVE, console->history_file);
}

static int start(struct console *console)
{
	const char *home = getenv("HOME");
	HistEvent event;

	setlocale(LC_CTYPE, "");
	umask(077); // of the history
	signal(SIGPIPE, SIG_IGN);
	interrupt_catch();
	console->edit = el_init("sluice", stdin, stdout, stderr);
	console->history = history_init();
	if (!console->edit || !console->history)
		return -ENOMEM;
	history(console->history, &event, H_SETSIZE, HISTORY_LINES);
	history(console->history, &event, H_SETUNIQUE, 1);
	if (home && *home && asprintf(&console->history_file, "%s/.sluice_history", home) < 0)
		console->history_file = NULL;
	if (console->history_file)
		history(console->history, &event, H_LOAD, console->history_file);
	el_set(console->edit, EL_CLIENTDATA, console);
	el_set(console->edit, EL_PROMPT, prompt);
	el_set(console->edit, EL_EDITOR, "emacs");
	el_set(console->edit, EL_HIST, history, console->history);
	el_set(console->edit, EL_SETTY, "-d", "-isig", NULL);
	// What is typed ahead of the prompt is shown behind it, once.
	el_set(console->edit, EL_SETTY, "-x", "-echo", NULL);
	el_set(console->edit, EL_ADDFN, "sluice-complete", "what may come next", on_tab);
	el_set(console->edit, EL_ADDFN, "sluice-help", "what may come next, told", on_question);
	el_set(console->edit, EL_ADDFN, "sluice-abort", "ends the line", on_abort);
	el_set(console->edit, EL_BIND, "\t", "sluice-complete", NULL);
	el_set(console->edit, EL_BIND, "?", "sluice-help", NULL);
	el_set(console->edit, EL_BIND, "^C", "sluice-abort", NULL);
	el_set(console->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(console->edit, EL_BIND, "^W", "ed-delete-prev-word", NULL);
	return 0;
}

static void stop(struct console *console)
{
	if (console->history)
		history_end(console->history);
	if (console->edit)
		el_end(console->edit);
	free(console->history_file);
}

int console_run(const char *socket, bool json)
{
	struct console console = {.json = json,
		.asker = {.socket = socket,
			.out = stdout,
			.err = stdout,
			.interrupted = interrupt_seen,
			.seen = &console.seen}};
	int error = start(&console);

	if (!error)
		printf("sluice %s; Tab completes, ? helps, exit leaves\n", SLUICE_VERSION);
	while (!error && !console.done) {
		const char *line;
		char *copy;
		int length;

		fflush(stdout);
		el_resize(console.edit);
		line = el_gets(console.edit, &length);
		interrupt_forget();
		if (console.aborted) {
			console.aborted = false;
			printf("^C\n");
			continue;
		}
		if (!line || length <= 0) { // Ctrl-D
			putchar('\n');
			console.done = !console.configuring;
			console.configuring = false;
			continue;
		}
		copy = strndup(line, strcspn(line, "\n"));
		remember(&console, line);
		if (copy)
			run_line(&console, copy);
		free(copy);
	}
	stop(&console);
	return error ? CLI_ERROR : CLI_OK;
}
