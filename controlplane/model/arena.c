// SPDX-License-Identifier: BSD-3-Clause
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LEAST 512
#define BLOCK_MOST  (256u << 10)

struct arena_block {
	struct arena_block *next;
	size_t size, used; // of `bytes`
	alignas(max_align_t) unsigned char bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = arena->blocks;
	void *piece;

	if (size > SIZE_MAX / 4) {
		arena->failed = true;
		return NULL;
	}
	size = (size + align - 1) & ~(align - 1);
	if (size == 0)
		size = align;
	if (!block || block->size - block->used < size) {
		// Each block is twice the last, so that small objects stay small and large ones
		// take few blocks.
		size_t want = block ? block->size * 2 : BLOCK_LEAST - sizeof(*block);

		if (want > BLOCK_MOST)
			want = BLOCK_MOST;
		if (want < size)
			want = size;
		block = calloc(1, sizeof(*block) + want);
		if (!block) {
			arena->failed = true;
			return NULL;
		}
		block->size = want;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	piece = block->bytes + block->used;
	block->used += size;
	return piece;
}

void *arena_take_array(struct arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 4 / size) {
		arena->failed = true;
		return NULL;
	}
	return arena_take(arena, count * size);
}

char *arena_copy_part(struct arena *arena, const char *bytes, size_t length)
{
	char *copy = arena_take(arena, length + 1);

	return copy ? memcpy(copy, bytes, length) : NULL;
}

char *arena_copy(struct arena *arena, const char *text)
{
	return text ? arena_copy_part(arena, text, strlen(text)) : NULL;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	char *text = NULL;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	if (n >= 0)
		text = arena_take(arena, (size_t)n + 1);
	else
		arena->failed = true;
	if (text)
		vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t size)
{
	const size_t least = 4;
	void *grown;

	if (count != 0 && (count < least || (count & (count - 1)) != 0))
		return array;
	grown = arena_take_array(arena, count ? count * 2 : least, size);
	if (grown && count)
		memcpy(grown, array, count * size);
	return grown;
}

size_t arena_bytes(const struct arena *arena)
{
	size_t bytes = 0;

	for (const struct arena_block *block = arena->blocks; block; block = block->next)
		bytes += sizeof(*block) + block->size;
	return bytes;
}

void arena_clear(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block) {
		struct arena_block *next = block->next;

		explicit_bzero(block->bytes, block->used); // private keys are in some
		free(block);
		block = next;
	}
	*arena = (struct arena){0};
}
