// SPDX-License-Identifier: BSD-3-Clause
// sluice show upgrade, upgrade install, upgrade rollback, reboot, factory-reset
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 300

enum {
	BUNDLE,
	REBOOT,
	INSTALL_YES,
};

static void print_install(json_t *install, FILE *out)
{
	const char *state = row_text(install, "state");

	if (strcmp(state, "installing") == 0)
		fprintf(out, "installing  %s: %llu%% %s\n", row_text(install, "bundle"),
			(unsigned long long)row_number(install, "percent"),
			row_text(install, "doing"));
	else if (strcmp(state, "failed") == 0)
		fprintf(out, "not installed: %s: %s\n", row_text(install, "bundle"),
			row_text(install, "error"));
}

static void print_upgrade(json_t *answer, FILE *out)
{
	struct table *table = table_new("lllll");
	json_t *row;
	size_t i;

	table_head(table, (const char *const[]){"SLOT", "IMAGE", "STATE", "STARTS", "INSTALLED"});
	json_array_foreach(json_object_get(answer, "slots"), i, row)
	{
		bool running = json_is_true(json_object_get(row, "running"));
		bool next = json_is_true(json_object_get(row, "next"));
		bool good = json_is_true(json_object_get(row, "good"));

		table_cell(table, "%s", row_text(row, "slot"));
		table_cell(table, "%s", row_text(row, "image"));
		table_cell(table, "%s",
			running ? next ? "running" : "running, not next"
			: next  ? "next"
				: "-");
		table_cell(table, "%s", good ? "yes" : "not proven");
		table_cell(table, "%s", row_text(row, "installed"));
	}
	table_print(table, "rauc says nothing of slots while it installs", out);
	print_install(json_object_get(answer, "install"), out);
}

const struct cli_command cli_upgrade = {
	.words = {"show", "upgrade"},
	.help = "the image's slots, and how far an upgrade is",
	.path = "/v1/upgrade",
	.print = print_upgrade,
};

static int tell(const struct cli_asker *asker, enum cli_exit result, struct reason *reason)
{
	if (reason->count)
		fprintf(asker->err, "sluice: %s\n", reason_text(reason));
	reason_clear(reason);
	return result;
}

// One question by POST, and its answer.
static enum cli_exit post(
	const struct cli_asker *asker, const char *path, json_t **answer, struct reason *reason)
{
	const struct client_text nothing = {0};

	return client_ask(asker, path, &nothing, answer, reason);
}

// Until it is installed or not; what RAUC does is shown as it does it.
static enum cli_exit follow(const struct cli_asker *asker, struct reason *reason)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	char shown[300] = "", line[300];

	for (;;) {
		json_t *answer = NULL, *install;
		const char *state;
		enum cli_exit result = client_ask(asker, "/v1/upgrade", NULL, &answer, reason);

		if (result != CLI_OK)
			return result;
		install = json_object_get(answer, "install");
		state = row_text(install, "state");
		snprintf(line, sizeof(line), "%3llu%% %.200s",
			(unsigned long long)row_number(install, "percent"),
			row_text(install, "doing"));
		if (strcmp(line, shown) != 0 && row_number(install, "percent") && !asker->json) {
			fprintf(asker->out, "%s\n", line);
			fflush(asker->out);
			strcpy(shown, line);
		}
		if (strcmp(state, "failed") == 0) {
			reason_add(reason, "not installed, and what runs stays: %s",
				row_text(install, "error"));
			result = CLI_ERROR;
		}
		if (strcmp(state, "installing") != 0) {
			if (asker->json) {
				json_dumpf(answer, asker->out, JSON_INDENT(2));
				fputc('\n', asker->out);
			}
			json_decref(answer);
			return result;
		}
		json_decref(answer);
		nanosleep(&pause, NULL);
	}
}

static enum cli_exit restart(const struct cli_asker *asker, const char *path, struct reason *reason)
{
	json_t *answer = NULL;
	enum cli_exit result = post(asker, path, &answer, reason);

