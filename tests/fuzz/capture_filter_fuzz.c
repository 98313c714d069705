// SPDX-License-Identifier: BSD-3-Clause
// Does a frame fit a filter? The first bytes are the filter.
#include "capture_filter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_filter filter = {.by_host = false};
	uint8_t head[20];

	if (size < sizeof(head))
		return 0;
	memcpy(head, data, sizeof(head));
	filter.by_host = head[0] & 1;
	filter.protocol = head[1];
	memcpy(&filter.l4_port, head + 2, 2);
	memcpy(filter.host.byte, head + 4, 16);
	data += sizeof(head);
	size -= sizeof(head);
	if (!capture_match(&filter, data, (uint32_t)size) && !filter.by_host && !filter.protocol &&
		!filter.l4_port)
		abort(); // nothing was asked for
	return 0;
}
