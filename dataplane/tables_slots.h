// SPDX-License-Identifier: BSD-3-Clause
// Slots: an array that is never changed once published, and the numbers given out for it.
//
// The array is in chunks of TABLES_CHUNK, so that a change makes one new chunk and one new top
// array of some hundred bytes. Numbers are given by struct slot_numbers, which is the writer's and
// mutable: one that is given back waits until its holders everywhere have been seen to, and a
// change that fails takes back what it did. Readers: any worker. Changing: main lcore. tables*.c
// only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tables.h"
#include "tables_edit.h"

struct slot_chunk {
	const void *at[TABLES_CHUNK];
};

struct slots {
	const struct slot_chunk *const *chunks;
	uint32_t chunk_count;
};

struct slots_edit {
	struct edit *edit;
	struct slots *slots;
	bool owns_top;
	bool *owns; // a chunk; NULL until it is needed
};

// Numbers below `end` are in use, waiting or free.
struct slot_numbers {
	uint32_t limit;
	uint32_t end;
	uint32_t *free;    // room for `capacity`, so that a release cannot fail
	uint32_t *removed; // the first `passing` are being passed over, the others wait for that
	uint64_t *stamps;  // per number: the change that last saw it
	uint32_t free_count, removed_count, passing, capacity;
	struct { // what a change that fails goes back to
		uint32_t end, free_count, removed_count;
	} mark;
};

void slots_edit_begin(struct slots_edit *change, struct edit *edit, struct slots *slots);
void slots_edit_end(struct slots_edit *change);
void slots_set(struct slots_edit *change, uint32_t slot, const void *value);
void slots_close(struct slots *slots); // frees chunks and top, not the values

static inline const void *slots_get(const struct slots *slots, uint32_t slot)
{
	uint32_t chunk = slot / TABLES_CHUNK;

	return chunk < slots->chunk_count ? slots->chunks[chunk]->at[slot % TABLES_CHUNK] : NULL;
}

void slot_numbers_mark(struct slot_numbers *numbers);
void slot_numbers_undo(struct slot_numbers *numbers);
// SLOT_NONE when there is none left, or no memory (*failed is set then).
uint32_t slot_numbers_take(struct slot_numbers *numbers, bool *failed);
void slot_numbers_remove(struct slot_numbers *numbers, uint32_t slot);
bool slot_numbers_pass(
	struct slot_numbers *numbers); // begins a pass: is there anything to pass over?
void slot_numbers_release(struct slot_numbers *numbers);
void slot_numbers_close(struct slot_numbers *numbers);
