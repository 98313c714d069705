// SPDX-License-Identifier: BSD-3-Clause
// Where in a sorted array something stands, or would have to be put. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sorted {
	const void *rows;
	size_t count, row_bytes;
	int (*compare)(const void *key, const void *row);
};

// The first row that is not less than the key, `count` when all are; `there` (may be NULL): it is
// equal.
size_t sorted_place(const struct sorted *sorted, const void *key, bool *there);
