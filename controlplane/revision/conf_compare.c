// SPDX-License-Identifier: BSD-3-Clause
// What differs between two texts, by the longest common run of lines. See conf_tree.h.
#include "conf_tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT   2
#define CELLS_MAX (16u << 20) // beyond that the middle counts as replaced whole

struct lines {
	unsigned count;
	const char **at;
	size_t *length;
};

static bool split(struct lines *lines, const char *text)
{
	size_t n = 1;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	lines->at = calloc(n, sizeof(*lines->at));
	lines->length = calloc(n, sizeof(*lines->length));
	if (!lines->at || !lines->length)
		return false;
	while (*text) {
		size_t length = strcspn(text, "\n");

		lines->at[lines->count] = text;
		lines->length[lines->count++] = length;
		text += length + (text[length] == '\n');
	}
	return true;
}

static bool same(const struct lines *a, unsigned i, const struct lines *b, unsigned j)
{
	return a->length[i] == b->length[j] && memcmp(a->at[i], b->at[j], a->length[i]) == 0;
}

// For each line of both whether the other has it, too, in order.
struct marks {
	bool *a, *b;
};

static bool mark(const struct lines *a, const struct lines *b, struct marks *marks)
{
	unsigned head = 0, tail = 0, n, m;
	uint32_t *longest;

	while (head < a->count && head < b->count && same(a, head, b, head)) {
		marks->a[head] = marks->b[head] = true;
		head++;
	}
	while (tail < a->count - head && tail < b->count - head &&
		same(a, a->count - 1 - tail, b, b->count - 1 - tail)) {
		marks->a[a->count - 1 - tail] = marks->b[b->count - 1 - tail] = true;
		tail++;
	}
	n = a->count - head - tail;
	m = b->count - head - tail;
	if (!n || !m || (uint64_t)(n + 1) * (m + 1) > CELLS_MAX)
		return true;
	longest = calloc((size_t)(n + 1) * (m + 1), sizeof(*longest));
	if (!longest)
		return false;
#define AT(i, j) longest[(size_t)(i) * (m + 1) + (j)]
	for (unsigned i = n; i-- > 0;)
		for (unsigned j = m; j-- > 0;)
			AT(i, j) = same(a, head + i, b, head + j) ? AT(i + 1, j + 1) + 1
				   : AT(i + 1, j) >= AT(i, j + 1) ? AT(i + 1, j)
								  : AT(i, j + 1);
	for (unsigned i = 0, j = 0; i < n && j < m;) {
		if (same(a, head + i, b, head + j))
			marks->a[head + i++] = marks->b[head + j++] = true;
		else if (AT(i + 1, j) >= AT(i, j + 1))
			i++;
		else
			j++;
	}
#undef AT
	free(longest);
	return true;
}

// Is there a difference within CONTEXT lines of the common lines i and j?
static bool near(const struct lines *a, const struct lines *b, const struct marks *marks,
	unsigned i, unsigned j) // house: a place in both texts
{
	for (unsigned k = 0; k <= CONTEXT; k++) {
		if (i + k < a->count && !marks->a[i + k])
			return true;
		if (j + k < b->count && !marks->b[j + k])
			return true;
		if (i >= k && i - k < a->count && !marks->a[i - k])
			return true;
		if (j >= k && j - k < b->count && !marks->b[j - k])
			return true;
	}
	return false;
}

static void print(
	const struct lines *a, const struct lines *b, const struct marks *marks, FILE *out)
{
	bool gap = true;

	for (unsigned i = 0, j = 0; i < a->count || j < b->count;) {
		bool gone = i < a->count && !marks->a[i];
		bool come = !gone && j < b->count && !marks->b[j];

		if (!gone && !come && !near(a, b, marks, i, j)) {
			gap = true;
			i++;
			j++;
			continue;
		}
		if (gap)
			fprintf(out, "@@ line %u @@\n", j + 1);
		gap = false;
		fprintf(out, "%c%.*s\n",
			gone   ? '-'
			: come ? '+'
			       : ' ',
			(int)(come ? b->length[j] : a->length[i]), come ? b->at[j] : a->at[i]);
		i += !come;
		j += !gone;
	}
}

char *conf_compare(const char *before, const char *after)
{
	struct lines a = {0}, b = {0};
	struct marks marks = {0};
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!split(&a, before) || !split(&b, after))
		goto out;
	marks.a = calloc(a.count + 1, sizeof(bool));
	marks.b = calloc(b.count + 1, sizeof(bool));
	if (!marks.a || !marks.b || !mark(&a, &b, &marks))
		goto out;
	out = open_memstream(&text, &size);
	if (!out)
		goto out;
	print(&a, &b, &marks, out);
	fclose(out);
out:
	free(a.at);
	free(a.length);
	free(b.at);
	free(b.length);
	free(marks.a);
	free(marks.b);
	return text;
}
