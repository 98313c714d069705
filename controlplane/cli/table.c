// SPDX-License-Identifier: BSD-3-Clause
// Tables and numbers for people. See cli.h.
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP          2
#define BLOCK_BYTES  262144
#define ADDRESS_TEXT 60

struct block { // of cells' texts
	struct block *before;
	char bytes[BLOCK_BYTES];
};

struct table {
	const char *columns;
	size_t width; // columns
	const char **cells;
	size_t count;
	struct block *block;
	size_t used; // of the block
};

struct table *table_new(const char *columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->width = strlen(columns);
	return table;
}

void table_head(struct table *table, const char *const *names)
{
	for (size_t i = 0; table && i < table->width; i++)
		table_cell(table, "%s", names[i]);
}

static char *keep(struct table *table, const char *text, size_t length)
{
	char *kept;

	if (length >= BLOCK_BYTES)
		length = BLOCK_BYTES - 1;
	if (!table->block || table->used + length + 1 > BLOCK_BYTES) {
		struct block *block = malloc(sizeof(*block));

		if (!block)
			return NULL;
		block->before = table->block;
		table->block = block;
		table->used = 0;
	}
	kept = table->block->bytes + table->used;
	memcpy(kept, text, length);
	kept[length] = '\0';
	table->used += length + 1;
	return kept;
}

void table_lend(struct table *table, const char *text)
{
	const char **cells;

	if (!table)
		return;
	// Grows by whole powers of two.
	if ((table->count & (table->count - 1)) == 0) {
		cells = grown(table->cells, (table->count ? 2 * table->count : 1) * sizeof(*cells));
		if (!cells)
			return;
		table->cells = cells;
	}
	table->cells[table->count++] = text;
}

void table_put(struct table *table, const char *text)
{
	if (table)
		table_lend(table, keep(table, text, strlen(text)));
}

#define NUMBER_TEXT 21

// At the end of the buffer.
static char *number_text(uint64_t number, char text[static NUMBER_TEXT])
{
	char *at = text + NUMBER_TEXT - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return at;
}

void table_number(struct table *table, uint64_t number)
{
	char text[NUMBER_TEXT];

	table_put(table, number_text(number, text));
}

void table_address_port(struct table *table, const char *address, uint64_t port)
{
	char digits[NUMBER_TEXT], text[ADDRESS_TEXT + NUMBER_TEXT + 3], *at = text;
	bool six = strchr(address, ':');

	if (strlen(address) > ADDRESS_TEXT) {
		table_put(table, address);
		return;
	}
	if (six)
		*at++ = '[';
	at = stpcpy(at, address);
	if (six)
		*at++ = ']';
	*at++ = ':';
	stpcpy(at, number_text(port, digits));
	table_put(table, text);
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	if (strcmp(format, "%s") == 0) { // most are
		const char *whole = va_arg(args, const char *);

		table_put(table, whole ? whole : "-");
		va_end(args);
		return;
	}
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	table_put(table, text);
	free(text);
}

// How many columns a text takes on the screen: UTF-8 counts by its first bytes.
static size_t columns_of(const char *text, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
	size_t at = row * table->width + column;

	return at < table->count && table->cells[at] ? table->cells[at] : "";
}

static void put_spaces(size_t count, FILE *out)
{
	static const char spaces[] = "                                ";

	for (; count >= sizeof(spaces); count -= sizeof(spaces) - 1)
		fwrite_unlocked(spaces, 1, sizeof(spaces) - 1, out);
	fwrite_unlocked(spaces, 1, count, out);
}

static void print_row(const struct table *table, size_t row, const size_t *widths, FILE *out)
{
	size_t last = table->width, pending = 0;

	while (last && !*cell_at(table, row, last - 1))
		last--;
	for (size_t column = 0; column < last; column++) {
		const char *cell = cell_at(table, row, column);
		size_t bytes = strlen(cell), pad = widths[column] - columns_of(cell, bytes);

		if (table->columns[column] == 'r') {
			pending += pad;
			pad = 0;
		}
		put_spaces(pending, out);
		fwrite_unlocked(cell, 1, bytes, out);
		pending = pad + GAP;
	}
	putc_unlocked('\n', out);
}

static void free_table(struct table *table)
{
	while (table->block) {
		struct block *block = table->block;

		table->block = block->before;
		free(block);
	}
	free(table->cells);
	free(table);
}

