// SPDX-License-Identifier: BSD-3-Clause
// hello_feed(): no byte looked at beyond what is given, the same verdict however the stream is cut,
// and what comes out keeps its bounds.
#include "hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static enum hello_verdict feed(struct hello *hello, const uint8_t *bytes, size_t length, size_t cut)
{
	enum hello_verdict verdict = HELLO_MORE;

	memset(hello, 0, sizeof(*hello));
	for (size_t at = 0; at < length; at += cut) {
		size_t part = length - at < cut ? length - at : cut;
		uint8_t *copy = malloc(part);
		enum hello_verdict now;

		must(copy != NULL);
		memcpy(copy, bytes + at, part);
		now = hello_feed(hello, copy, part);
		must(verdict == HELLO_MORE || now == verdict);
		verdict = now;
		free(copy);
	}
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct hello whole, cut;
	enum hello_verdict verdict = feed(&whole, bytes, length, length ? length : 1);
	const char *protocol;
	unsigned at = 0;
	uint8_t size;

	must(feed(&cut, bytes, length, 1) == verdict);
	must(cut.refusal == whole.refusal);
	must((verdict == HELLO_REFUSED) == (whole.refusal != TLS_OK));
	if (verdict != HELLO_WHOLE)
		return 0;
	must(strcmp(cut.name, whole.name) == 0 && strlen(whole.name) == whole.name_length);
	must(cut.alpn_length == whole.alpn_length && cut.tls13 == whole.tls13);
	while (hello_alpn_next(&whole, &at, &protocol, &size))
		must(size > 0 &&
			(const uint8_t *)protocol + size <= whole.alpn + whole.alpn_length);
	return 0;
}
