// SPDX-License-Identifier: BSD-3-Clause
// A frame as text.
#include "frame_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return 0;
	frame_print(data, size, out);
	fclose(out);
	if (length == 0 || strchr(text, '\n'))
		abort();
	free(text);
	return 0;
}
