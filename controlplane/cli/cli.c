// SPDX-License-Identifier: BSD-3-Clause
// Options, then the command, then the question, then the answer. See cli.h.
#include "cli.h"

#include "console.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *socket;
	bool json, help, man, version;
};

// After its first word, an argument of a command may be written as an option is: --role view.
static void strip_dashes(int argc, char **argv, const struct option *names)
{
	unsigned words = 0;

	for (int i = 1; i < argc; i++) {
		const struct option *option = names;

		words += argv[i][0] != '-';
		if (words < 1 || strncmp(argv[i], "--", 2) != 0 || !argv[i][2])
			continue;
		while (option->name && !cli_begins(option->name, argv[i] + 2) &&
			strchr(argv[i], '=') == NULL)
			option++;
		if (!option->name)
			argv[i] += 2;
	}
}

// 0, or -1 when an option is wrong. The words that are no options come last afterwards.
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"man", no_argument, NULL, 'm'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *environment = getenv("SLUICE_API");
	int option;

	options->socket = environment && *environment ? environment : CLI_SOCKET;
	strip_dashes(argc, argv, names);
	optind = 0; // start anew: a test calls more than once
	opterr = 0;
	while ((option = getopt_long(argc, argv, "s:jhV", names, NULL)) != -1) {
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
			options->help = true;
			break;
		case 'm':
			options->man = true;
			break;
		case 'V':
			options->version = true;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

static int help(char *const *words, unsigned count, FILE *out, FILE *err)
{
	const struct cli_command *command;
	struct reason reason = {0};

	if (!count) {
		cli_usage(out);
		return CLI_OK;
	}
	command = cli_find(words, count, &reason);
	if (!command) {
		fprintf(err, "sluice: %s\n", reason_text(&reason));
		reason_clear(&reason);
		return CLI_USAGE;
	}
	cli_command_usage(command, out);
	return CLI_OK;
}

#define INDENTED_MAX (1024 * 1024) // bytes; what is longer is for programs

void cli_print_json(const struct client_text *text, FILE *out)
{
	json_t *json = text->length <= INDENTED_MAX
			       ? json_loadb(text->bytes, text->length, JSON_DECODE_ANY, NULL)
			       : NULL;

	if (json)
		json_dumpf(json, out, JSON_INDENT(2));
	else
		fwrite(text->bytes, 1, text->length, out);
	fputc('\n', out);
	json_decref(json);
}

static bool print_tree(const struct cli_command *command, const struct client_text *text,
	const struct cli_asker *asker)
{
	json_t *answer = json_loadb(text->bytes, text->length, 0, NULL);
	const char *warning = json_string_value(json_object_get(answer, "warning"));
	const char *since = json_string_value(json_object_get(answer, "counted_since"));

	if (!answer)
		return false;
	command->print(answer, asker->out);
	if (since && !command->changes)
		fprintf(asker->out, "counted since %s, when counters were cleared\n", since);
	fflush(asker->out); // before what goes to the other stream
	if (warning)
		fprintf(asker->err, "sluice: %s\n", warning);
	json_decref(answer);
	return true;
}

static bool print_answer(
	const struct cli_command *command, struct client_text *text, const struct cli_asker *asker)
{
	const char *warning;

	if (!text->bytes)
		return false;
	if (asker->json) {
		cli_print_json(text, asker->out);
		return true;
	}
	if (!command->print_text)
		return print_tree(command, text, asker);
	warning = command->print_text(text->bytes, text->length, asker->out);
	fflush(asker->out);
	if (warning)
		fprintf(asker->err, "sluice: %s\n", warning);
	return true;
}

// What goes along with a question: the content of a file when one is named. To be freed.
static char *read_content(const struct cli_call *call, struct reason *reason)
{
	const char *name = call->values[call->command->content - 1];
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	size_t size = 0;
	char *text = NULL;

	if (!file || getdelim(&text, &size, '\0', file) < 0) {
		if (file && feof(file) && !ferror(file))
			reason_add(reason, "%s: empty", name);
		else
			reason_add(reason, "%s: cannot be read: %s", name, strerror(errno));
		free(text);
		text = NULL;
	}
	if (file && file != stdin)
		fclose(file);
	return text;
}

#define EDITING "/v1/config/"

static bool edits(const struct cli_call *call, const struct cli_asker *asker)
{
	return asker->seen && strncmp(call->command->path, EDITING, strlen(EDITING)) == 0;
}

static bool add_argument(char **path, const char *argument)
{
	char *longer;

	if (asprintf(&longer, "%s%c%s", *path, strchr(*path, '?') ? '&' : '?', argument) < 0)
		return false;
	free(*path);
	*path = longer;
	return true;
}

// A console tells which candidate it means: another one may have been at it.
static bool tell_seen(const struct cli_call *call, const struct cli_asker *asker, char **path)
{
	char seen[40];

	if (!edits(call, asker) || !call->command->changes || !*asker->seen)
		return true;
	snprintf(seen, sizeof(seen), "seen=%llu", (unsigned long long)*asker->seen);
	return add_argument(path, seen);
}

static void see(
	const struct cli_call *call, const struct cli_asker *asker, const struct client_text *text)
{
	json_t *answer, *edit;

	if (!edits(call, asker))
		return;
	answer = json_loadb(text->bytes, text->length, 0, NULL);
	edit = json_object_get(answer, "edit");
	if (edit)
		*asker->seen = (uint64_t)json_integer_value(edit);
	json_decref(answer);
}

static bool compose(const struct cli_call *call, const struct cli_asker *asker,
	struct cli_question *question, struct reason *reason)
{
	const struct cli_command *command = call->command;
	const char *shorter = asker->json ? NULL : command->shorter;

	if (command->compose)
		return command->compose(call, question, reason);
	question->path = client_query(call);
	if (!question->path || (shorter && !add_argument(&question->path, shorter)))
		return false;
	if (command->content && call->values[command->content - 1])
		question->body = read_content(call, reason);
	else if (command->changes)
		question->body = strdup("");
	return question->body || !command->changes;
}

static int ask_once(const struct cli_call *call, const struct cli_asker *usual)
{
	const struct cli_command *command = call->command;
	struct cli_asker asker = *usual;
	struct cli_question question = {0};
	struct reason reason = {0};
	struct client_text body, answer = {0};
	enum cli_exit result = CLI_ERROR;

	asker.patience_s = command->patience_s;
	if (compose(call, usual, &question, &reason) && tell_seen(call, usual, &question.path)) {
		body = (struct client_text){
			question.body, question.body ? strlen(question.body) : 0};
		result = client_fetch(
			&asker, question.path, question.body ? &body : NULL, &answer, &reason);
	}
	if (result == CLI_OK)
		see(call, usual, &answer);
	if (result == CLI_OK && !print_answer(command, &answer, &asker)) {
		reason_add(&reason, "the control plane's answer cannot be read");
		result = CLI_ERROR;
	}
	if (result != CLI_OK)
		fprintf(asker.err, "sluice: %s\n", reason_text(&reason));
	free(answer.bytes);
	reason_clear(&reason);
	if (question.body) // there may be credentials in it
		explicit_bzero(question.body, strlen(question.body));
	free(question.path);
	free(question.body);
	return result;
}

int cli_ask(const struct cli_call *call, const struct cli_asker *asker)
{
	return call->command->run ? call->command->run(call, asker) : ask_once(call, asker);
}

int cli_run(int argc, char **argv, FILE *out, FILE *err)
{
	struct options options = {0};
	struct reason reason = {0};
	struct cli_asker asker = {.out = out, .err = err};
	struct cli_call call;
	char *const *words;
	unsigned count;

	if (read_options(argc, argv, &options)) {
		fprintf(err, "sluice: \"%s\" is no option, or lacks its value\n", argv[optind - 1]);
		cli_usage(err);
		return CLI_USAGE;
	}
	words = argv + optind;
	count = (unsigned)(argc - optind);
	if (options.version) {
		fprintf(out, "sluice %s\n", SLUICE_VERSION);
		return CLI_OK;
	}
	if (options.man) {
		cli_man(out);
		return CLI_OK;
	}
	if (count && strcmp(words[0], "help") == 0)
		return help(words + 1, count - 1, out, err);
	if (options.help)
		return help(words, count, out, err);
	if (!count && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return console_run(options.socket, options.json);
	if (!count) {
		cli_usage(err);
		return CLI_USAGE;
	}
	if (cli_parse(&call, words, count, &reason)) {
		fprintf(err, "sluice: %s\n", reason_text(&reason));
		if (call.command)
			cli_command_usage(call.command, err);
		reason_clear(&reason);
		return CLI_USAGE;
	}
	asker.socket = options.socket;
	asker.json = options.json;
	return cli_ask(&call, &asker);
}
