// SPDX-License-Identifier: BSD-3-Clause
// Tables and numbers for people. See cli.h.
#include "cli.h"
#include "rows.h"

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

struct cell {
	const char *text;
	unsigned bytes, columns;
};

struct table {
	const char *columns;
	size_t width; // columns
	struct cell *cells;
	size_t count, *widths;
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
	table->widths = calloc(table->width + 1, sizeof(*table->widths));
	if (!table->widths) {
		free(table);
		return NULL;
	}
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

#define EIGHT_HIGH UINT64_C(0x8080808080808080)

// How many columns a text takes on the screen: UTF-8 counts by its first bytes.
static size_t columns_of(const char *text, size_t bytes)
{
	size_t n = 0, i = 0;
	uint64_t eight;

	for (; bytes - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, text + i, sizeof(eight));
		if (eight & EIGHT_HIGH)
			break;
	}
	for (n = i; i < bytes; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void add_cell(struct table *table, const char *text, size_t bytes)
{
	size_t columns = columns_of(text, bytes), *width;
	struct cell *cells;

	// Grows by whole powers of two.
	if ((table->count & (table->count - 1)) == 0) {
		cells = grown(table->cells, (table->count ? 2 * table->count : 1) * sizeof(*cells));
		if (!cells)
			return;
		table->cells = cells;
	}
	width = &table->widths[table->count % table->width];
	if (columns > *width)
		*width = columns;
	table->cells[table->count++] = (struct cell){text, (unsigned)bytes, (unsigned)columns};
}

void table_lend(struct table *table, const char *text)
{
	if (table)
		add_cell(table, text, strlen(text));
}

void table_put(struct table *table, const char *text)
{
	const char *kept = table ? keep(table, text, strlen(text)) : NULL;

	if (table)
		table_lend(table, kept ? kept : "");
}

void table_field(struct table *table, const struct row_field *field)
{
	if (!table)
		return;
	if (field->text && field->length)
		add_cell(table, field->text, field->length);
	else
		add_cell(table, "-", 1);
}

static const char digits[][2] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

void table_count(struct table *table, uint64_t count)
{
	char text[HUMAN_TEXT];

	if (count < 10 && table)
		add_cell(table, digits[count], 1);
	else
		table_put(table, human_count(count, text));
}

void table_bytes(struct table *table, uint64_t bytes)
{
	char text[HUMAN_TEXT];

	if (!bytes && table)
		add_cell(table, "0 B", 3);
	else
		table_put(table, human_bytes(bytes, text));
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

	if (number < 10 && table)
		add_cell(table, digits[number], 1);
	else
		table_put(table, number_text(number, text));
}

void table_address_port(struct table *table, const char *address, uint64_t port)
{
	char number[NUMBER_TEXT], text[ADDRESS_TEXT + NUMBER_TEXT + 3], *at = text;
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
	stpcpy(at, number_text(port, number));
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

#define LINES_BYTES 65536

struct lines { // on their way out
	FILE *out;
	size_t used;
	char bytes[LINES_BYTES];
};

static void put_bytes(struct lines *lines, const char *bytes, size_t count)
{
	if (count > LINES_BYTES - lines->used) {
		fwrite(lines->bytes, 1, lines->used, lines->out);
		lines->used = 0;
		if (count > LINES_BYTES) {
			fwrite(bytes, 1, count, lines->out);
			return;
		}
	}
	memcpy(lines->bytes + lines->used, bytes, count);
	lines->used += count;
}

static void put_spaces(struct lines *lines, size_t count)
{
	static const char spaces[] = "                                ";

	for (; count >= sizeof(spaces); count -= sizeof(spaces) - 1)
		put_bytes(lines, spaces, sizeof(spaces) - 1);
	put_bytes(lines, spaces, count);
}

// `cells` are the row's, as many of the table's columns as there are.
static void print_row(
	const struct table *table, const struct cell *cells, size_t last, struct lines *lines)
{
	size_t pending = 0;

	while (last && !cells[last - 1].bytes)
		last--;
	for (size_t column = 0; column < last; column++) {
		size_t pad = table->widths[column] - cells[column].columns;

		if (table->columns[column] == 'r') {
			pending += pad;
			pad = 0;
		}
		put_spaces(lines, pending);
		put_bytes(lines, cells[column].text, cells[column].bytes);
		pending = pad + GAP;
	}
	put_bytes(lines, "\n", 1);
}

static void free_table(struct table *table)
{
	while (table->block) {
		struct block *block = table->block;

		table->block = block->before;
		free(block);
	}
	free(table->widths);
	free(table->cells);
	free(table);
}

void table_print(struct table *table, const char *none, FILE *out)
{
	struct lines *lines;

	if (!table)
		return;
	lines = malloc(sizeof(*lines));
	if (table->count <= table->width) {
		fprintf(out, "%s\n", none);
	} else if (lines) {
		lines->out = out;
		lines->used = 0;
		for (size_t at = 0; at < table->count; at += table->width) {
			size_t left = table->count - at;

			print_row(table, table->cells + at,
				left < table->width ? left : table->width, lines);
		}
		fwrite(lines->bytes, 1, lines->used, out);
	}
	free(lines);
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
