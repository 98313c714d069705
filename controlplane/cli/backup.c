// SPDX-License-Identifier: BSD-3-Clause
// sluice backup, sluice restore: the archive comes from the control plane in the clear and leaves
// this process closed with a passphrase, which goes nowhere.
#include "cli.h"

#include "archive.h"
#include "envelope.h"
#include "whole_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_MS 20000 // until the control plane has started anew
#define TRY_MS   50

enum {
	FILE_NAME,
	PASSPHRASE_FILE,
	YES,
};

static void forget(struct client_text *text)
{
	if (text->bytes)
		explicit_bzero(text->bytes, text->length);
	free(text->bytes);
	*text = (struct client_text){0};
}

static enum cli_exit tell(
	const struct cli_asker *asker, enum cli_exit result, struct reason *reason)
{
	if (result != CLI_OK && reason->count)
		fprintf(asker->err, "sluice: %s\n", reason_text(reason));
	reason_clear(reason);
	return result;
}

static int write_backup(
	const char *name, const uint8_t *bytes, size_t length, struct reason *reason)
{
	if (strcmp(name, "-") != 0)
		return whole_file_write(
			&(struct whole_file){name, 0600, false}, bytes, length, reason);
	if (fwrite(bytes, 1, length, stdout) == length && fflush(stdout) == 0)
		return 0;
	reason_add(reason, "the backup cannot be written: %s", strerror(errno));
	return -EIO;
}

static void tell_backup(const struct cli_asker *asker, const char *name,
	const struct client_text *text, size_t size)
{
	FILE *out = strcmp(name, "-") == 0 ? asker->err : asker->out;
	char human[HUMAN_TEXT];
	struct archive archive;
	struct reason none = {0};
	const char *left;
	size_t length;

	if (archive_read(&archive, (const uint8_t *)text->bytes, text->length, &none) == 0) {
		if (asker->json)
			fprintf(out, "{\"files\":%u,\"bytes\":%zu}\n", archive.count, size);
		else
			fprintf(out, "%u files are in the backup, %s\n", archive.count,
				human_bytes(size, human));
		for (unsigned i = 0; (left = archive_about(&archive, "left-out", i, &length)); i++)
			fprintf(asker->err,
				"sluice: %.*s is not in it: only what lies beside sluice.conf is\n",
				(int)length, left);
		archive_clear(&archive);
	}
	reason_clear(&none);
}

static int run_backup(const struct cli_call *call, const struct cli_asker *asker)
{
	const char *name = call->values[FILE_NAME];
	const struct client_text nothing = {0};
	char passphrase[PASSPHRASE_MAX];
	struct client_text text = {0};
	struct reason reason = {0};
	enum cli_exit result = CLI_ERROR;
	uint8_t *closed = NULL;

	if (!passphrase_take(call->values[PASSPHRASE_FILE], true, passphrase, &reason))
		return tell(asker, CLI_USAGE, &reason);
	result = client_fetch(asker, call->command->path, &nothing, &text, &reason);
	if (result == CLI_OK) {
		closed = envelope_close(passphrase, text.bytes, text.length);
		if (!closed)
			reason_add(&reason, "the backup cannot be closed: out of memory");
		if (!closed || write_backup(name, closed, text.length + ENVELOPE_EXTRA, &reason))
			result = CLI_ERROR;
	}
	if (result == CLI_OK)
		tell_backup(asker, name, &text, text.length + ENVELOPE_EXTRA);
	explicit_bzero(passphrase, sizeof(passphrase));
	forget(&text);
	free(closed);
	return tell(asker, result, &reason);
}

static bool read_backup(const char *name, struct client_text *text, struct reason *reason)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	size_t room = 0, n = 1;

	while (in && n && text->length <= ENVELOPE_BYTES_MAX) {
		if (text->length == room) {
			char *more = realloc(text->bytes, room = room ? 2 * room : 65536);

			if (!more)
				break;
			text->bytes = more;
		}
		n = fread(text->bytes + text->length, 1, room - text->length, in);
		text->length += n;
	}
	if (!in || n || ferror(in))
		reason_add(reason, "%s: cannot be read: %s", name,
			in && n ? "it is too large for a backup" : strerror(errno));
	if (in && in != stdin)
		fclose(in);
	return !reason->count;
}

