// SPDX-License-Identifier: BSD-3-Clause
// What pattern.c and redact.c share.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct marks { // which bytes of a text are secret
	const char *text;
	size_t length;
	uint8_t *hidden;
};

void marks_hide(struct marks *marks, size_t from, size_t to);
// Whatever looks like a secret.
void pattern_mark(struct marks *marks);
