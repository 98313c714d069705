// SPDX-License-Identifier: BSD-3-Clause
// An endpoint as text: what is understood is the same when it is written and read again.
#include "drains.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[DRAIN_TEXT];
	struct drain drain, other;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (drain_parse(&drain, text)) {
		if (!drain_parse(&other, drain_format(&drain, again)) || other.port != drain.port ||
			addr_compare(&other.address, &drain.address) != 0)
			abort();
	}
	free(text);
	return 0;
}
