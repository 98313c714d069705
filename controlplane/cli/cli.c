// SPDX-License-Identifier: BSD-3-Clause
// Options, then the command, then the question, then the answer. See cli.h.
#include "cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *socket;
	bool json, help, version;
};

// 0, or -1 when an option is wrong. The words that are no options come last afterwards.
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	const char *environment = getenv("SLUICE_API");
	int option;

	options->socket = environment && *environment ? environment : CLI_SOCKET;
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

static void print_answer(
	const struct cli_call *call, json_t *answer, bool as_json, FILE *out, FILE *err)
{
	const char *warning = json_string_value(json_object_get(answer, "warning"));

	if (as_json) {
		json_dumpf(answer, out, JSON_INDENT(2));
		fputc('\n', out);
		return;
	}
	call->command->print(answer, out);
	fflush(out); // before what goes to the other stream
	if (warning)
		fprintf(err, "sluice: %s\n", warning);
}

static int ask(const struct cli_call *call, const struct options *options, FILE *out, FILE *err)
{
	char *query = client_query(call);
	struct reason reason = {0};
	json_t *answer = NULL;
	enum cli_exit result = CLI_ERROR;

	if (query)
		result = client_ask(
			options->socket, query, call->command->changes, &answer, &reason);
	if (result == CLI_OK)
		print_answer(call, answer, options->json, out, err);
	else
		fprintf(err, "sluice: %s\n", reason_text(&reason));
	json_decref(answer);
	reason_clear(&reason);
	free(query);
	return result;
}

int cli_run(int argc, char **argv, FILE *out, FILE *err)
{
	struct options options = {0};
	struct reason reason = {0};
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
	if (count && strcmp(words[0], "help") == 0)
		return help(words + 1, count - 1, out, err);
	if (options.help)
		return help(words, count, out, err);
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
	return ask(&call, &options, out, err);
}
