// SPDX-License-Identifier: BSD-3-Clause
// Who may ask over the network: tokens, each with a name and a role.
//
// A token is 256 random bits, told once when it is made; the file in the state folder has only
// their SHA-256, one token a line: "name role hash seconds". Hashes of what is asked with are
// compared in constant time with all of them. Loop thread only; blocking I/O when it changes.
#pragma once

#include "api_internal.h"

#define TOKEN_PREFIX     "sluice_"
#define TOKEN_HASH_BYTES 32
#define TOKEN_TEXT       80 // with its zero
#define TOKEN_NAME_MAX   40
#define TOKENS_MAX       1000

struct token {
	char name[TOKEN_NAME_MAX + 1]; // letters, digits, '.', '_' and '-'
	enum api_role role;
	uint8_t hash[TOKEN_HASH_BYTES];
	uint64_t made_s; // CLOCK_REALTIME
};

struct tokens;

// A line of the file, without its end. False: it is none.
bool token_parse(const char *line, size_t length, struct token *token);
bool token_name_ok(const char *name);
bool token_role_parse(const char *text, enum api_role *role); // "view", "admin"
const char *token_role_name(enum api_role role);

// What cannot be read of the file is told, and its lines are gone when it is written next. NULL:
// out of memory.
struct tokens *tokens_open(const char *path, struct reason *reason);
void tokens_close(struct tokens *tokens);
// Whose it is; NULL = nobody's. Valid until the tokens change.
const struct token *tokens_find(const struct tokens *tokens, const char *text);
const struct token *tokens_at(const struct tokens *tokens, unsigned i); // NULL: there is no i-th
// 0 with the text, or -errno with the reason.
int tokens_create(struct tokens *tokens, const char *name, enum api_role role,
	char text[static TOKEN_TEXT], struct reason *reason); // house: what a token is made of
int tokens_delete(struct tokens *tokens, const char *name, struct reason *reason);
