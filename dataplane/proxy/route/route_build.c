// SPDX-License-Identifier: BSD-3-Clause
// From a host's rules to its block: paths are made normal, and whoever finds a place taken has lost
// it.
#include "route_internal.h"

#include "http_path.h"

#include <errno.h>
#include <stdlib.h>

struct builder {
	struct route_paths *paths;
	const struct route_rule *rules;
	struct reason *reason;
	uint32_t units; // of the records
	char *raw;      // room for the path being made normal, twice
	bool failed;    // no memory
};

static size_t record_bytes(size_t length)
{
	size_t bytes = sizeof(struct route_path) + length;

	return (bytes + ROUTE_UNIT - 1) / ROUTE_UNIT * ROUTE_UNIT;
}

// The one that is not taken yet.
static struct route_path *next_record(struct builder *builder)
{
	return (struct route_path *)route_path_at(builder->paths, builder->units);
}

// A rule's path may have a % that begins no escape: it means itself. The length, or 0.
static size_t take_path(struct builder *builder, const char *path)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	char *raw = builder->raw;
	const char *normal;
	size_t n = 0;

	for (const char *at = path; *at; at++) {
		bool escape = *at == '%' && at[1] && strchr(digits, at[1]) && at[2] &&
			      strchr(digits, at[2]);

		raw[n++] = *at;
		if (*at == '%' && !escape) {
			raw[n++] = '2';
			raw[n++] = '5';
		}
	}
	if (http_path_normalise(raw, n, raw + n, &normal, &n) != HTTP_OK)
		return 0;
	memcpy(next_record(builder)->text, normal, n);
	return n;
}

// The next record, filled.
static void add_path(struct builder *builder)
{
	struct route_paths *paths = builder->paths;
	struct route_path *path = next_record(builder), *old;
	const char *end = path->text + path->length;
	uint32_t hash = 0, depth = 0, i;

	for (const char *at = path->text, *next; at < end; at = next, depth++) {
		next = route_element_end(at, end);
		hash = route_hash_element(hash, at + 1, (size_t)(next - at) - 1);
	}
	path->hash = path->exact ? route_hash_exact(hash) : hash;
	old = (struct route_path *)route_find_path(
		paths, path->hash, (struct route_text){path->text, path->length}, path->exact);
	if (old) {
		if (path->slash && !old->slash) { // the older is the shorter
			old->slash = true;
			old->rule = path->rule;
		}
		return;
	}
	for (i = route_place(path->hash, paths->mask); paths->slots[i] != ROUTE_NONE;)
		i = (i + 1) & paths->mask;
	paths->slots[i] = path->hash >> 24 << 24 | builder->units;
	builder->units += (uint32_t)(record_bytes(path->length) / ROUTE_UNIT);
	if (path->exact) {
		paths->exact = true;
		return;
	}
	paths->depths |= UINT64_C(1) << (depth < 63 ? depth : 63);
	paths->deepest = depth > paths->deepest ? depth : paths->deepest;
}

static void add_pattern(struct builder *builder, uint32_t index, const char *text)
{
	struct route_paths *paths = builder->paths;
	char error[128] = "expected one that begins with /";
	struct pattern *pattern = NULL;

	if (text[0] == '/')
		pattern = pattern_new(text, error);
	if (pattern) {
		*route_pattern_at(paths, paths->pattern_count++) =
			(struct route_pattern){pattern, text, (uint32_t)strlen(text), index};
		return;
	}
	builder->failed |= !*error;
	if (*error)
		reason_add(
			builder->reason, "path \"%.64s\": no regular expression: %s", text, error);
}

// As ingress-nginx orders them: the longest first, and those of one length from the end of the
// alphabet.
static int compare_patterns(const void *left, const void *right)
{
	const struct route_pattern *a = left, *b = right;

	if (a->length != b->length)
		return a->length < b->length ? 1 : -1;
	if (strcmp(b->written, a->written) != 0)
		return strcmp(b->written, a->written);
	return a->rule < b->rule ? -1 : 1;
}

