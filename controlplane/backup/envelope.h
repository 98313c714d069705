// SPDX-License-Identifier: BSD-3-Clause
// A backup as it lies in a file: closed with a passphrase. The key comes of it by scrypt (RFC
// 7914), which costs 64 MB and a fifth of a second a try; what it closes is AES-256-GCM (NIST SP
// 800-38D), with the head authenticated along.
//
//     "SLUICEBK"  version (1)  log2 of scrypt's N (1)  0 (2)  length of what is closed (8)
//     salt (16)  check (16)  nonce (12)        closed bytes        tag (16)
//
// The check comes of the passphrase as the key does, and tells a wrong one from a damaged file; the
// length tells a cut one. Pure but for randomness; hostile input.
#pragma once

#include "reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_HEAD      64
#define ENVELOPE_EXTRA     80 // bytes that closing adds
#define ENVELOPE_BYTES_MAX (128u << 20)
#define PASSPHRASE_MIN     8
#define PASSPHRASE_MAX     1024 // with its zero

// To be freed, length + ENVELOPE_EXTRA bytes; NULL: the library failed.
uint8_t *envelope_close(const char *passphrase, const void *plain, size_t length);
// Is it one, of this version, and whole? What needs no passphrase to see.
bool envelope_check(const uint8_t *bytes, size_t length, struct reason *reason);
// To be freed, length - ENVELOPE_EXTRA bytes; NULL with the reason.
uint8_t *envelope_open(
	const char *passphrase, const uint8_t *bytes, size_t length, struct reason *reason);
