// SPDX-License-Identifier: BSD-3-Clause
// Backups: an archive that is read is written the same again, its names stay in their folders; and
// a head that passes fits its file.
#include "archive.h"
#include "envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reason reason = {0};
	struct archive archive;
	size_t length, part;

	if (envelope_check(data, size, &reason) == (reason.count != 0))
		abort();
	if (reason.count == 0 && size < ENVELOPE_EXTRA)
		abort();
	reason_clear(&reason);
	if (archive_read(&archive, data, size, &reason) == 0) {
		uint8_t *bytes = archive_write(&archive, &length);

		if (bytes && (length != size || memcmp(bytes, data, size) != 0))
			abort();
		for (unsigned i = 0; i < archive.count; i++)
			if (strstr(archive.files[i].name, "/../") ||
				archive.files[i].name[0] == '/')
				abort();
		for (unsigned i = 0; archive_about(&archive, "left-out", i, &part); i++)
			if (part > size)
				abort();
		free(bytes);
		archive_clear(&archive);
	} else if (reason.count != 1) {
		abort();
	}
	reason_clear(&reason);
	return 0;
}
