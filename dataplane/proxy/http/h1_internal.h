// SPDX-License-Identifier: BSD-3-Clause
// What requests, responses and bodies share. h1_*.c only.
#pragma once

#include "h1.h"

#include <string.h>
#include <tmmintrin.h>

#define H1_TOKEN 1 // classes of bytes, bits: RFC 9110 section 5.6.2
#define H1_VALUE 2 // of a field's value: section 5.5
#define H1_HEX   4

#define H1_LONGEST_NAME 32 // no known name is longer

extern const uint8_t h1_class[256];
extern const uint8_t h1_slide[32];

static inline bool h1_is(char byte, uint8_t class)
{
	return h1_class[(uint8_t)byte] & class;
}

static inline bool h1_is_digit(char byte)
{
	return (uint8_t)(byte - '0') < 10;
}

static inline char h1_lower(char byte)
{
	return (uint8_t)(byte - 'A') < 26 ? (char)(byte | 0x20) : byte;
}

// Sixteen bytes from `at`; zeros where they would lie beyond `length`, which is at least 16. A zero
// ends every kind of scan below, so none leaves the head.
static inline __m128i h1_load(const char *bytes, uint32_t at, uint32_t length)
{
	if (__builtin_expect(at + 16 <= length, 1))
		return _mm_loadu_si128((const __m128i *)(bytes + at));
	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + length - 16)),
		_mm_loadu_si128((const __m128i *)(h1_slide + (at + 16 - length))));
}

// By bit: which of them are no token, or '_', which many servers take for '-'.
static inline unsigned h1_no_token(__m128i bytes)
{
	// For each low half of a byte, the set of high halves that make a token of it.
	const __m128i low = _mm_setr_epi8(0xe8 - 256, 0xfc - 256, 0xf8 - 256, 0xfc - 256,
		0xfc - 256, 0xfc - 256, 0xfc - 256, 0xfc - 256, 0xf8 - 256, 0xf8 - 256, 0xf4 - 256,
		0x54, 0xd0 - 256, 0x54, 0xf4 - 256, 0x50);
	const __m128i high = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	__m128i set = _mm_shuffle_epi8(low, bytes);
	__m128i bit = _mm_shuffle_epi8(
		high, _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f)));

	return (unsigned)_mm_movemask_epi8(
		_mm_cmpeq_epi8(_mm_and_si128(set, bit), _mm_setzero_si128()));
}

// Which are no part of a value: control characters (a tab is one, here).
static inline unsigned h1_no_value(__m128i bytes)
{
	__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);

	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(control, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
}

// Which are no part of a target, or its '?'.
static inline unsigned h1_no_target(__m128i bytes)
{
	__m128i visible = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20)); // not those with the high bit
	__m128i not = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
		_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')),
			_mm_cmpeq_epi8(bytes, _mm_set1_epi8('?'))));

	return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(not, visible)) ^ 0xffffu;
}

// `name` in small letters, with a zero at its end.
bool h1_same(const char *bytes, size_t length, const char *name);
uint8_t h1_field_id(const char *name, size_t length);

struct h1_reader { // of one head
	struct h1_head *head;
	const char *bytes;
	uint32_t length, at;
	struct http_limits limits;
};

// H1_REFUSED with this reason.
enum h1_parsed h1_refuse(struct h1_head *head, enum http_refusal refusal);
// The fields and the empty line; then head->length is known.
enum h1_parsed h1_read_fields(struct h1_reader *reader);
// Has the head come to its end, or to a line that is refused, since `seen`?
bool h1_may_end(const char *bytes, uint32_t seen, uint32_t length);
void h1_head_begin(struct h1_head *head, const char *bytes);
// A tab around a value is a blank, though not for everyone: so not where a body's end hangs on it.
bool h1_has_tab(const struct h1_head *head, const struct h1_field *field);
// HTTP_OK with head->content_length.
enum http_refusal h1_read_length(struct h1_head *head, const struct h1_field *field);

struct h1_options { // of all Connection fields together
	bool close, keep_alive, upgrade;
};

// False: no list of tokens, or (of a request) naming what is not its to name.
bool h1_read_connection(struct h1_head *head, struct h1_options *options, bool request);
// Is there one Upgrade field, and does it say just that?
bool h1_is_websocket(const struct h1_head *head);
