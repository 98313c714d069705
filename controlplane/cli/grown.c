// SPDX-License-Identifier: BSD-3-Clause
// Memory that may become large: an answer of 100,000 rows, and the cells of its table. A page of
// 4 kB costs as much to be had as to be filled. See cli.h.
#include "cli.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

void *grown(void *before, size_t bytes)
{
	char *now = realloc(before, bytes);
	uintptr_t start, end;

	if (!now || bytes < 2 * LARGE_PAGE)
		return now;
	start = ((uintptr_t)now + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	end = ((uintptr_t)now + bytes) & ~(LARGE_PAGE - 1);
	(void)madvise(
		now + (start - (uintptr_t)now), end - start, MADV_HUGEPAGE); // as good without
	return now;
}
