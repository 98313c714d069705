// SPDX-License-Identifier: BSD-3-Clause
// Paths of rules that are regular expressions, as ingress-nginx has them: by PCRE2, from the start
// of the path, whatever the case. Compiled when a plan is applied, then never changed; any thread
// may match, without memory but its stack.
//
// An expression can be one whose matching takes long. So it is bounded: in steps, by the length of
// the path, and in memory. The bound is beyond what any expression needs that is not of that kind.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_GROUPS 10 // the whole, and nine

struct pattern;

struct pattern_group { // in the path; a group that took no part has length 0
	uint16_t at, length;
};

enum pattern_result {
	PATTERN_NO,
	PATTERN_YES,
	PATTERN_COSTLY, // it cannot be said within the bound
};

// NULL, with what is wrong with it in `error`; "" when out of memory.
struct pattern *pattern_new(const char *text, char error[static 128]);
void pattern_free(struct pattern *pattern);
// Of a path of at most UINT16_MAX bytes. `groups` is written for PATTERN_YES alone.
enum pattern_result pattern_match(const struct pattern *pattern, const char *path, size_t length,
	struct pattern_group groups[static PATTERN_GROUPS]);
// Has the text something that only an expression has?
bool pattern_is_one(const char *text);
// How many of the expression's first characters mean themselves; 0 where it is hard to say.
size_t pattern_literal(const char *text);
