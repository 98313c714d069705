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

// After its words, an argument of a command may be written as an option is: --role view.
static void strip_dashes(int argc, char **argv, const struct option *names)
{
	unsigned words = 0;

	for (int i = 1; i < argc; i++) {
		const struct option *option = names;

		words += argv[i][0] != '-';
		if (words < 2 || strncmp(argv[i], "--", 2) != 0 || !argv[i][2])
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
	struct reason reason = {0};
	struct cli_call call;

	if (!count) {
		cli_usage(out);
		return CLI_OK;
	}
	if (cli_parse(&call, words, count, &reason)) {
		fprintf(err, "sluice: %s\n", reason_text(&reason));
		reason_clear(&reason);
		return CLI_USAGE;
	}
	cli_command_usage(call.command, out);
	return CLI_OK;
}

static void print_answer(const struct cli_call *call, json_t *answer, const struct cli_asker *asker)
{
	const char *warning = json_string_value(json_object_get(answer, "warning"));

	if (asker->json) {
		json_dumpf(answer, asker->out, JSON_INDENT(2));
		fputc('\n', asker->out);
		return;
	}
	call->command->print(answer, asker->out);
	fflush(asker->out); // before what goes to the other stream
	if (warning)
		fprintf(asker->err, "sluice: %s\n", warning);
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

int cli_ask(const struct cli_call *call, const struct cli_asker *asker)
{
	const struct cli_command *command = call->command;
	bool content = command->content && call->values[command->content - 1];
	struct reason reason = {0};
	char *text = content ? read_content(call, &reason) : NULL;
	char *query = client_query(call);
	const char *body = command->changes ? "" : NULL;
	json_t *answer = NULL;
	enum cli_exit result = CLI_ERROR;

	if (query && (!content || text))
		result = client_ask(asker, query, content ? text : body, &answer, &reason);
	if (result == CLI_OK)
		print_answer(call, answer, asker);
	else
		fprintf(asker->err, "sluice: %s\n", reason_text(&reason));
	json_decref(answer);
	reason_clear(&reason);
	free(query);
	free(text);
	return result;
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
