// SPDX-License-Identifier: BSD-3-Clause
// Why something was refused, as text for the person who caused it.
//
// Whoever finds a mistake adds a line and goes on, so that all mistakes are told at once. A line
// says where (file, line, object, field), what was found and what was expected.
// Not shared between threads. Memory exhaustion drops the line and keeps the count.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct reason {
	char *text; // lines separated by '\n', no trailing one; NULL when there is none
	size_t length;
	unsigned count; // lines added
};

void reason_add(struct reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
// The text, or "" when there is none; valid until the next call on the same reason.
const char *reason_text(const struct reason *reason);
void reason_clear(struct reason *reason);