void table_print(struct table *table, const char *none, FILE *out)
{
	size_t rows, *widths;

	if (!table)
		return;
	rows = (table->count + table->width - 1) / table->width;
	widths = calloc(table->width + 1, sizeof(*widths));
	for (size_t row = 0; widths && row < rows; row++)
		for (size_t column = 0; column < table->width; column++) {
			const char *cell = cell_at(table, row, column);
			size_t width = columns_of(cell, strlen(cell));

			if (width > widths[column])
				widths[column] = width;
		}
	if (rows <= 1)
		fprintf(out, "%s\n", none);
	for (size_t row = 0; widths && rows > 1 && row < rows; row++)
		print_row(table, row, widths, out);
	free(widths);
	free_table(table);
}

// Three figures and the unit, never rounded up to a figure that needs the next unit.
static const char *scaled(uint64_t value, const char *unit, char text[static HUMAN_TEXT])
{
	static const char prefixes[] = "kMGTPE";
	uint64_t scale = 1;
	unsigned prefix = 0;

	if (value < 10) { // most are
		text[0] = (char)('0' + value);
		strcpy(text + 1, unit);
		return text;
	}
	if (value < 1000) {
		snprintf(text, HUMAN_TEXT, "%llu%s", (unsigned long long)value, unit);
		return text;
	}
	for (; prefix < 6 && value / scale >= 1000; prefix++)
		scale *= 1000;
	// In hundredths, cut off: 999,999 is 999k and not 1000k.
	uint64_t whole = value / scale, part = value % scale / (scale / 1000);
	const char *space = *unit ? " " : "";

	if (*unit == ' ')
		unit++;
	if (whole >= 100)
		snprintf(text, HUMAN_TEXT, "%llu%s%c%s", (unsigned long long)whole, space,
			prefixes[prefix - 1], unit);
	else if (whole >= 10)
		snprintf(text, HUMAN_TEXT, "%llu.%llu%s%c%s", (unsigned long long)whole,
			(unsigned long long)part / 100, space, prefixes[prefix - 1], unit);
	else
		snprintf(text, HUMAN_TEXT, "%llu.%02llu%s%c%s", (unsigned long long)whole,
			(unsigned long long)part / 10, space, prefixes[prefix - 1], unit);
	return text;
}

const char *human_count(uint64_t count, char text[static HUMAN_TEXT])
{
	return scaled(count, "", text);
}

const char *human_bytes(uint64_t bytes, char text[static HUMAN_TEXT])
{
	return scaled(bytes, " B", text);
}

const char *human_seconds(uint64_t seconds, char text[static HUMAN_TEXT])
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(text, HUMAN_TEXT, "%llu s", s);
	else if (s < 3600)
		snprintf(text, HUMAN_TEXT, "%llu m %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, HUMAN_TEXT, "%llu h %llu m", s / 3600, s / 60 % 60);
	else
		snprintf(text, HUMAN_TEXT, "%llu d %llu h", s / 86400, s / 3600 % 24);
	return text;
}

const char *row_text(json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text && *text ? text : "-";
}

uint64_t row_number(json_t *row, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(row, name));
}

const char *row_count(json_t *row, const char *name, char text[static HUMAN_TEXT])
{
	if (!json_is_integer(json_object_get(row, name)))
		return "-";
	return human_count(row_number(row, name), text);
}

const char *row_bytes(json_t *row, const char *name, char text[static HUMAN_TEXT])
{
	if (!json_is_integer(json_object_get(row, name)))
		return "-";
	return human_bytes(row_number(row, name), text);
}

char *row_list(json_t *row, const char *name)
{
	json_t *list = json_object_get(row, name), *item;
	size_t size, i;
	char *text;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	json_array_foreach(list, i, item)
		fprintf(file, "%s%s", i ? ", " : "", json_string_value(item));
	if (!json_array_size(list))
		fputc('-', file);
	fclose(file);
	return text;
}

char *row_address_port(json_t *row, const char *address, const char *port)
{
	const char *host = json_string_value(json_object_get(row, address));
	unsigned long long number = row_number(row, port);
	char *text;
	int n;

	if (!host)
		return strdup("-");
	if (strchr(host, ':'))
		n = asprintf(&text, "[%s]:%llu", host, number);
	else
		n = asprintf(&text, "%s:%llu", host, number);
	return n < 0 ? NULL : text;
}
