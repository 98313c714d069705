// SPDX-License-Identifier: BSD-3-Clause
// A time as people say it, and a line as syslog has it.
#include "logs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), out[300];
	uint64_t since, now = 1700000000000000ull;
	struct log_field fields[] = {{"SLUICE_WHO", text}, {NULL, NULL}};
	const struct syslog_origin origin = {"host", LOG_DATAPLANE, 1};
	struct log_line line = {now, LOG_LEVEL_INFO, "area", text, fields};

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	log_since_parse(text, now, &since);
	if (syslog_format(&line, &origin, out, sizeof(out)) != strlen(out))
		abort();
	free(text);
	return 0;
}
