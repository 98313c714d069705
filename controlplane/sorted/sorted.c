// SPDX-License-Identifier: BSD-3-Clause
#include "sorted.h"

size_t sorted_place(const struct sorted *s, const void *key, bool *there)
{
	size_t low = 0, high = s->count;
	bool equal = false;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = s->compare(key, (const char *)s->rows + middle * s->row_bytes);

		if (order > 0) {
			low = middle + 1;
		} else {
			high = middle;
			equal = order == 0;
		}
	}
	if (there)
		*there = equal;
	return low;
}
