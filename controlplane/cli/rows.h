// SPDX-License-Identifier: BSD-3-Clause
// Rows of an answer that may be too long for a tree: {"noun": [{...}, {...}], "warning": "..."},
// read row by row out of the text. Only what the API writes is understood: members are texts, lists
// of texts, numbers, true, false, null or an object of such, whose members count as the row's own;
// anything else ends the reading. Pure; nothing is allocated.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROW_FIELDS_MAX 16

struct rows {
	char *at, *end; // the text; texts in it lose their escapes where they stand
};

struct row_field {
	const char *name; // what is wanted; set by the caller
	const char *text; // NULL: no text. Ends with a zero. Of a list "one, two"
	size_t length;    // of the text
	uint64_t number;  // of a number
	bool is_number, is_true;
};

// What a table shows of a text: "-" when there is none.
const char *row_field_text(const struct row_field *field);

// At the first row of the list; false: there is no such list at the beginning.
bool rows_begin(struct rows *rows, char *bytes, size_t length, const char *noun);
// The next row; false: there is none. Fields that it has not are neither text nor number.
bool rows_next(struct rows *rows, struct row_field *fields, unsigned count);
// After the last row: the member of the answer, or NULL.
const char *rows_text(struct rows *rows, const char *name);
