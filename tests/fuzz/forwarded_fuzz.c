// SPDX-License-Identifier: BSD-3-Clause
// X-Forwarded-For: whatever it holds, it gets shorter with each address and is not read beyond.
#include "forwarded.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list = malloc(size ? size : 1); // without an end: reading on is seen
	uint32_t length = (uint32_t)size;
	struct addr address;
	uint16_t port;

	if (!list)
		return 0;
	memcpy(list, data, size);
	for (uint32_t before = length; forwarded_last(list, &length, &address, &port);
		before = length)
		if (length >= before)
			abort();
	free(list);
	return 0;
}
