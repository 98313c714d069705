// SPDX-License-Identifier: BSD-3-Clause
// The commands, found by words that may be abbreviated, and their help. See cli.h.
#include "cli.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 64

const struct cli_command *const cli_commands[] = {
	&cli_status,
	&cli_vips,
	&cli_services,
	&cli_endpoints,
	&cli_pools,
	&cli_flows,
	&cli_workers,
	&cli_ports,
	&cli_neighbours,
	&cli_host_routes,
	&cli_drops,
	&cli_problems,
	&cli_ingresses,
	&cli_routes,
	&cli_certificates,
	&cli_requests,
	&cli_clusters,
	&cli_bgp,
	&cli_vrrp,
	&cli_config,
	&cli_history,
	&cli_version,
	&cli_upgrade,
	&cli_explain_tcp,
	&cli_explain_udp,
	&cli_explain,
	&cli_trace,
	&cli_capture,
	&cli_ping,
	&cli_traceroute,
	&cli_clear_counters,
	&cli_clear_flows,
	&cli_clear_neighbours,
	&cli_drain_vip,
	&cli_drain_box,
	&cli_drain_endpoint,
	&cli_undrain_vip,
	&cli_undrain_box,
	&cli_undrain_endpoint,
	&cli_cluster_list,
	&cli_cluster_show,
	&cli_cluster_check,
	&cli_cluster_register,
	&cli_cluster_drain,
	&cli_cluster_undrain,
	&cli_cluster_unregister,
	&cli_log,
	&cli_log_level,
	&cli_token_list,
	&cli_token_create,
	&cli_token_delete,
	&cli_set,
	&cli_delete,
	&cli_candidate,
	&cli_compare,
	&cli_configure_status,
	&cli_rollback,
	&cli_discard,
	&cli_configure_commit,
	&cli_commit,
	&cli_backup,
	&cli_restore,
	&cli_support,
	&cli_upgrade_install,
	&cli_upgrade_rollback,
	&cli_reboot,
	&cli_factory_reset,
	&cli_shell,
	NULL,
};

bool cli_begins(const char *whole, const char *word)
{
	return strncmp(whole, word, strlen(word)) == 0;
}

unsigned cli_depth(const struct cli_command *command)
{
	return command->words[1] ? CLI_WORDS_MAX : 1;
}

// Words before the last are compared by prefix too: "sh vi" is "show vips".
bool cli_fits(const struct cli_command *command, char *const *words, unsigned count)
{
	for (unsigned i = 0; i < count && i < cli_depth(command); i++)
		if (!(i && command->positional) && !cli_begins(command->words[i], words[i]))
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

		if (!word || !cli_fits(cli_commands[i], words, count) || strcmp(word, before) == 0)
			continue;
		fprintf(file, "%s%s", *before ? ", " : "", word);
		before = word;
	}
	fclose(file);
	reason_add(reason, "%s: expected one of %s", what, text);
	free(text);
}

// `at`: which of its words is not clear.
static void list_ambiguous(const struct cli_command *const *found, unsigned count, unsigned at,
	const char *word, struct reason *reason)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *whole = found[i]->words[cli_depth(found[i]) > at ? at : 0];
		bool told = false;

		for (unsigned j = 0; j < i; j++)
			told |= strcmp(found[j]->words[cli_depth(found[j]) > at ? at : 0], whole) ==
				0;
		if (!told)
			fprintf(file, "%s%s", i ? ", " : "", whole);
	}
	fclose(file);
	reason_add(reason, "\"%s\" may be %s: type more of it", word, text);
	free(text);
}

// Only those that fit the most words: "s vi" is "show vips", and not a file of support-bundle.
static unsigned longest(const struct cli_command **found, unsigned n, unsigned count)
{
	unsigned most = 0, left = 0;

	for (unsigned i = 0; i < n; i++)
		if (cli_depth(found[i]) <= count && cli_depth(found[i]) > most)
			most = cli_depth(found[i]);
	for (unsigned i = 0; i < n; i++)
		if (cli_depth(found[i]) >= most)
			found[left++] = found[i];
	return left;
}

