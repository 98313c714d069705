// SPDX-License-Identifier: BSD-3-Clause
// Secrets taken out of a text: those that the box knows, wherever they stand, and whatever looks
// like one (private keys, tokens, passwords after their name). Each is "(redacted)" then. Too much
// may go; what is known never stays. Pure; any text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDACTED       "(redacted)"
#define REDACT_MIN     4  // bytes; shorter ones are found by the name before them alone
#define REDACT_WINDOW  16 // bytes by which longer ones are looked for
#define REDACT_SHORTER 256

struct redact;

struct redact *redact_new(void); // NULL: out of memory
void redact_free(struct redact *redact);
// A secret. Of PEM texts each line of a private key is one, so that a part is found, too; of other
// texts of several lines each line. False: out of memory, it is not known then.
bool redact_add(struct redact *redact, const char *secret, size_t length);
// What is left of the text, to be freed, with a zero behind it; NULL: out of memory. `redact` NULL:
// nothing is known.
char *redact_text(
	const struct redact *redact, const char *text, size_t length, size_t *left_length);
