// SPDX-License-Identifier: BSD-3-Clause
// Memory that is given piece by piece and taken back all at once: what a document, an object or a
// plan is made of. Pieces are zeroed and aligned for anything. One thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena {
	struct arena_block *blocks; // newest first
	bool failed;                // some piece was refused: the result must not be used
};

// NULL when out of memory, which is also remembered, so that a caller may check once at the end.
void *arena_take(struct arena *arena, size_t size);
// count * size, checked for overflow. Never NULL for a count of zero unless out of memory.
void *arena_take_array(struct arena *arena, size_t count, size_t size);
char *arena_copy(struct arena *arena, const char *text); // NULL gives NULL
char *arena_copy_part(struct arena *arena, const char *bytes, size_t length);
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
// Makes room for one more element behind `count` of them. `*array` must have been grown by nothing
// but this function: its capacity is the power of two at or above the count.
void *arena_grow(struct arena *arena, void *array, size_t count, size_t size);
size_t arena_bytes(const struct arena *arena);
void arena_clear(struct arena *arena); // nothing of what was in it is left in memory
