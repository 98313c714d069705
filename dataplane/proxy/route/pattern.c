// SPDX-License-Identifier: BSD-3-Clause
#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define FRAMES_KB   80 // PCRE2 begins with 20 and doubles
#define SCRATCH     (192 * 1024)
#define STEPS       10000   // at most, of one match
#define BYTE_STEPS  9000000 // steps times the length of the path: some milliseconds at worst
#define LITERAL_MAX 64

struct pattern {
	pcre2_code *code;
	size_t literal_length;
	char literal[LITERAL_MAX]; // in small letters: what each path begins with
};

// The memory of one match: what PCRE2 asks for, one piece after the other.
struct scratch {
	size_t used;
	_Alignas(16) char bytes[SCRATCH];
};

static void *scratch_take(PCRE2_SIZE size, void *arg)
{
	struct scratch *scratch = arg;
	void *at = scratch->bytes + scratch->used;

	size = (size + 15) & ~(PCRE2_SIZE)15;
	if (size > SCRATCH - scratch->used)
		return NULL;
	scratch->used += size;
	return at;
}

static void scratch_leave(void *block, void *arg)
{
}

static char small(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

bool pattern_is_one(const char *text)
{
	return strpbrk(text, "()[]{}|*+?^$\\") != NULL;
}

// The end of the class that begins at `at`; NULL where one of its own kind is inside, or no end is.
static const char *class_end(const char *at)
{
	at += at[1] == '^' ? 2 : 1;
	if (*at == ']')
		at++;
	for (; *at && *at != ']'; at++) {
		if (*at == '[')
			return NULL;
		if (*at == '\\' && (!*++at || strchr("QEc", *at)))
			return NULL;
	}
	return *at ? at : NULL;
}

// Whether it is for certain that all alternatives are inside groups.
static bool alternatives_inside(const char *text)
{
	unsigned depth = 0;

	for (const char *at = text; *at; at++) {
		if (*at == '\\') {
			if (!*++at || strchr("QEc", *at))
				return false;
		} else if (*at == '[') {
			at = class_end(at);
			if (!at)
				return false;
		} else if (*at == '(') {
			if (at[1] == '*' || (at[1] == '?' && at[2] != ':'))
				return false;
			depth++;
		} else if (*at == ')') {
			if (!depth--)
				return false;
		} else if (*at == '|' && !depth) {
			return false;
		}
	}
	return depth == 0;
}

size_t pattern_literal(const char *text)
{
	size_t length = strcspn(text, ".()[]{}|*+?^$\\");

	if (length && text[length] && strchr("*+?{", text[length]))
		length--;
	return alternatives_inside(text) ? length : 0;
}

struct pattern *pattern_new(const char *text, char error[static 128])
{
	struct pattern *pattern = calloc(1, sizeof(*pattern));
	int number;
	size_t at;

	error[0] = '\0';
	if (!pattern)
		return NULL;
	pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
		PCRE2_ANCHORED | PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP |
			PCRE2_NEVER_UTF,
		&number, &at, NULL);
	if (!pattern->code) {
		if (number != PCRE2_ERROR_HEAP_FAILED) {
			int end = 0;

			pcre2_get_error_message(number, (PCRE2_UCHAR *)error, 96);
			end = (int)strnlen(error, 96);
			snprintf(error + end, 128 - (size_t)end, ", at character %zu", at + 1);
		}
		free(pattern);
		return NULL;
	}
	pattern->literal_length = pattern_literal(text);
	if (pattern->literal_length > LITERAL_MAX)
		pattern->literal_length = LITERAL_MAX;
	for (size_t i = 0; i < pattern->literal_length; i++)
		pattern->literal[i] = small(text[i]);
	return pattern;
}

void pattern_free(struct pattern *pattern)
{
	if (pattern)
		pcre2_code_free(pattern->code);
	free(pattern);
}

static bool may_match(const struct pattern *pattern, const char *path, size_t length)
{
	if (length < pattern->literal_length)
		return false;
	for (size_t i = 0; i < pattern->literal_length; i++)
		if (small(path[i]) != pattern->literal[i])
			return false;
	return true;
}

static void copy_groups(
	const pcre2_match_data *data, int count, struct pattern_group groups[static PATTERN_GROUPS])
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer((pcre2_match_data *)data);

	for (int i = 0; i < PATTERN_GROUPS; i++) {
		groups[i] = (struct pattern_group){0, 0};
		// \K can make a group end ahead of its beginning.
		if (i < count && ends[2 * i] != PCRE2_UNSET && ends[2 * i] < ends[2 * i + 1])
			groups[i] = (struct pattern_group){
				(uint16_t)ends[2 * i], (uint16_t)(ends[2 * i + 1] - ends[2 * i])};
	}
}

enum pattern_result pattern_match(const struct pattern *pattern, const char *path, size_t length,
	struct pattern_group groups[static PATTERN_GROUPS])
{
	struct scratch scratch;
	size_t steps = length ? BYTE_STEPS / length : STEPS;
	pcre2_general_context *memory;
	pcre2_match_context *bounds;
	pcre2_match_data *data;
	int count;

	if (!may_match(pattern, path, length))
		return PATTERN_NO;
	scratch.used = 0;
	memory = pcre2_general_context_create(scratch_take, scratch_leave, &scratch);
	bounds = pcre2_match_context_create(memory);
	data = pcre2_match_data_create(PATTERN_GROUPS, memory);
	if (length > UINT16_MAX || !bounds || !data)
		return PATTERN_COSTLY;
	pcre2_set_match_limit(bounds, (uint32_t)(steps < STEPS ? steps : STEPS));
	pcre2_set_heap_limit(bounds, FRAMES_KB);
	count = pcre2_match(
		pattern->code, (PCRE2_SPTR)path, length, 0, PCRE2_NO_UTF_CHECK, data, bounds);
	if (count == PCRE2_ERROR_NOMATCH)
		return PATTERN_NO;
	if (count < 0)
		return PATTERN_COSTLY;
	copy_groups(data, count ? count : PATTERN_GROUPS, groups);
	return PATTERN_YES;
}
