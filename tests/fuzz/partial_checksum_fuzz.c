// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a frame: what is repaired has a true checksum and is left alone the second time, and
// the rest of the frame never changes.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "partial_checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame;
	unsigned changed = 0;

	if (size < 8 || size > 10000)
		return 0;
	frame = malloc(size);
	if (!frame)
		return 0;
	memcpy(frame, data, size);
	if (partial_checksum_repair(frame, (uint32_t)size)) {
		for (size_t i = 0; i < size; i++)
			changed += frame[i] != data[i];
		if (changed > 2)
			abort();
		memcpy(frame, data, size);
		partial_checksum_repair(frame, (uint32_t)size);
	} else if (memcmp(frame, data, size) != 0) {
		abort();
	}
	partial_checksum_complete(frame, (uint32_t)size, (uint32_t)(data[0] << 8 | data[1]),
		(uint32_t)(data[2] << 8 | data[3]));
	free(frame);
	return 0;
}
