// SPDX-License-Identifier: BSD-3-Clause
// Rows read out of an answer's text.
#include "rows.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct row_field fields[2] = {{.name = "a"}, {.name = "b"}};
	char *text = malloc(size ? size : 1); // without an end: reading on is seen
	struct rows rows;
	size_t seen = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (rows_begin(&rows, text, size, "n")) {
		while (rows_next(&rows, fields, 2))
			for (unsigned i = 0; i < 2; i++)
				seen += fields[i].text ? strlen(fields[i].text) : 0;
		rows_text(&rows, "warning");
	}
	if (seen > size)
		abort();
	free(text);
	return 0;
}
