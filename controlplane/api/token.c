// SPDX-License-Identifier: BSD-3-Clause
#include "token.h"

#include "whole_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEAD "# sluice tokens 1: name, role, SHA-256, made. Written by sluice-controlplane.\n"

struct tokens {
	char *path;
	unsigned count;
	struct token list[TOKENS_MAX];
};

static const char *const roles[] = {
	[ROLE_NONE] = "none", [ROLE_VIEW] = "view", [ROLE_ADMIN] = "admin"};

const char *token_role_name(enum api_role role)
{
	return roles[role];
}

bool token_role_parse(const char *text, enum api_role *role)
{
	for (unsigned i = ROLE_VIEW; i <= ROLE_ADMIN; i++)
		if (strcmp(text, roles[i]) == 0) {
			*role = (enum api_role)i;
			return true;
		}
	return false;
}

bool token_name_ok(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789._-");

	return length && length <= TOKEN_NAME_MAX && name[length] == '\0';
}

static int hex_digit(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool parse_hash(const char *text, uint8_t hash[static TOKEN_HASH_BYTES])
{
	for (unsigned i = 0; i < TOKEN_HASH_BYTES; i++) {
		int high = hex_digit(text[2 * i]), low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		hash[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * TOKEN_HASH_BYTES] == '\0';
}

bool token_parse(const char *line, size_t length, struct token *token)
{
	char copy[200], *words[4], *rest = copy, *end;

	if (length >= sizeof(copy) || memchr(line, '\0', length))
		return false;
	memcpy(copy, line, length);
	copy[length] = '\0';
	for (unsigned i = 0; i < 4; i++)
		if (!(words[i] = strsep(&rest, " ")))
			return false;
	if (rest || !token_name_ok(words[0]) || !token_role_parse(words[1], &token->role) ||
		!parse_hash(words[2], token->hash) || *words[3] < '0' || *words[3] > '9')
		return false;
	strcpy(token->name, words[0]);
	token->made_s = strtoull(words[3], &end, 10);
	return *end == '\0';
}

struct tokens *tokens_open(const char *path, struct reason *reason)
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	FILE *file;

	if (!tokens || !(tokens->path = strdup(path))) {
		free(tokens);
		return NULL;
	}
	file = fopen(path, "re");
	if (!file && errno != ENOENT)
		reason_add(reason, "%s: cannot be read: %s", path, strerror(errno));
	for (unsigned number = 1; file && (length = getline(&line, &size, file)) > 0; number++) {
		if (line[length - 1] == '\n')
			length--;
		if (!length || line[0] == '#')
			continue;
		if (tokens->count < TOKENS_MAX &&
			token_parse(line, (size_t)length, &tokens->list[tokens->count]))
			tokens->count++;
		else
			reason_add(reason, "%s:%u: this is no token: it is left out", path, number);
	}
	free(line);
	if (file)
		fclose(file);
	return tokens;
}

void tokens_close(struct tokens *tokens)
{
	if (!tokens)
		return;
	free(tokens->path);
	free(tokens);
}

static bool hash_text(const char *text, uint8_t hash[static TOKEN_HASH_BYTES])
{
	return EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL) == 1;
}

const struct token *tokens_find(const struct tokens *tokens, const char *text)
{
	const struct token *found = NULL;
	uint8_t hash[TOKEN_HASH_BYTES];

	if (!hash_text(text, hash))
		return NULL;
	for (unsigned i = 0; i < tokens->count; i++)
		if (CRYPTO_memcmp(tokens->list[i].hash, hash, sizeof(hash)) == 0)
			found = &tokens->list[i];
	return found;
}

const struct token *tokens_at(const struct tokens *tokens, unsigned i)
{
	return i < tokens->count ? &tokens->list[i] : NULL;
}

static void print_token(FILE *file, const struct token *token)
{
	fprintf(file, "%s %s ", token->name, roles[token->role]);
	for (unsigned i = 0; i < TOKEN_HASH_BYTES; i++)
		fprintf(file, "%02x", token->hash[i]);
	fprintf(file, " %llu\n", (unsigned long long)token->made_s);
}

static int write_tokens(const struct tokens *tokens, struct reason *reason)
{
	const struct whole_file whole = {.path = tokens->path, .mode = 0600};
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);
	int error = -ENOMEM;

	if (!file)
		return error;
	fputs(HEAD, file);
	for (unsigned i = 0; i < tokens->count; i++)
		print_token(file, &tokens->list[i]);
	if (fclose(file) == 0)
		error = whole_file_write(&whole, text, length, reason);
	free(text);
	return error;
}

static int position(const struct tokens *tokens, const char *name)
{
	for (unsigned i = 0; i < tokens->count; i++)
		if (strcmp(tokens->list[i].name, name) == 0)
			return (int)i;
	return -1;
}

int tokens_create(struct tokens *tokens, const char *name, enum api_role role,
	char text[static TOKEN_TEXT], struct reason *reason)
{
	struct token *token = &tokens->list[tokens->count];
	uint8_t secret[TOKEN_HASH_BYTES];
	int error, at;

	if (position(tokens, name) >= 0 || tokens->count == TOKENS_MAX) {
		reason_add(reason, "name: found \"%s\", %s", name,
			tokens->count == TOKENS_MAX ? "but there are 1000 tokens already"
						    : "which is another token's already");
		return -EEXIST;
	}
	if (RAND_bytes(secret, sizeof(secret)) != 1)
		return -EIO;
	at = snprintf(text, TOKEN_TEXT, TOKEN_PREFIX);
	for (unsigned i = 0; i < sizeof(secret); i++)
		at += snprintf(text + at, (size_t)(TOKEN_TEXT - at), "%02x", secret[i]);
	OPENSSL_cleanse(secret, sizeof(secret));
	*token = (struct token){.role = role, .made_s = (uint64_t)time(NULL)};
	strcpy(token->name, name);
	if (!hash_text(text, token->hash))
		return -EIO;
	tokens->count++;
	error = write_tokens(tokens, reason);
	if (error)
		tokens->count--;
	return error;
}

int tokens_delete(struct tokens *tokens, const char *name, struct reason *reason)
{
	int at = position(tokens, name);
	struct token before;
	int error;

	if (at < 0) {
		reason_add(reason, "name: found \"%s\", expected a token of `token list`", name);
		return -ENOENT;
	}
	before = tokens->list[at];
	memmove(&tokens->list[at], &tokens->list[at + 1],
		(tokens->count - (unsigned)at - 1) * sizeof(before));
	tokens->count--;
	error = write_tokens(tokens, reason);
	if (error)
		tokens->list[tokens->count++] = before;
	return error;
}
