// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/backup, /v1/restore: what the box is, as an archive (archive.h) in the clear. Over the
// socket alone; the console closes the file with a passphrase.
#include "api_internal.h"

#include "backup.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>

static bool find_place(const struct api_request *request, struct backup_place *place)
{
	const struct api_state *state = request->state;

	if (!state->seal) {
		reason_add(request->refused, "there is no state folder");
		return false;
	}
	*place = (struct backup_place){.config_file = state->settings->file,
		.state_dir = state->settings->state_dir,
		.seal = state->seal,
		.settings = state->settings};
	return true;
}

static void backup(const struct api_request *request, struct text *text)
{
	struct backup_place place;
	struct archive archive;

	if (!find_place(request, &place) || backup_collect(&place, &archive, request->refused))
		return;
	text->bytes = (char *)archive_write(&archive, &text->length);
	text->failed = !text->bytes;
	archive_clear(&archive);
}

static json_t *about(const struct archive *archive, const char *word)
{
	size_t length;
	const char *text = archive_about(archive, word, 0, &length);

	return text ? json_stringn(text, length) : json_null();
}

// What of the dataplane's waits for its next start.
static json_t *waiting(const struct api_request *request, const struct archive *archive)
{
	const struct archive_file *conf = archive_find(archive, ARCHIVE_CONF);
	char *now = file_text(request->state->settings->file);
	json_t *list = now && conf ? config_waiting(now, (const char *)conf->bytes) : json_array();

	free(now);
	return list;
}

static json_t *restore(const struct api_request *request)
{
	json_t *answer = NULL, *keys;
	struct backup_place place;
	struct archive archive;
	size_t length;
	const char *made;
	bool dataplane;

	if (!find_place(request, &place) || archive_read(&archive, (const uint8_t *)request->body,
						    request->body_size, request->refused))
		return NULL;
	keys = waiting(request, &archive);
	dataplane = json_array_size(keys) > 0 && service_managed();
	if (restore_stage(&place, &archive, dataplane, request->refused) == 0) {
		made = archive_about(&archive, "made", 0, &length);
		answer = json_pack("{s:i, s:o, s:o, s:o, s:O, s:b}", "files", (int)archive.count,
			"host", about(&archive, "host"), "version", about(&archive, "version"),
			"made", made ? json_time(strtoull(made, NULL, 10) * 1000000) : json_null(),
			"waiting", keys, "dataplane_restarts", dataplane);
	}
	json_decref(keys);
	archive_clear(&archive);
	return answer;
}

const struct api_command api_backup = {
	.path = "/v1/backup",
	.help = "configuration, revisions, leases, credentials, tokens and drains, in the clear",
	.changes = true, // nothing, but who has it has every key: it is audited
	.local = true,
	.write = backup,
	.type = "application/octet-stream",
};

const struct api_command api_restore = {
	.path = "/v1/restore",
	.help = "become the box of a backup, which is the body; the control plane starts anew",
	.changes = true,
	.local = true,
	.again = true,
	.body = ARCHIVE_BYTES_MAX,
	.posted = "what backup gave",
	.posted_type = "application/octet-stream",
	.handler = restore,
	.answer = "{files: number, host: text?, version: text?, made: text?, waiting: [any], "
		  "dataplane_restarts: bool}",
};
