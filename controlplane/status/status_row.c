// SPDX-License-Identifier: BSD-3-Clause
#include "status_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sorted.h"
#include "told.h"

static void row_free(struct row *row)
{
	lane_leave(&row->waiter);
	free(row->key);
	free(row->body);
	free(row);
}

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;

	return strcmp(a->key, b->key);
}

static int compare_key(const void *key, const void *row)
{
	return strcmp(key, (*(struct row *const *)row)->key);
}

static size_t place_of(const struct row_table *table, const char *key)
{
	const struct sorted rows = {
		table->rows, table->first ? 0 : table->count, sizeof(*table->rows), compare_key};

	return sorted_place(&rows, key, NULL);
}

struct row *row_find(const struct row_table *table, const char *key)
{
	size_t at = table->first ? table->count : place_of(table, key);

	return at < table->count && strcmp(table->rows[at]->key, key) == 0 ? table->rows[at] : NULL;
}

// In its place; the first of all are sorted when they are together.
static bool put(struct row_table *table, struct row *row)
{
	size_t at = table->first ? table->count : place_of(table, row->key);

	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 64;
		struct row **bigger = realloc(table->rows, capacity * sizeof(*bigger));

		if (!bigger)
			return false;
		table->rows = bigger;
		table->capacity = capacity;
	}
	memmove(table->rows + at + 1, table->rows + at, (table->count - at) * sizeof(*table->rows));
	table->rows[at] = row;
	table->count++;
	return true;
}

static char *patch_of(const struct saying *saying)
{
	char text[ADDR_TEXT], *body = NULL;
	size_t size;
	FILE *stream = open_memstream(&body, &size);

	if (!stream)
		return NULL;
	fputs("{\"status\":{\"loadBalancer\":{\"ingress\":", stream);
	for (unsigned i = 0; i < saying->count; i++) {
		fprintf(stream, "%s{\"ip\":\"%s\"", i ? "," : "[",
			addr_format(&saying->addresses[i], text));
		if (*saying->ip_mode)
			fprintf(stream, ",\"ipMode\":\"%s\"", saying->ip_mode);
		fputc('}', stream);
	}
	fputs(saying->count ? "]}}}" : "null}}}", stream);
	fclose(stream);
	return body;
}

static uint64_t says(const struct saying *saying)
{
	uint64_t told = TOLD_NOTHING;
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < saying->count; i++)
		told = told_add(told, addr_format(&saying->addresses[i], text), saying->ip_mode);
	return told;
}

// `body` becomes the row's.
static void set(struct row *row, const struct saying *saying, char *body)
{
	free(row->body);
	row->body = body;
	row->says = says(saying);
	row->cleared = saying->count == 0;
	row->with_mode = *saying->ip_mode;
	row->told = false;
}

struct row *row_add(struct row_table *table, const char *key, const struct saying *saying)
{
	struct row *row = calloc(1, sizeof(*row));
	char *body = patch_of(saying);

	if (!row || !body) {
		free(row);
		free(body);
		return NULL;
	}
	set(row, saying, body);
	row->key = strdup(key);
	if (row->key && put(table, row))
		return row;
	row_free(row);
	return NULL;
}

bool row_say(struct row *row, const struct saying *saying)
{
	char *body = patch_of(saying);

	if (!body || strcmp(body, row->body) == 0) {
		free(body);
		return false;
	}
	set(row, saying, body);
	return true;
}

char *row_body_of(const struct row *row, const char *version)
{
	char *text;

	return asprintf(&text, "{\"metadata\":{\"resourceVersion\":\"%s\"},%s", version,
		       row->body + 1) < 0
		       ? NULL
		       : text;
}

void row_remove(struct row_table *table, struct row *row)
{
	size_t at = place_of(table, row->key);

	table->count--;
	memmove(table->rows + at, table->rows + at + 1, (table->count - at) * sizeof(*table->rows));
	row_free(row);
}

void rows_put_in_order(struct row_table *table)
{
	if (table->first && table->count)
		qsort(table->rows, table->count, sizeof(*table->rows), compare_rows);
	table->first = false;
}

void rows_free(struct row_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		row_free(table->rows[i]);
	free(table->rows);
}