// The commands that fit as many of the words as they have; a whole first word wins over those it
// begins.
static unsigned list_found(
	char *const *words, unsigned count, const struct cli_command **found, unsigned most)
{
	bool whole = false;
	unsigned n = 0;

	for (unsigned i = 0; cli_commands[i]; i++)
		whole |= strcmp(cli_commands[i]->words[0], words[0]) == 0;
	for (unsigned i = 0; cli_commands[i] && n < most; i++)
		if (cli_fits(cli_commands[i], words, count) &&
			(!whole || strcmp(cli_commands[i]->words[0], words[0]) == 0))
			found[n++] = cli_commands[i];
	return longest(found, n, count);
}

const struct cli_command *cli_find(char *const *words, unsigned count, struct reason *reason)
{
	const struct cli_command *found[FOUND_MAX];
	unsigned fitting = count ? list_found(words, count, found, FOUND_MAX) : 0;
	unsigned at = count > 1;
	char what[120];

	if (!count) {
		list_fitting(words, 0, "the command goes on", reason);
		return NULL;
	}
	if (!fitting) {
		at = list_found(words, 1, found, FOUND_MAX) > 0;
		snprintf(what, sizeof(what), "found \"%.60s\"", words[at]);
		list_fitting(words, at, what, reason);
		return NULL;
	}
	for (unsigned i = 0; i < fitting; i++) {
		const char *word = found[i]->words[cli_depth(found[i]) > 1 ? at : 0];

		// The whole word wins over those it begins.
		if ((at && found[i]->positional) ||
			(count >= cli_depth(found[i]) &&
				strcmp(word, words[cli_depth(found[i]) > 1 ? at : 0]) == 0))
			return found[i];
	}
	if (fitting == 1 && count >= cli_depth(found[0]))
		return found[0];
	for (unsigned i = 1; i < fitting; i++)
		if (count > 1 || strcmp(found[i]->words[0], found[0]->words[0]) != 0) {
			list_ambiguous(found, fitting, at, words[at], reason);
			return NULL;
		}
	list_fitting(words, 1, "the command goes on", reason);
	return NULL;
}

// Says "show vips" or "commit".
static const char *name_of(const struct cli_command *command, char text[static 80])
{
	snprintf(text, 80, "%s%s%s", command->words[0], command->words[1] ? " " : "",
		command->words[1] ? command->words[1] : "");
	return text;
}

// The index of the argument that the word means, or -1.
static int find_argument(const struct cli_command *command, const char *word, struct reason *reason)
{
	int found = -1;
	char text[80];

	for (int i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++) {
		const char *name = command->arguments[i].name;

		if (strcmp(name, word) == 0)
			return i;
		if (!cli_begins(name, word))
			continue;
		if (found >= 0) {
			reason_add(reason, "\"%s\" may be %s or %s: type more of it", word,
				command->arguments[found].name, name);
			return -1;
		}
		found = i;
	}
	if (found < 0)
		reason_add(
			reason, "\"%s\" has no argument \"%.60s\"", name_of(command, text), word);
	return found;
}

static bool is_argument(const struct cli_command *command, const char *word)
{
	for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++)
		if (strcmp(command->arguments[i].name, word) == 0)
			return true;
	return false;
}

// All words from `first` on, as one text.
static int take_tail(struct cli_call *call, char *const *words, unsigned count, unsigned first,
	struct reason *reason)
{
	size_t n = 0;

	for (unsigned i = first; i < count; i++) {
		n += (size_t)snprintf(call->tail + n, sizeof(call->tail) - n, "%s%s",
			i > first ? " " : "", words[i]);
		if (n >= sizeof(call->tail)) {
			reason_add(reason, "too long: at most %d characters", CLI_TAIL_SIZE - 1);
			return -E2BIG;
		}
	}
	call->values[call->command->tail - 1] = call->tail;
	return 0;
}

