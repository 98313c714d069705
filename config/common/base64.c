// SPDX-License-Identifier: BSD-3-Clause
#include "base64.h"

#include <errno.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, char *text)
{
	const uint8_t *from = bytes;

	for (; length; from += length < 3 ? length : 3, length -= length < 3 ? length : 3) {
		uint32_t bits = (uint32_t)from[0] << 16;

		bits |= length > 1 ? (uint32_t)from[1] << 8 : 0;
		bits |= length > 2 ? from[2] : 0;
		*text++ = letters[bits >> 18];
		*text++ = letters[bits >> 12 & 63];
		*text++ = length > 1 ? letters[bits >> 6 & 63] : '=';
		*text++ = length > 2 ? letters[bits & 63] : '=';
	}
	*text = '\0';
}

static int digit(enum base64_kind kind, char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	if (letter == (kind == BASE64 ? '+' : '-'))
		return 62;
	return letter == (kind == BASE64 ? '/' : '_') ? 63 : -1;
}

// The bytes of the last, shorter group. False: there is none of that form.
static bool finish(uint32_t bits, unsigned held, uint8_t *bytes, size_t *count)
{
	if (held == 1 || (held == 2 && bits & 0xf) || (held == 3 && bits & 3))
		return false;
	if (held >= 2)
		bytes[(*count)++] = (uint8_t)(bits >> (held == 2 ? 4 : 10));
	if (held == 3)
		bytes[(*count)++] = (uint8_t)(bits >> 2);
	return true;
}

int base64_decode(
	enum base64_kind kind, const char *text, size_t length, uint8_t *bytes, size_t *count)
{
	unsigned held = 0, padding = 0;
	uint32_t bits = 0;

	*count = 0;
	for (size_t i = 0; i < length; i++) {
		int value = digit(kind, text[i]);

		if (text[i] && strchr(" \r\n\t", text[i]))
			continue;
		if (text[i] == '=' && kind == BASE64) {
			padding++;
			continue;
		}
		if (value < 0 || padding)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)value;
		if (++held == 4) {
			bytes[(*count)++] = (uint8_t)(bits >> 16);
			bytes[(*count)++] = (uint8_t)(bits >> 8);
			bytes[(*count)++] = (uint8_t)bits;
			bits = held = 0;
		}
	}
	if (kind == BASE64 && padding != (held ? 4 - held : 0))
		return -EBADMSG;
	return finish(bits, held, bytes, count) ? 0 : -EBADMSG;
}
