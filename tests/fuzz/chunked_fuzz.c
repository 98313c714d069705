// SPDX-License-Identifier: BSD-3-Clause
// Bodies in chunks, of any bytes: in one piece and in pieces they have the same payload and the
// same end; and the payload in chunks of ours is the same payload again.
#include "h1_write.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(bool holds)
{
	if (!holds)
		abort();
}

struct result {
	enum http_refusal refusal;
	bool done;
	size_t used, payload_length;
	char *payload;
};

static struct result take(const uint8_t *bytes, size_t length, size_t step)
{
	static const struct h1_head head = {.body = H1_BODY_CHUNKED};
	struct result result = {.payload = malloc(length ? length : 1)};
	struct h1_body body;

	must(result.payload != NULL);
	h1_body_begin(&body, &head);
	while (result.used < length && !body.done) {
		size_t have = length - result.used < step ? length - result.used : step;
		struct h1_span span;
		char *piece = malloc(have);

		must(piece != NULL);
		memcpy(piece, bytes + result.used, have);
		result.refusal = h1_body_take(&body, piece, (uint32_t)have, &span);
		if (result.refusal == HTTP_OK) {
			must(span.length > 0 && span.length <= have);
			must(span.payload + span.payload_length <= span.length);
			memcpy(result.payload + result.payload_length, piece + span.payload,
				span.payload_length);
			result.payload_length += span.payload_length;
			result.used += span.length;
		}
		free(piece);
		if (result.refusal != HTTP_OK)
			break;
	}
	result.done = body.done;
	must(body.payload == result.payload_length);
	return result;
}

static void check_again(const struct result *result)
{
	size_t room = result->payload_length + H1_CHUNK_HEAD + 7, at = 0;
	struct result again;
	char *made = malloc(room);

	must(made != NULL);
	if (result->payload_length) {
		at = h1_write_chunk_head(result->payload_length, made);
		memcpy(made + at, result->payload, result->payload_length);
		at += result->payload_length;
		memcpy(made + at, H1_CHUNK_TAIL, 2);
		at += 2;
	}
	memcpy(made + at, H1_CHUNK_LAST, 5);
	again = take((uint8_t *)made, at + 5, room);
	must(again.refusal == HTTP_OK && again.done && again.used == at + 5);
	must(again.payload_length == result->payload_length);
	must(memcmp(again.payload, result->payload, result->payload_length) == 0);
	free(again.payload);
	free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct result whole = take(bytes, length, length ? length : 1);
	size_t steps[] = {1, 2, 3, length / 2 + 1};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct result parts = take(bytes, length, steps[i]);

		must(parts.refusal == whole.refusal && parts.done == whole.done);
		if (whole.refusal == HTTP_OK)
			must(parts.used == whole.used &&
				parts.payload_length == whole.payload_length &&
				memcmp(parts.payload, whole.payload, whole.payload_length) == 0);
		free(parts.payload);
	}
	if (whole.done)
		check_again(&whole);
	free(whole.payload);
	return 0;
}
