// SPDX-License-Identifier: BSD-3-Clause
// A long text, made piece by piece at its end: JSON of many rows, and metrics. What jansson's trees
// would take ten times as long for. Failing to grow is remembered, and told at the end. Any thread.
//
// With a file it is held in little memory: what has become long is written there, but for its end.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes; // NULL at first; to be freed
	size_t length, room;
	bool failed; // out of memory: some of it is missing
	int file;    // 0 = none; else the beginning may be there, and `bytes` has the rest
};

void text_drop(struct text *text); // nothing is left of it, in the file neither
bool text_write(int file, const char *bytes, size_t count);
void text_bytes(struct text *text, const char *bytes, size_t count);
void text_put(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

// JSON. A comma comes by itself where something stands before: between members and between items.
void text_separate(struct text *text);           // ahead of an item that is put as it is
void text_open(struct text *text, char bracket); // '{' or '['; an item, or a member's value
void text_close(struct text *text, char bracket);
void text_key(struct text *text, const char *name); // a constant, which needs no escapes
// Quoted; NULL = null; what is no UTF-8 becomes '?'.
void text_string(struct text *text, const char *string);
void text_strings(struct text *text, char *const *strings, unsigned count);
void text_key_string(struct text *text, const char *name, const char *string);
void text_key_number(struct text *text, const char *name, uint64_t number);
void text_key_null(struct text *text, const char *name);
void text_key_addr(struct text *text, const char *name, const struct addr *addr);
