// SPDX-License-Identifier: BSD-3-Clause
// The memory of one change of the tables: what it made, and what that replaced.
//
// Everything the tables consist of is a block of malloc() that is written only while it is being
// made. A change that fails frees what it made and leaves no trace; one that is published hands
// over what it replaced, to be freed when no worker can be reading it any more. The history is a
// line, so each block is replaced once and nothing needs to count references. Main lcore only.
// tables*.c only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edit_block {
	void *at;
	void (*end)(void *block); // before it is freed; NULL = nothing to do
};

struct block_list {
	struct edit_block *blocks;
	size_t count, capacity;
};

struct edit {
	uint64_t number; // of this change; never the same twice in a store
	struct block_list made, replaced;
	bool failed; // out of memory: whatever else is done, the change will be undone
};

// Zeroed, aligned to a cache line. NULL when out of memory, and then the edit has failed.
void *edit_make(struct edit *edit, size_t bytes);
// Takes a block made elsewhere, NULL meaning that it could not be; gives it back.
void *edit_adopt(struct edit *edit, void *block);
// The block is not part of the new tables. NULL is none.
void edit_replace(struct edit *edit, const void *block);
// What is to be done with the block made, or replaced, last before it is freed.
void edit_made_ends(struct edit *edit, void (*end)(void *block));
void edit_replaced_ends(struct edit *edit, void (*end)(void *block));

void edit_undo(struct edit *edit);
// Appends what was replaced to `retired`, for which there is room after edit_reserve().
bool edit_reserve(struct edit *edit, struct block_list *retired);
void edit_done(struct edit *edit, struct block_list *retired);
void block_list_free(struct block_list *list); // and every block
