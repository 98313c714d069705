// SPDX-License-Identifier: BSD-3-Clause
// Sixteen bytes at a time: where the next byte is that does not belong.
//
// A class of ASCII characters is two tables of sixteen bytes. A character is in it when the byte
// its low half chooses and the byte its high half chooses share a bit: one bit stands for each
// of the rows 0x00 to 0x70, so that any set of ASCII is told exactly. Nothing is read past the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tmmintrin.h>

struct scan_class {
	uint8_t low[16];
	uint8_t high[16];
};

extern const struct scan_class scan_token;  // RFC 9110: method, field name, connection option
extern const struct scan_class scan_target; // what a request target may consist of

static inline bool scan_is(const struct scan_class *set, uint8_t byte)
{
	return set->low[byte & 15] & set->high[byte >> 4];
}

// The first byte from `at` on that is not in the class, or `end`.
static inline const char *scan_not(const struct scan_class *set, const char *at, const char *end)
{
	const __m128i low = _mm_loadu_si128((const __m128i *)set->low);
	const __m128i high = _mm_loadu_si128((const __m128i *)set->high);
	const __m128i half = _mm_set1_epi8(15);

	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)at);
		__m128i rows = _mm_shuffle_epi8(low, _mm_and_si128(bytes, half));
		__m128i row = _mm_shuffle_epi8(
			high, _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
		__m128i out = _mm_cmpeq_epi8(_mm_and_si128(rows, row), _mm_setzero_si128());
		unsigned found = (unsigned)_mm_movemask_epi8(out);

		if (found)
			return at + __builtin_ctz(found);
	}
	while (at < end && scan_is(set, (uint8_t)*at))
		at++;
	return at;
}

// The first control character from `at` on (tab is none, DEL is one), or `end`.
static inline const char *scan_control(const char *at, const char *end)
{
	const __m128i last = _mm_set1_epi8(0x1f);
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)at);
		__m128i below = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last), bytes);
		__m128i out = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), below),
			_mm_cmpeq_epi8(bytes, del));
		unsigned found = (unsigned)_mm_movemask_epi8(out);

		if (found)
			return at + __builtin_ctz(found);
	}
	for (; at < end; at++) {
		uint8_t byte = (uint8_t)*at;

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			break;
	}
	return at;
}
