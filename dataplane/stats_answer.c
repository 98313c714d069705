// SPDX-License-Identifier: BSD-3-Clause
// The memory of one answer.
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "stats_internal.h"

#define BLOCK_BYTES 65536

struct answer_block {
	struct answer_block *before;
	alignas(max_align_t) unsigned char bytes[];
};

static struct answer_block *add_block(struct answer *answer, size_t size)
{
	struct answer_block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		answer->failed = true;
		return NULL;
	}
	block->before = answer->blocks;
	answer->blocks = block;
	return block;
}

void *answer_alloc(struct answer *answer, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct answer_block *block;
	void *piece;

	size = size ? (size + align - 1) & ~(align - 1) : align;
	if (size > BLOCK_BYTES / 4) { // has one of its own
		block = add_block(answer, size);
		return block ? block->bytes : NULL;
	}
	if (size > answer->left) {
		block = add_block(answer, BLOCK_BYTES);
		if (!block)
			return NULL;
		answer->next = block->bytes;
		answer->left = BLOCK_BYTES;
	}
	piece = answer->next;
	answer->next += size;
	answer->left -= size;
	return piece;
}

void answer_free(struct answer *answer)
{
	while (answer->blocks) {
		struct answer_block *block = answer->blocks;

		answer->blocks = block->before;
		free(block);
	}
}

char *answer_text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}
