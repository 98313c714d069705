// SPDX-License-Identifier: BSD-3-Clause
// What an API server may send, as a value and as a list whose items become objects.
#include <stdint.h>
#include <stdlib.h>

#include "decode.h"
#include "json_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *arg, const struct tree *item, const char *bytes, size_t length)
{
	struct arena arena = {0};
	struct json_error error;
	const struct tree *again;

	// What was an item is a value of its own.
	if (json_read(bytes, length, &arena, &again, &error) || again->kind != item->kind)
		abort();
	arena_clear(&arena);
	for (unsigned kind = 0; kind < OBJECT_KINDS; kind++)
		decode_one(arg, item, kind);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct decode decode = {.cluster = "c", .origin = "f"};
	struct json_list list = {.arena = &arena, .visit = visit, .arg = &decode};
	struct json_error error;
	const struct tree *root;

	json_read((const char *)data, size, &arena, &root, &error);
	json_read_list((const char *)data, size, &list, &error);
	decode_clear(&decode);
	arena_clear(&arena);
	return 0;
}