// The arguments by their names, from the word `at` on.
static int take_named(struct cli_call *call, char *const *words, unsigned count, unsigned at,
	struct reason *reason)
{
	for (unsigned i = at; i < count; i++) {
		int found = find_argument(call->command, words[i], reason);
		const struct cli_argument *argument;

		if (found < 0)
			return -EINVAL;
		argument = &call->command->arguments[found];
		if (call->values[found]) {
			reason_add(reason, "\"%s\" was given twice", argument->name);
			return -EINVAL;
		}
		if (!argument->value) {
			call->values[found] = "";
			continue;
		}
		if (i + 1 == count) {
			reason_add(reason, "\"%s\" needs its %s", argument->name, argument->value);
			return -EINVAL;
		}
		if (call->command->tail == (unsigned)found + 1)
			return take_tail(call, words, count, i + 1, reason);
		call->values[found] = words[++i];
	}
	return 0;
}

int cli_parse(struct cli_call *call, char *const *words, unsigned count, struct reason *reason)
{
	const struct cli_command *command = cli_find(words, count, reason);
	unsigned at = command ? cli_depth(command) : 0;
	char text[80];
	int error;

	memset(call, 0, offsetof(struct cli_call, tail));
	call->command = command;
	if (!command)
		return -EINVAL;
	if (command->positional)
		call->values[0] = words[1];
	for (unsigned i = 0; i < command->bare && at < count; i++) {
		if (strcmp(words[at], command->arguments[i].name) == 0 ||
			(command->bare_spared && is_argument(command, words[at])))
			break;
		if (command->tail == i + 1) {
			error = take_tail(call, words, count, at, reason);
			if (error)
				return error;
			at = count;
		} else {
			call->values[i] = words[at++];
		}
	}
	error = take_named(call, words, count, at, reason);
	if (error)
		return error;
	for (unsigned i = 0; i < command->bare && !command->bare_spared; i++)
		if (!call->values[i]) {
			reason_add(reason, "\"%s\" needs its %s", name_of(command, text),
				command->arguments[i].value);
			return -EINVAL;
		}
	return 0;
}

void cli_command_usage(const struct cli_command *command, FILE *out)
{
	char text[80];

	fprintf(out, "sluice %s", name_of(command, text));
	for (unsigned i = command->positional; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
		i++) {
		const struct cli_argument *argument = &command->arguments[i];

		if (i < command->bare) {
			fprintf(out, command->bare_spared ? " [%s]" : " %s", argument->value);
			continue;
		}
		fprintf(out, " [%s%s%s]", argument->name, argument->value ? " " : "",
			argument->value ? argument->value : "");
	}
	fprintf(out, " [--json]\n    %s\n", command->help);
	for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name; i++)
		fprintf(out, "    %-11s %s\n", command->arguments[i].name,
			command->arguments[i].help);
}

void cli_usage(FILE *out)
{
	char text[80];

	fputs("usage: sluice [--socket PATH] [--json] [COMMAND]\n\n", out);
	for (unsigned i = 0; cli_commands[i]; i++)
		fprintf(out, "  %-23s %s\n", name_of(cli_commands[i], text), cli_commands[i]->help);
	fputs("\n  help [COMMAND]          this, or a command and its arguments\n"
	      "\n  -s, --socket PATH  the control plane's socket (or SLUICE_API; "
	      "default " CLI_SOCKET ")\n"
	      "  -j, --json         the answer as JSON\n"
	      "  -V, --version      the version of this program\n"
	      "\nOn a terminal and without a command it is a console: Tab completes, ? helps."
	      "\nWords may be abbreviated: sluice sh vi. Ends with 0, 1 on an error, 2 on wrong "
	      "usage.\n",
		out);
}