static void print_restored(json_t *answer, FILE *out)
{
	json_t *key;
	size_t i;

	fprintf(out, "%" PRIu64 " files are back, as %s had them at %s with version %s\n",
		row_number(answer, "files"), row_text(answer, "host"), row_text(answer, "made"),
		row_text(answer, "version"));
	json_array_foreach(json_object_get(answer, "waiting"), i, key)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(key));
	if (i)
		fprintf(out, "%s",
			json_is_true(json_object_get(answer, "dataplane_restarts"))
				? " changed: sluice-dataplane starts anew\n"
				: ": once sluice-dataplane is started anew: systemctl restart "
				  "sluice-dataplane\n");
}

// Which start of the control plane answers; "" = none.
static void which_start(const struct cli_asker *asker, char start[static 80])
{
	struct reason none = {0};
	json_t *answer = NULL;

	*start = '\0';
	if (client_ask(asker, "/v1/version", NULL, &answer, &none) == CLI_OK)
		snprintf(start, 80, "%s", row_text(answer, "start"));
	json_decref(answer);
	reason_clear(&none);
}

// What is asked next is asked of the box as it is now.
static bool wait_for_start(const struct cli_asker *asker, const char *before)
{
	const struct timespec pause = {.tv_nsec = TRY_MS * 1000000L};
	char start[80];

	for (unsigned waited = 0; waited < AGAIN_MS; waited += TRY_MS) {
		which_start(asker, start);
		if (*start && strcmp(start, before) != 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static enum cli_exit put_back(const struct cli_call *call, const struct cli_asker *asker,
	const struct client_text *plain, struct reason *reason)
{
	json_t *answer = NULL;
	enum cli_exit result;
	char before[80];

	which_start(asker, before);
	result = client_ask(asker, call->command->path, plain, &answer, reason);
	if (result == CLI_OK && asker->json) {
		json_dumpf(answer, asker->out, JSON_INDENT(2));
		fputc('\n', asker->out);
	} else if (result == CLI_OK) {
		print_restored(answer, asker->out);
	}
	json_decref(answer);
	if (result == CLI_OK && !wait_for_start(asker, before)) {
		reason_add(reason, "the control plane has not started anew: see its log");
		return CLI_ERROR;
	}
	return result;
}

static int run_restore(const struct cli_call *call, const struct cli_asker *asker)
{
	const char *name = call->values[FILE_NAME], *file = call->values[PASSPHRASE_FILE];
	char passphrase[PASSPHRASE_MAX] = "";
	struct client_text text = {0}, plain = {0};
	struct reason reason = {0};
	enum cli_exit result = CLI_ERROR;

	// Of one stream the passphrase is the first line.
	if (file && strcmp(file, "-") == 0 && !passphrase_take(file, false, passphrase, &reason))
		return tell(asker, CLI_USAGE, &reason);
	if (!read_backup(name, &text, &reason) ||
		!envelope_check((const uint8_t *)text.bytes, text.length, &reason))
		goto out;
	if (!*passphrase && !passphrase_take(file, false, passphrase, &reason))
		goto out;
	plain.bytes = (char *)envelope_open(
		passphrase, (const uint8_t *)text.bytes, text.length, &reason);
	if (!plain.bytes)
		goto out;
	plain.length = text.length - ENVELOPE_EXTRA;
	if (confirm(asker, call->values[YES],
		    "The backup takes the place of configuration, revisions, leases, tokens and "
		    "credentials. Go on"))
		result = put_back(call, asker, &plain, &reason);
out:
	explicit_bzero(passphrase, sizeof(passphrase));
	free(text.bytes);
	forget(&plain);
	return tell(asker, result, &reason);
}

const struct cli_command cli_backup = {
	.words = {"backup"},
	.help = "what this box is as one file, closed with a passphrase",
	.path = "/v1/backup",
	.arguments = {[FILE_NAME] = {"file", "FILE", "where it goes; - is the output"},
		[PASSPHRASE_FILE] = {"passphrase-file", "FILE",
			"its first line; - is the input; none: asked at the terminal"}},
	.changes = true,
	.bare = 1,
	.run = run_backup,
};

const struct cli_command cli_restore = {
	.words = {"restore"},
	.help = "become the box of a backup",
	.path = "/v1/restore",
	.arguments = {[FILE_NAME] = {"file", "FILE", "the backup; - is the input"},
		[PASSPHRASE_FILE] = {"passphrase-file", "FILE",
			"its first line; - is the input, whose rest may be the backup; none: "
			"asked"},
		[YES] = {"yes", NULL, "do not ask whether"}},
	.changes = true,
	.bare = 1,
	.run = run_restore,
};
