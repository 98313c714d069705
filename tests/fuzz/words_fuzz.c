// SPDX-License-Identifier: BSD-3-Clause
// A line of the console: its words lie within it, in order, and end.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct filters filters;
	struct words words;
	struct reason reason = {0};
	size_t letters = 0;

	memcpy(line, data, size);
	line[size] = '\0';
	if (words_split(&words, line) == 0) {
		for (unsigned i = 0; i < words.count; i++) {
			letters += strlen(words.list[i]);
			if (words.starts[i] >= strlen(line) ||
				(i && words.starts[i] <= words.starts[i - 1]))
				abort();
		}
		if (letters > strlen(line) || words.list[words.count])
			abort();
		if (filters_parse(&filters, &words, 0, &reason) == 0)
			free(filters_apply(&filters, line));
		reason_clear(&reason);
		words_free(&words);
	}
	free(line);
	return 0;
}
