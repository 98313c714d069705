// SPDX-License-Identifier: BSD-3-Clause
// What people are shown: tables, numbers with units, and what of a row of JSON goes there. One
// thread.
#pragma once

#include <jansson.h>

#include <stdint.h>
#include <stdio.h>

// A table whose columns are as wide as what is in them. Cells are added row by row.
struct table;
// One letter a column: 'l' aligned left, 'r' right.
struct table *table_new(const char *columns);
// The first row, one text a column.
void table_head(struct table *table, const char *const *names);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_put(struct table *table, const char *text); // the same, quicker; it is copied
// Quicker still: the text must stay until the table is printed.
void table_lend(struct table *table, const char *text);
struct row_field;
void table_field(struct table *table, const struct row_field *field); // a text, lent
void table_count(struct table *table, uint64_t count);                // as human_count()
void table_bytes(struct table *table, uint64_t bytes);
void table_number(struct table *table, uint64_t number);
void table_address_port(struct table *table, const char *address, uint64_t port); // [::1]:80
// Prints it without trailing spaces and frees it. With no row but the first, prints `none`.
void table_print(struct table *table, const char *none, FILE *out);

#define HUMAN_TEXT 32
// 0, 999, 1.23k, 45.6M, ...
const char *human_count(uint64_t count, char text[static HUMAN_TEXT]);
// 0 B, 999 B, 1.23 kB, ...
const char *human_bytes(uint64_t bytes, char text[static HUMAN_TEXT]);
// 12 s, 3 m 4 s, 5 h 6 m, 7 d 8 h
const char *human_seconds(uint64_t seconds, char text[static HUMAN_TEXT]);

// From a row of JSON: the member as text for a table; "-" for null or nothing.
const char *row_text(json_t *row, const char *name);
const char *row_count(json_t *row, const char *name, char text[static HUMAN_TEXT]);
const char *row_bytes(json_t *row, const char *name, char text[static HUMAN_TEXT]);
uint64_t row_number(json_t *row, const char *name);
// An array of texts as "a, b"; "-" when it is empty. To be freed.
char *row_list(json_t *row, const char *name);
// "192.0.2.1:80", "[2001:db8::1]:80". To be freed.
char *row_address_port(json_t *row, const char *address, const char *port);

// realloc(), for what may become large: in large pages then.
void *grown(void *before, size_t bytes);

// A line, on a terminal broken between words into at most that many, and cut then: what follows the
// first is indented as values are.
void print_fitted(FILE *out, unsigned most, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
