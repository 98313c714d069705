// SPDX-License-Identifier: BSD-3-Clause
// Texts without their secrets: a secret that is known, the first line of the input, is nowhere in
// what is left of the rest; and what is left has no more of the text than there was.
#include "redact.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *line = memchr(text, '\n', size);
	size_t secret = line ? (size_t)(line - text) : 0, length;
	struct redact *redact = redact_new();
	char *left;

	if (!redact)
		return 0;
	if (secret && redact_add(redact, text, secret)) {
		text += secret + 1;
		size -= secret + 1;
	}
	left = redact_text(redact, text, size, &length);
	// Neither what stands for it nor white space around it is the secret itself.
	if (left && secret >= 40 && !strchr(" \t\r", line[-1]) && !strchr(" \t", *data) &&
		!memmem(data, secret, "(redacted)", 3) &&
		!memmem(data, secret, "-----BEGIN ", 11) && memmem(left, length, data, secret))
		abort();
	if (left && left[length])
		abort();
	free(left);
	redact_free(redact);
	return 0;
}
