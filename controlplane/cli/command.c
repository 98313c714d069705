// SPDX-License-Identifier: BSD-3-Clause
// The commands, found by words that may be abbreviated, and their help. See cli.h.
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command *const cli_commands[] = {
	&cli_status,
	&cli_vips,
	&cli_services,
	&cli_endpoints,
	&cli_flows,
	&cli_workers,
	&cli_ports,
	&cli_drops,
	&cli_problems,
	&cli_ingresses,
	&cli_routes,
	&cli_certificates,
	&cli_requests,
	&cli_bgp,
	&cli_vrrp,
	&cli_version,
	&cli_explain,
	&cli_drain_vip,
	&cli_drain_box,
	&cli_undrain_vip,
	&cli_undrain_box,
	NULL,
};

static bool begins(const char *whole, const char *word)
{
	return strncmp(whole, word, strlen(word)) == 0;
}

// Does the command fit the first `count` words? Words before the last are compared by prefix too:
// "sh vi" is "show vips".
static bool fits(const struct cli_command *command, char *const *words, unsigned count)
{
	for (unsigned i = 0; i < count && !(i && command->positional); i++)
		if (!begins(command->words[i], words[i]))
			return false;
	return true;
}

static void list_fitting(
	char *const *words, unsigned count, const char *what, struct reason *reason)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	const char *before = "";

	if (!file)
		return;
	for (unsigned i = 0; cli_commands[i]; i++) {
		const char *word = cli_commands[i]->words[count];

		if (!fits(cli_commands[i], words, count) || strcmp(word, before) == 0)
			continue;
		fprintf(file, "%s%s", *before ? ", " : "", word);
		before = word;
	}
	fclose(file);
	reason_add(reason, "%s: expected one of %s", what, text);
	free(text);
}

static void list_ambiguous(char *const *words, unsigned count, struct reason *reason)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	const char *before = "";

	if (!file)
		return;
	for (unsigned i = 0; cli_commands[i]; i++) {
		if (!fits(cli_commands[i], words, count))
			continue;
		fprintf(file, "%s%s", *before ? ", " : "", cli_commands[i]->words[count - 1]);
		before = ",";
	}
	fclose(file);
	reason_add(reason, "\"%s\" may be %s: type more of it", words[count - 1], text);
	free(text);
}

static const struct cli_command *find(char *const *words, unsigned count, struct reason *reason)
{
	const struct cli_command *found = NULL;
	unsigned fitting = 0;
	char what[120];

	for (unsigned n = 1; n <= CLI_WORDS_MAX; n++) {
		if (n > count) {
			list_fitting(words, n - 1, "the command goes on", reason);
			return NULL;
		}
		fitting = 0;
		for (unsigned i = 0; cli_commands[i]; i++) {
			if (!fits(cli_commands[i], words, n))
				continue;
			// The whole word wins over those it begins.
			if (n == CLI_WORDS_MAX &&
				(cli_commands[i]->positional ||
					strcmp(cli_commands[i]->words[n - 1], words[n - 1]) == 0))
				return cli_commands[i];
			found = cli_commands[i];
			fitting++;
		}
		if (!fitting) {
			snprintf(what, sizeof(what), "found \"%.60s\"", words[n - 1]);
			list_fitting(words, n - 1, what, reason);
			return NULL;
		}
	}
	if (fitting > 1) {
		list_ambiguous(words, CLI_WORDS_MAX, reason);
		return NULL;
	}
	return found;
}

// The index of the argument that the word means, or -1.
static int find_argument(const struct cli_command *command, const char *word, struct reason *reason)
{
	int found = -1;

	for (int i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		const char *name = command->arguments[i].name;

		if (strcmp(name, word) == 0)
			return i;
		if (!begins(name, word))
			continue;
		if (found >= 0) {
			reason_add(reason, "\"%s\" may be %s or %s: type more of it", word,
				command->arguments[found].name, name);
			return -1;
		}
		found = i;
	}
	if (found < 0)
		reason_add(reason, "\"%s %s\" has no argument \"%.60s\"", command->words[0],
			command->words[1], word);
	return found;
}

int cli_parse(struct cli_call *call, char *const *words, unsigned count, struct reason *reason)
{
	unsigned first = CLI_WORDS_MAX;

	*call = (struct cli_call){.command = find(words, count, reason)};
	if (!call->command)
		return -EINVAL;
	if (call->command->positional)
		call->values[0] = words[1];
	if (call->command->bare && count == CLI_WORDS_MAX + 1)
		call->values[0] = words[first++];
	for (unsigned i = first; i < count; i++) {
		int at = find_argument(call->command, words[i], reason);
		const struct cli_argument *argument;

		if (at < 0)
			return -EINVAL;
		argument = &call->command->arguments[at];
		if (call->values[at]) {
			reason_add(reason, "\"%s\" was given twice", argument->name);
			return -EINVAL;
		}
		if (!argument->value) {
			call->values[at] = "";
			continue;
		}
		if (i + 1 == count) {
			reason_add(reason, "\"%s\" needs its %s", argument->name, argument->value);
			return -EINVAL;
		}
		call->values[at] = words[++i];
	}
	if (call->command->bare && !call->values[0]) {
		reason_add(reason, "\"%s %s\" needs its %s", call->command->words[0],
			call->command->words[1], call->command->arguments[0].value);
		return -EINVAL;
	}
	return 0;
}

void cli_command_usage(const struct cli_command *command, FILE *out)
{
	fprintf(out, "sluice %s %s", command->words[0], command->words[1]);
	for (unsigned i = command->positional; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
		i++) {
		const struct cli_argument *argument = &command->arguments[i];

		fprintf(out, " [%s%s%s]", argument->name, argument->value ? " " : "",
			argument->value ? argument->value : "");
	}
	fprintf(out, " [--json]\n    %s\n", command->help);
	for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++)
		fprintf(out, "    %-9s %s\n", command->arguments[i].name,
			command->arguments[i].help);
}

void cli_usage(FILE *out)
{
	fputs("usage: sluice [--socket PATH] [--json] COMMAND\n\n", out);
	for (unsigned i = 0; cli_commands[i]; i++)
		fprintf(out, "  %s %-10s %s\n", cli_commands[i]->words[0],
			cli_commands[i]->words[1], cli_commands[i]->help);
	fputs("\n  help [COMMAND]  this, or a command and its arguments\n"
	      "\n  -s, --socket PATH  the control plane's socket (or SLUICE_API; "
	      "default " CLI_SOCKET ")\n"
	      "  -j, --json         the answer as JSON\n"
	      "  -V, --version      the version of this program\n"
	      "\nWords may be abbreviated: sluice sh vi. Ends with 0, 1 on an error, 2 on wrong "
	      "usage.\n",
		out);
}
