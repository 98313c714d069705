// SPDX-License-Identifier: BSD-3-Clause
// Bytes as text, RFC 4648: the usual alphabet with its padding, or the one of URLs without. Pure,
// any thread.
#pragma once

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

enum base64_kind {
	BASE64,
	BASE64_URL
};

#define BASE64_TEXT(length) (((length) + 2) / 3 * 4 + 1) // bytes of the text, with its zero

// Writes BASE64_TEXT(length) bytes.
void base64_encode(const void *bytes, size_t length, char *text);
// White space between is skipped. Writes at most length / 4 * 3 + 3 bytes, `*count` of them.
// -EBADMSG: another letter, wrong padding, or bits that mean nothing.
int base64_decode(
	enum base64_kind kind, const char *text, size_t length, uint8_t *bytes, size_t *count);