	if (result == CLI_OK && asker->json) {
		json_dumpf(answer, asker->out, JSON_INDENT(2));
		fputc('\n', asker->out);
	} else if (result == CLI_OK) {
		fputs("the machine restarts; with a peer or routers they have its VIPs first\n",
			asker->out);
	}
	json_decref(answer);
	return result;
}

static int run_install(const struct cli_call *call, const struct cli_asker *asker)
{
	const char *bundle = call->values[BUNDLE];
	bool url = strstr(bundle, "://") != NULL;
	char *whole = url ? strdup(bundle) : realpath(bundle, NULL), *query;
	struct cli_call asked = {.command = call->command};
	struct reason reason = {0};
	enum cli_exit result;
	json_t *answer = NULL;

	if (!whole) {
		reason_add(&reason, "%s: %s", bundle, strerror(errno));
		return tell(asker, CLI_ERROR, &reason);
	}
	if (!confirm(asker, call->values[INSTALL_YES],
		    call->values[REBOOT]
			    ? "The image is written into the other slot, and the machine restarts "
			      "with it. Go on"
			    : "The image is written into the other slot. Go on")) {
		free(whole);
		return CLI_ERROR;
	}
	asked.values[BUNDLE] = whole;
	query = client_query(&asked);
	result = query ? post(asker, query, &answer, &reason) : CLI_ERROR;
	json_decref(answer);
	if (result == CLI_OK)
		result = follow(asker, &reason);
	if (result == CLI_OK && call->values[REBOOT])
		result = restart(asker, "/v1/reboot", &reason);
	else if (result == CLI_OK && !asker->json)
		fputs("the other slot has it: `reboot` starts it\n", asker->out);
	free(query);
	free(whole);
	return tell(asker, result, &reason);
}

const struct cli_command cli_upgrade_install = {
	.words = {"upgrade", "install"},
	.help = "write an image into the other slot, which starts next",
	.path = "/v1/upgrade/install",
	.arguments = {[BUNDLE] = {"bundle", "FILE|URL", "a .raucb of this box, or http(s)://"},
		[REBOOT] = {"reboot", NULL, "and restart with it, when others have the VIPs"},
		[INSTALL_YES] = {"yes", NULL, "do not ask whether"}},
	.changes = true,
	.bare = 1,
	.run = run_install,
};

static int run_leave(
	const struct cli_call *call, const struct cli_asker *asker, const char *question)
{
	struct reason reason = {0};

	if (!confirm(asker, call->values[0], question))
		return CLI_ERROR;
	return tell(asker, restart(asker, call->command->path, &reason), &reason);
}

static int run_rollback(const struct cli_call *call, const struct cli_asker *asker)
{
	return run_leave(
		call, asker, "The machine restarts with the image of the other slot. Go on");
}

#define YES_ARGUMENT                                                                               \
	{                                                                                          \
		{                                                                                  \
			"yes", NULL, "do not ask whether"                                          \
		}                                                                                  \
	}

const struct cli_command cli_upgrade_rollback = {
	.words = {"upgrade", "rollback"},
	.help = "restart with the image of the other slot",
	.path = "/v1/upgrade/rollback",
	.arguments = YES_ARGUMENT,
	.changes = true,
	.run = run_rollback,
};

static int run_reboot(const struct cli_call *call, const struct cli_asker *asker)
{
	return run_leave(call, asker, "The machine restarts. Go on");
}

const struct cli_command cli_reboot = {
	.words = {"reboot"},
	.help = "restart the machine, when others have its VIPs",
	.path = "/v1/reboot",
	.arguments = YES_ARGUMENT,
	.changes = true,
	.run = run_reboot,
};

static int run_factory_reset(const struct cli_call *call, const struct cli_asker *asker)
{
	return run_leave(call, asker,
		"Configuration, keys, leases and logs are lost, and the machine restarts as new. "
		"Go on");
}

const struct cli_command cli_factory_reset = {
	.words = {"factory-reset"},
	.help = "restart as new: configuration, keys and leases are lost",
	.path = "/v1/factory-reset",
	.arguments = YES_ARGUMENT,
	.changes = true,
	.run = run_factory_reset,
};