static void take_rule(struct builder *builder, uint32_t index)
{
	struct route_paths *paths = builder->paths;
	const struct route_rule *rule = &builder->rules[index];
	const char *text = rule->path && *rule->path ? rule->path : "/";
	struct route_path *path;
	size_t length = 0;

	if (rule->kind == ROUTE_DEFAULT || rule->kind == ROUTE_CATCH_ALL) {
		if (paths->by_default == ROUTE_NONE) {
			paths->by_default = index;
			paths->catches_all = rule->kind == ROUTE_CATCH_ALL;
		}
		return;
	}
	if (rule->kind == ROUTE_PATTERN) {
		add_pattern(builder, index, text);
		return;
	}
	if (text[0] == '/' && strlen(text) <= SLUICE_PATH_LENGTH)
		length = take_path(builder, text);
	if (!length) {
		reason_add(builder->reason,
			"path \"%.64s\": expected a path that begins with / and stays below it, "
			"of at most %d bytes",
			text, SLUICE_PATH_LENGTH);
		return;
	}
	path = next_record(builder);
	path->rule = index;
	path->exact = rule->kind == ROUTE_EXACT;
	path->slash = !path->exact && path->text[length - 1] == '/';
	path->length = (uint16_t)(length - path->slash);
	add_path(builder);
}

// In no more memory than it takes, behind the front.
static struct route_paths *move(const struct builder *builder, size_t front)
{
	size_t used = builder->paths->records + builder->units * (size_t)ROUTE_UNIT;
	size_t bytes = (front + used + ROUTE_FRONT - 1) / ROUTE_FRONT * ROUTE_FRONT;
	char *block = aligned_alloc(ROUTE_FRONT, bytes);

	if (!block)
		return NULL;
	memset(block, 0, front);
	return memcpy(block + front, builder->paths, used);
}

// The head, and room for the most that the rules can come to.
static struct route_paths *make_room(const struct route_rule *rules, uint32_t count)
{
	size_t records = 0, size = 2, patterns = 0, at;
	struct route_paths *paths;

	while (size < 2 * (size_t)count)
		size *= 2;
	for (uint32_t i = 0; i < count; i++) {
		records += record_bytes(rules[i].path ? 3 * strlen(rules[i].path) + 1 : 1);
		patterns += rules[i].kind == ROUTE_PATTERN;
	}
	if (size > UINT32_MAX / 8 || records / ROUTE_UNIT >= ROUTE_UNITS_MAX)
		return NULL;
	at = sizeof(struct route_paths) + size * sizeof(uint32_t);
	at = (at + ROUTE_UNIT - 1) / ROUTE_UNIT * ROUTE_UNIT;
	paths = malloc(at + patterns * sizeof(struct route_pattern) + records);
	if (!paths)
		return NULL;
	*paths = (struct route_paths){
		.by_default = ROUTE_NONE,
		.mask = (uint32_t)size - 1,
		.patterns = (uint32_t)at,
		.records = (uint32_t)(at + patterns * sizeof(struct route_pattern)),
	};
	for (size_t i = 0; i < size; i++)
		paths->slots[i] = ROUTE_NONE;
	return paths;
}

int route_paths_build(struct route_paths **out, size_t front, const struct route_rule *rules,
	uint32_t count, struct reason *reason)
{
	struct builder builder = {.rules = rules, .reason = reason};
	struct route_paths *paths = NULL;

	builder.raw = malloc(2 * (3 * SLUICE_PATH_LENGTH + 1));
	builder.paths = make_room(rules, count);
	if (builder.raw && builder.paths) {
		for (uint32_t i = 0; i < count; i++)
			take_rule(&builder, i);
		if (builder.paths->pattern_count > 1)
			qsort(route_pattern_at(builder.paths, 0), builder.paths->pattern_count,
				sizeof(struct route_pattern), compare_patterns);
		paths = builder.failed ? NULL : move(&builder, front);
	}
	free(builder.raw);
	if (!paths) {
		route_paths_free(builder.paths);
		return -ENOMEM;
	}
	free(builder.paths);
	*out = paths;
	return 0;
}

void route_paths_end(void *block)
{
	const struct route_paths *paths = block;

	for (uint32_t i = 0; i < paths->pattern_count; i++)
		pattern_free(route_pattern_at(paths, i)->pattern);
}

void route_paths_free(struct route_paths *paths)
{
	if (paths)
		route_paths_end(paths);
	free(paths);
}
