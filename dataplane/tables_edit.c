// SPDX-License-Identifier: BSD-3-Clause
#include "tables_edit.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

static bool reserve(struct block_list *list, size_t more)
{
	size_t capacity = list->capacity ? list->capacity : 64;
	struct edit_block *blocks;

	if (list->count + more <= list->capacity)
		return true;
	while (capacity < list->count + more)
		capacity *= 2;
	blocks = realloc(list->blocks, capacity * sizeof(*blocks));
	if (!blocks)
		return false;
	list->blocks = blocks;
	list->capacity = capacity;
	return true;
}

void *edit_adopt(struct edit *edit, void *block)
{
	if (block && reserve(&edit->made, 1)) {
		edit->made.blocks[edit->made.count++] = (struct edit_block){block, NULL};
		return block;
	}
	free(block);
	edit->failed = true;
	return NULL;
}

void *edit_make(struct edit *edit, size_t bytes)
{
	size_t rounded = (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	void *block = aligned_alloc(CACHE_LINE, rounded);

	if (block)
		memset(block, 0, rounded);
	return edit_adopt(edit, block);
}

void edit_replace(struct edit *edit, const void *block)
{
	if (!block)
		return;
	if (reserve(&edit->replaced, 1))
		edit->replaced.blocks[edit->replaced.count++] =
			(struct edit_block){(void *)block, NULL};
	else
		edit->failed = true;
}

void edit_made_ends(struct edit *edit, void (*end)(void *block))
{
	edit->made.blocks[edit->made.count - 1].end = end;
}

void edit_replaced_ends(struct edit *edit, void (*end)(void *block))
{
	if (!edit->failed)
		edit->replaced.blocks[edit->replaced.count - 1].end = end;
}

void edit_undo(struct edit *edit)
{
	block_list_free(&edit->made);
	free(edit->replaced.blocks);
	edit->replaced = (struct block_list){0};
}

bool edit_reserve(struct edit *edit, struct block_list *retired)
{
	return reserve(retired, edit->replaced.count);
}

void edit_done(struct edit *edit, struct block_list *retired)
{
	if (edit->replaced.count)
		memcpy(retired->blocks + retired->count, edit->replaced.blocks,
			edit->replaced.count * sizeof(struct edit_block));
	retired->count += edit->replaced.count;
	free(edit->replaced.blocks);
	free(edit->made.blocks);
	edit->made = edit->replaced = (struct block_list){0};
}

void block_list_free(struct block_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->blocks[i].end)
			list->blocks[i].end(list->blocks[i].at);
		free(list->blocks[i].at);
	}
	free(list->blocks);
	*list = (struct block_list){0};
}
