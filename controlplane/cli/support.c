// SPDX-License-Identifier: BSD-3-Clause
// sluice support-bundle: everything that `show` tells, the machine and its logs, without secrets.
// The control plane takes them out, as it knows them; while it does not answer, what looks like a
// secret is taken out here.
#include "cli.h"

#include "bundle.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONF_FILE "/etc/sluice/sluice.conf"

enum {
	FILE_NAME
};

// Whether it can be asked as it stands.
static bool is_shown(const struct cli_command *command)
{
	return strcmp(command->words[0], "show") == 0 && command->path &&
	       (!command->bare || command->bare_spared);
}

static void add_shown(
	struct archive *archive, const struct cli_command *command, const struct cli_asker *asker)
{
	struct client_text answer = {0};
	struct reason reason = {0};
	char name[80], *text = NULL;
	size_t length;
	FILE *out;

	snprintf(name, sizeof(name), "show/%s.json", command->words[1]);
	if (client_fetch(asker, command->path, NULL, &answer, &reason) != CLI_OK) {
		snprintf(name, sizeof(name), "show/%s.failed", command->words[1]);
		bundle_add(archive, name, reason_text(&reason), strlen(reason_text(&reason)));
	} else if ((out = open_memstream(&text, &length))) {
		cli_print_json(&answer, out);
		fclose(out);
		bundle_add(archive, name, text, length);
	}
	free(text);
	free(answer.bytes);
	reason_clear(&reason);
}

static void add_metrics(struct archive *archive, const struct cli_asker *asker)
{
	struct client_text answer = {0};
	struct reason reason = {0};

	if (client_fetch(asker, "/metrics", NULL, &answer, &reason) == CLI_OK)
		bundle_add(archive, "metrics", answer.bytes, answer.length);
	free(answer.bytes);
	reason_clear(&reason);
}

// As the control plane runs by it, else as it lies on the disk.
static void add_conf(struct archive *archive, const struct cli_asker *asker)
{
	struct reason reason = {0};
	json_t *answer = NULL;
	const char *text = NULL;
	char *bytes = NULL;
	size_t size = 0;
	FILE *file = NULL;

	if (client_ask(asker, "/v1/config", NULL, &answer, &reason) == CLI_OK)
		text = json_string_value(json_object_get(answer, "text"));
	if (text)
		bundle_add(archive, "sluice.conf", text, strlen(text));
	else if ((file = fopen(CONF_FILE, "re")) && getdelim(&bytes, &size, '\0', file) > 0)
		bundle_add(archive, "sluice.conf", bytes, strlen(bytes));
	if (file)
		fclose(file);
	free(bytes);
	json_decref(answer);
	reason_clear(&reason);
}

static void add_note(struct archive *archive, const char *host, bool asked)
{
	char text[1000];
	int length = snprintf(text, sizeof(text),
		"Sluice %s on %s, %lld s since 1970.\n\n"
		"show/     what the console shows, as JSON; *.failed: why not\n"
		"metrics   all counters\n"
		"journal/  the last lines of the log\n"
		"system/   the machine\n\n"
		"Secrets were taken out, and stand as " REDACTED ": %s.\n",
		SLUICE_VERSION, host, (long long)time(NULL),
		asked ? "those that the box knows, and what looks like one"
		      : "what looks like one. The control plane did not answer, which knows more: "
			"look before you send it");

	bundle_add(archive, "README", text, (size_t)length);
}

// The control plane did not: without what it knows.
static bool redact_here(struct archive *archive)
{
	struct archive left = {0};

	for (unsigned i = 0; i < archive->count; i++) {
		const struct archive_file *file = &archive->files[i];
		size_t length = 0;
		char *text = redact_text(NULL, (const char *)file->bytes, file->length, &length);

		if (!text) {
			archive_clear(&left);
			return false;
		}
		(void)archive_add(&left, file->name, text, length);
		free(text);
	}
	archive_clear(archive);
	*archive = left;
	return true;
}

// False with the reason when there is nothing that may go out. `asked`: the control plane did it.
static bool take_secrets_out(
	struct archive *archive, const struct cli_asker *asker, bool *asked, struct reason *reason)
{
	struct client_text sent = {0}, left = {0};
	struct reason why = {0};
	bool ok = false;

	sent.bytes = (char *)archive_write(archive, &sent.length);
	*asked = sent.bytes && client_fetch(asker, "/v1/support", &sent, &left, &why) == CLI_OK;
	reason_clear(&why);
	if (*asked) {
		archive_clear(archive);
		ok = archive_read(archive, (const uint8_t *)left.bytes, left.length, reason) == 0;
	} else {
		ok = redact_here(archive);
		if (!ok)
			reason_add(reason, "secrets cannot be taken out: out of memory");
	}
	if (sent.bytes)
		explicit_bzero(sent.bytes, sent.length);
	free(sent.bytes);
	free(left.bytes);
	return ok;
}

static int run_support(const struct cli_call *call, const struct cli_asker *asker)
{
	char host[65] = "box", when[20], folder[80], made[90];
	const char *path = call->values[FILE_NAME];
	struct archive archive = {0};
	struct reason reason = {0};
	time_t now = time(NULL);
	int result = CLI_ERROR;
	struct tm utc;
	bool asked;

	gethostname(host, sizeof(host) - 1);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	snprintf(folder, sizeof(folder), "sluice-support-%.40s-%s", host, when);
	snprintf(made, sizeof(made), "%s.tar.gz", folder);
	if (!path)
		path = made;
	for (unsigned i = 0; cli_commands[i]; i++)
		if (is_shown(cli_commands[i]))
			add_shown(&archive, cli_commands[i], asker);
	add_metrics(&archive, asker);
	add_conf(&archive, asker);
	bundle_gather(&archive);
	if (take_secrets_out(&archive, asker, &asked, &reason)) {
		add_note(&archive, host, asked);
		if (bundle_write(&archive, folder, path, &reason) == 0)
			result = CLI_OK;
	}
	if (result == CLI_OK && strcmp(path, "-") != 0)
		fprintf(asker->out, "%u files are in %s\n", archive.count, path);
	if (result == CLI_OK && !asked)
		fprintf(asker->err, "sluice: the control plane does not answer, which knows the "
				    "secrets: look into it before you send it\n");
	if (reason.count)
		fprintf(asker->err, "sluice: %s\n", reason_text(&reason));
	reason_clear(&reason);
	archive_clear(&archive);
	return result;
}

const struct cli_command cli_support = {
	.words = {"support-bundle"},
	.help = "what helps to find a fault, without secrets, as a tar.gz",
	.path = "/v1/support",
	.arguments = {[FILE_NAME] = {"file", "FILE",
			      "where it goes; - is the output; none: a name with host and time"}},
	.changes = true,
	.bare = 1,
	.bare_spared = true,
	.run = run_support,
};
