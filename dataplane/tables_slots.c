// SPDX-License-Identifier: BSD-3-Clause
#include "tables_slots.h"

#include <stdlib.h>
#include <string.h>

void slots_edit_begin(struct slots_edit *change, struct edit *edit, struct slots *slots)
{
	*change = (struct slots_edit){.edit = edit, .slots = slots};
}

void slots_edit_end(struct slots_edit *change)
{
	free(change->owns);
	change->owns = NULL;
}

// A top array that may be written and has this chunk in it.
static bool own_top(struct slots_edit *change, uint32_t chunk)
{
	struct slots *slots = change->slots;
	uint32_t count = chunk < slots->chunk_count ? slots->chunk_count : chunk + 1;
	const struct slot_chunk **top;
	bool *owns;

	if (change->owns_top && chunk < slots->chunk_count)
		return true;
	owns = realloc(change->owns, count * sizeof(*owns));
	if (!owns) {
		change->edit->failed = true;
		return false;
	}
	memset(owns + (change->owns ? slots->chunk_count : 0), 0,
		count - (change->owns ? slots->chunk_count : 0));
	change->owns = owns;
	top = edit_make(change->edit, count * sizeof(struct slot_chunk *));
	if (!top)
		return false;
	if (slots->chunk_count)
		memcpy(top, slots->chunks, slots->chunk_count * sizeof(struct slot_chunk *));
	for (uint32_t i = slots->chunk_count; i < count; i++) {
		top[i] = edit_make(change->edit, sizeof(struct slot_chunk));
		if (!top[i])
			return false;
		owns[i] = true;
	}
	edit_replace(change->edit, slots->chunks);
	slots->chunks = top;
	slots->chunk_count = count;
	change->owns_top = true;
	return true;
}

void slots_set(struct slots_edit *change, uint32_t slot, const void *value)
{
	uint32_t index = slot / TABLES_CHUNK;
	struct slot_chunk *chunk;

	if (!own_top(change, index))
		return;
	if (!change->owns[index]) {
		chunk = edit_make(change->edit, sizeof(*chunk));
		if (!chunk)
			return;
		memcpy(chunk, change->slots->chunks[index], sizeof(*chunk));
		edit_replace(change->edit, change->slots->chunks[index]);
		((const struct slot_chunk **)change->slots->chunks)[index] = chunk;
		change->owns[index] = true;
	}
	chunk = (struct slot_chunk *)change->slots->chunks[index];
	chunk->at[slot % TABLES_CHUNK] = value;
}

void slots_close(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->chunk_count; i++)
		free((void *)slots->chunks[i]);
	free((void *)slots->chunks);
	*slots = (struct slots){0};
}

void slot_numbers_mark(struct slot_numbers *numbers)
{
	numbers->mark.end = numbers->end;
	numbers->mark.free_count = numbers->free_count;
	numbers->mark.removed_count = numbers->removed_count;
}

// While a change is under way numbers are only taken off the end of `free` and put on the end of
// `removed`, so that going back is setting the counts.
void slot_numbers_undo(struct slot_numbers *numbers)
{
	numbers->end = numbers->mark.end;
	numbers->free_count = numbers->mark.free_count;
	numbers->removed_count = numbers->mark.removed_count;
}

static bool grow(struct slot_numbers *numbers)
{
	uint32_t capacity = numbers->capacity ? numbers->capacity * 2 : TABLES_CHUNK;
	void *block;

	block = realloc(numbers->free, capacity * sizeof(*numbers->free));
	if (!block)
		return false;
	numbers->free = block;
	block = realloc(numbers->removed, capacity * sizeof(*numbers->removed));
	if (!block)
		return false;
	numbers->removed = block;
	block = realloc(numbers->stamps, capacity * sizeof(*numbers->stamps));
	if (!block)
		return false;
	numbers->stamps = block;
	numbers->capacity = capacity;
	return true;
}

uint32_t slot_numbers_take(struct slot_numbers *numbers, bool *failed)
{
	if (numbers->free_count) {
		uint32_t slot = numbers->free[--numbers->free_count];

		numbers->stamps[slot] = 0;
		return slot;
	}
	if (numbers->end >= numbers->limit)
		return SLOT_NONE;
	if (numbers->end == numbers->capacity && !grow(numbers)) {
		*failed = true;
		return SLOT_NONE;
	}
	numbers->stamps[numbers->end] = 0;
	return numbers->end++;
}

void slot_numbers_remove(struct slot_numbers *numbers, uint32_t slot)
{
	numbers->removed[numbers->removed_count++] = slot;
}

bool slot_numbers_pass(struct slot_numbers *numbers)
{
	numbers->passing = numbers->removed_count;
	return numbers->passing != 0;
}

void slot_numbers_release(struct slot_numbers *numbers)
{
	uint32_t waiting = numbers->removed_count - numbers->passing;

	if (!numbers->passing)
		return;
	memcpy(numbers->free + numbers->free_count, numbers->removed,
		numbers->passing * sizeof(*numbers->free));
	numbers->free_count += numbers->passing;
	memmove(numbers->removed, numbers->removed + numbers->passing,
		waiting * sizeof(*numbers->removed));
	numbers->removed_count = waiting;
	numbers->passing = 0;
}

void slot_numbers_close(struct slot_numbers *numbers)
{
	free(numbers->free);
	free(numbers->removed);
	free(numbers->stamps);
}
