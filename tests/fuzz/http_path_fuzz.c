// SPDX-License-Identifier: BSD-3-Clause
// http_path_normalise(): no byte read or written beyond the path's length, and what comes out is
// normal: it stays as it is, and has neither empty nor dot segments.
#include "http_path.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_segments(const char *path, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t start = ++i;

		while (i < length && path[i] != '/')
			i++;
		must(i > start || i == length);
		must(!(i - start == 1 && path[start] == '.'));
		must(!(i - start == 2 && memcmp(path + start, "..", 2) == 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *path = malloc(length + 1), *out = malloc(length + 1), *again_out = malloc(length + 1);
	const char *normal, *again;
	size_t normal_length, again_length;

	must(path && out && again_out);
	path[0] = '/';
	memcpy(path + 1, bytes, length);
	if (http_path_normalise(path, length + 1, out, &normal, &normal_length) == HTTP_OK) {
		must(normal_length >= 1 && normal_length <= length + 1 && normal[0] == '/');
		check_segments(normal, normal_length);
		must(http_path_normalise(normal, normal_length, again_out, &again, &again_length) ==
			HTTP_OK);
		must(again_length == normal_length && memcmp(again, normal, normal_length) == 0);
	}
	free(path);
	free(out);
	free(again_out);
	return 0;
}
