// SPDX-License-Identifier: BSD-3-Clause
// The memory of one answer.
#include <stdlib.h>

#include "stats_internal.h"

void *answer_alloc(struct answer *answer, size_t size)
{
	void *block;

	if (answer->count == answer->room) {
		size_t room = answer->room * 2 + 256;
		void **blocks = realloc(answer->blocks, room * sizeof(*blocks));

		if (!blocks) {
			answer->failed = true;
			return NULL;
		}
		answer->blocks = blocks;
		answer->room = room;
	}
	block = calloc(1, size ? size : 1);
	if (!block) {
		answer->failed = true;
		return NULL;
	}
	answer->blocks[answer->count++] = block;
	return block;
}

void answer_free(struct answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->blocks[i]);
	free(answer->blocks);
}

char *answer_text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}
