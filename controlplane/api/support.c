// SPDX-License-Identifier: BSD-3-Clause
// POST /v1/support: the files of a support bundle, as an archive; the answer is the same archive
// with every secret taken out that the box knows or that looks like one.
#include "api_internal.h"

#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_redacted(
	struct archive *left, const struct redact *redact, const struct archive_file *file)
{
	size_t length = 0;
	char *text = redact_text(redact, (const char *)file->bytes, file->length, &length);
	int error = text ? archive_add(left, file->name, text, length) : -ENOMEM;

	free(text);
	return error;
}

static void support(const struct api_request *request, struct text *text)
{
	const struct api_options *options = request->options;
	struct redact *redact = redact_new();
	struct archive archive, left = {0};

	if (archive_read(
		    &archive, (const uint8_t *)request->body, request->body_size, request->refused))
		goto out;
	if (!redact || (options->secrets && !options->secrets(options->arg, redact)))
		reason_add(request->refused, "the box's secrets cannot be told: out of memory");
	for (unsigned i = 0; i < archive.count && !request->refused->count; i++)
		if (add_redacted(&left, redact, &archive.files[i]))
			reason_add(request->refused, "%s: too much for a bundle",
				archive.files[i].name);
	if (!request->refused->count) {
		text->bytes = (char *)archive_write(&left, &text->length);
		text->failed = !text->bytes;
	}
	archive_clear(&left);
	archive_clear(&archive);
out:
	redact_free(redact);
}

const struct api_command api_support = {
	.path = "/v1/support",
	.help = "the files of a support bundle, which are the body, without secrets",
	.changes = true, // nothing, but what is on its way out of the box is audited
	.local = true,
	.body = ARCHIVE_BYTES_MAX,
	.posted = "files, as an archive",
	.posted_type = "application/octet-stream",
	.write = support,
	.type = "application/octet-stream",
};
