// SPDX-License-Identifier: BSD-3-Clause
// Expressions and targets of Ingresses: whatever one of them is, matching ends and stays within the
// path, begins with the characters that mean themselves, and a target comes to something that can
// stand in a request line. The input is expression, target and path, with a zero byte behind each.
#include "route_target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static char small(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static bool is_visible(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return !*text;
}

static void check_target(const struct route_target *target)
{
	size_t room = 64 * strlen(target->target) + 3 * target->path.length * 16 + 1;
	char *out = malloc(room);
	bool query, closed;
	size_t n;

	must(out != NULL);
	n = route_target_write(target, out, room, &query, &closed);
	must(n <= room);
	for (size_t i = 0; i < n; i++)
		must((uint8_t)out[i] > ' ' && (uint8_t)out[i] < 0x7f);
	free(out);
}

static void check(const char *text, const char *target, const char *path)
{
	char error[128];
	struct pattern_group groups[PATTERN_GROUPS];
	struct route_target made = {target, {path, strlen(path)}, groups};
	struct pattern *pattern = pattern_new(text, error);
	size_t literal = pattern_literal(text);
	enum pattern_result result;

	must(literal <= strlen(text));
	must(pattern || *error);
	if (!pattern)
		return;
	result = pattern_match(pattern, path, strlen(path), groups);
	for (unsigned i = 0; result == PATTERN_YES && i < PATTERN_GROUPS; i++)
		must((size_t)groups[i].at + groups[i].length <= strlen(path));
	for (size_t i = 0; result == PATTERN_YES && i < literal; i++)
		must(small(path[i]) == small(text[i]));
	// Behind an empty alternative nothing is known of how it begins: the answer is the same.
	if (result != PATTERN_COSTLY && strlen(text) < 4000) {
		char all[4096] = "()";
		struct pattern *other;
		struct pattern_group more[PATTERN_GROUPS];
		enum pattern_result again;

		strcat(all, text);
		must(pattern_literal(all) == 0);
		other = strstr(text, "(*") == text ? NULL : pattern_new(all, error);
		again = other && !strpbrk(text, "0123456789R&+-")
				? pattern_match(other, path, strlen(path), more)
				: result;
		must(again == result || again == PATTERN_COSTLY);
		pattern_free(other);
	}
	if (result == PATTERN_YES && is_visible(target) && route_target_valid(target))
		check_target(&made);
	pattern_free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = malloc(length + 3), *target, *path;

	must(text != NULL);
	if (length)
		memcpy(text, bytes, length);
	memset(text + length, 0, 3);
	target = text + strlen(text) + 1;
	path = target + strlen(target) + 1;
	check(text, target, path);
	free(text);
	return 0;
}
