// SPDX-License-Identifier: BSD-3-Clause
// What is secret on disk is there only encrypted: AES-256-GCM (NIST SP 800-38D) under the box's
// state key, with a random nonce. What it is for is authenticated along: one kind of thing does
// not pass for another.
//
// The key: the credential "sluice-state-key" when systemd gives one to the process (it keeps that
// encrypted under the TPM or its host key), else "state.key" in the state folder, made by who comes
// first, for its owner's eyes alone.
//
// Sealed bytes: nonce (12), tag (16), ciphertext. Any thread; a seal is not changed once open.
#pragma once

#include "reason.h"

#include <stddef.h>
#include <stdint.h>

#define SEAL_CREDENTIAL "sluice-state-key"
#define SEAL_KEY_FILE   "state.key"
#define SEAL_KEY_BYTES  32
#define SEAL_EXTRA      28 // bytes that sealing adds

struct seal;

// Finds the key, or makes it. 0, or -errno with the reason.
int seal_open(struct seal **seal, const char *state_dir, struct reason *reason);
void seal_close(struct seal *seal);

// Writes length + SEAL_EXTRA bytes. 0 or -EIO: the library failed.
int seal_bytes(const struct seal *seal, const char *purpose, const void *plain, size_t length,
	uint8_t *sealed);
// Writes length - SEAL_EXTRA bytes. -EBADMSG: not sealed for this purpose with this key, or
// damaged; nothing of `plain` is to be used then.
int unseal_bytes(const struct seal *seal, const char *purpose, const uint8_t *sealed, size_t length,
	void *plain);

// The same in base64, for lines of a text. To be freed; NULL: out of memory or the library failed.
char *seal_text(const struct seal *seal, const char *purpose, const void *plain, size_t length);
// `length` is the text's before and what was in it after. To be freed, followed by a byte of 0;
// NULL when it does not open.
char *unseal_text(const struct seal *seal, const char *purpose, const char *text, size_t *length);
