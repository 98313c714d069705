// SPDX-License-Identifier: BSD-3-Clause
#include "http_path.h"

#include <stdbool.h>
#include <stdint.h>

#include <emmintrin.h>

static bool needs_work(const char *path, size_t i, size_t length)
{
	return path[i] == '%' || path[i] == '\\' || !path[i] ||
	       (path[i] == '/' && i + 1 < length && (path[i + 1] == '/' || path[i + 1] == '.'));
}

// Where the first byte is that normalising may change or refuse; `length` when there is none.
static size_t clean_length(const char *path, size_t length)
{
	size_t i = 0;

	for (; length - i > 16; i += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(path + i));
		__m128i next = _mm_loadu_si128((const __m128i *)(path + i + 1));
		__m128i pair = _mm_and_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('/')),
			_mm_or_si128(_mm_cmpeq_epi8(next, _mm_set1_epi8('/')),
				_mm_cmpeq_epi8(next, _mm_set1_epi8('.'))));
		__m128i one = _mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('%')),
			_mm_or_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('\\')),
				_mm_cmpeq_epi8(here, _mm_setzero_si128())));
		unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(pair, one));

		if (found)
			return i + (size_t)__builtin_ctz(found);
	}
	while (i < length && !needs_work(path, i, length))
		i++;
	return i;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
		return (digit | 0x20) - 'a' + 10;
	return -1;
}

// The byte that %XX stands for, or -1.
static int escaped(const char *path, size_t length)
{
	int high = length > 2 ? hex_digit(path[1]) : -1;
	int low = length > 2 ? hex_digit(path[2]) : -1;

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

// The segment out[start..end) is whole; `closed`: a slash ends it. Moves the end where it is a dot
// segment. out[start - 1] is the slash in front of it.
static enum http_refusal end_segment(char *out, size_t start, size_t *end, bool closed)
{
	size_t length = *end - start;
	size_t dots = 0;

	while (dots < length && dots < 3 && out[start + dots] == '.')
		dots++;
	if ((dots == 1 || dots == 2) && dots < length && out[start + dots] == ';')
		return HTTP_PATH_DOT_PARAMETER;
	if (!length || (dots == length && dots == 1)) {
		*end = start;
		return HTTP_OK;
	}
	if (dots == length && dots == 2) {
		if (start < 2)
			return HTTP_PATH_ABOVE_ROOT;
		for (start--; out[start - 1] != '/';)
			start--;
		*end = start;
		return HTTP_OK;
	}
	if (closed)
		out[(*end)++] = '/';
	return HTTP_OK;
}

static enum http_refusal normalise(const char *path, size_t length, char *out, size_t *out_length)
{
	size_t start = 1, end = 1;
	enum http_refusal refusal;

	out[0] = '/';
	for (size_t i = 1; i < length; i++) {
		int byte = (uint8_t)path[i];

		if (byte == '/') {
			refusal = end_segment(out, start, &end, true);
			if (refusal)
				return refusal;
			start = end;
			continue;
		}
		if (byte == '%') {
			byte = escaped(path + i, length - i);
			if (byte < 0)
				return HTTP_PATH_ESCAPE;
			i += 2;
			if (byte == '/' || byte == '%') {
				out[end++] = '%';
				out[end++] = '2';
				byte = byte == '/' ? 'F' : '5';
			}
		}
		if (!byte)
			return HTTP_PATH_NUL;
		if (byte == '\\')
			return HTTP_PATH_BACKSLASH;
		out[end++] = (char)byte;
	}
	refusal = end_segment(out, start, &end, false);
	*out_length = end;
	return refusal;
}

enum http_refusal http_path_normalise(
	const char *path, size_t length, char *out, const char **normal, size_t *normal_length)
{
	if (clean_length(path, length) == length) {
		*normal = path;
		*normal_length = length;
		return HTTP_OK;
	}
	*normal = out;
	return normalise(path, length, out, normal_length);
}
