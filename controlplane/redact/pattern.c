// SPDX-License-Identifier: BSD-3-Clause
// What looks like a secret although nobody here knows it. See redact.h.
//
//     -----BEGIN ... PRIVATE KEY----- ...   the same in base64     sluice_<hexadecimal>
//     eyJ....eyJ....   Bearer ...   Basic ...   https://user:password@host   $6$salt$hash
//     password = "...", "token": "...", passphrase ...              what follows the name
#include "redact_internal.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define PEM_MAX (64u << 10)

// `part` at `at`, in any case of letters.
static bool is_at(const struct marks *m, size_t at, const char *part)
{
	size_t n = strlen(part);

	return at <= m->length && n <= m->length - at && strncasecmp(m->text + at, part, n) == 0;
}

static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+/=_-.~", c));
}

static bool is_base64(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+/=", c));
}

// Where a run of such letters ends.
static size_t run_end(const struct marks *m, size_t at, bool (*is)(char c))
{
	while (at < m->length && is(m->text[at]))
		at++;
	return at;
}

static void mark_pem(struct marks *m, size_t at)
{
	static const char begin[] = "-----BEGIN ";
	size_t left = m->length - at, line = left < 80 ? left : 80, most;
	const char *end;

	if (!is_at(m, at, begin) || !memmem(m->text + at, line, "PRIVATE KEY", 11))
		return;
	at += strlen(begin);
	most = m->length - at < PEM_MAX ? m->length - at : PEM_MAX;
	end = memmem(m->text + at, most, "-----END", 8);
	marks_hide(m, at, end ? (size_t)(end - m->text) : at + most);
}

// The same as it stands in kubeconfigs and Secrets.
static void mark_pem64(struct marks *m, size_t at)
{
	if (memcmp(m->text + at, "LS0tLS1CRUdJTi", 14) == 0)
		marks_hide(m, at, run_end(m, at, is_base64));
}

static bool is_hex(char c)
{
	return isxdigit((unsigned char)c);
}

static bool is_part(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static void mark_token(struct marks *m, size_t at)
{
	size_t end = run_end(m, at + 7, is_hex);

	if (is_at(m, at, "sluice_") && end - at >= 7 + 16)
		marks_hide(m, at + 7, end);
}

// RFC 7519: three parts in base64url, of which the first begins {"
static void mark_jwt(struct marks *m, size_t at)
{
	size_t end = run_end(m, at, is_part), parts = 1;

	if (end - at < 10)
		return;
	while (parts < 3 && end < m->length && m->text[end] == '.') {
		end = run_end(m, end + 1, is_part);
		parts++;
	}
	if (parts > 1)
		marks_hide(m, at, end);
}

static void mark_scheme(struct marks *m, size_t at)
{
	size_t word = is_at(m, at, "Bearer ") ? 7 : is_at(m, at, "Basic ") ? 6 : 0;
	size_t end = run_end(m, at + word, is_token_char);

	if (word && end - at - word >= 8)
		marks_hide(m, at + word, end);
}

// "://user:password@"
static void mark_user(struct marks *m, size_t at)
{
	bool colon = false;

	if (!is_at(m, at, "://"))
		return;
	at += 3;
	for (size_t i = at; i < m->length && i - at < 300 && !strchr("/ \t\n\"'<>", m->text[i]);
		i++) {
		colon |= m->text[i] == ':';
		if (m->text[i] == '@' && colon)
			marks_hide(m, at, i);
	}
}

// crypt(5): "$6$salt$hash"
static void mark_crypt(struct marks *m, size_t at)
{
	static const char *const kinds[] = {
		"$1$", "$5$", "$6$", "$y$", "$2a$", "$2b$", "$2y$", "$gy$"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t end = at + strlen(kinds[i]);

		if (!is_at(m, at, kinds[i]))
			continue;
		while (end < m->length && (is_token_char(m->text[end]) || m->text[end] == '$'))
			end++;
		marks_hide(m, at, end);
	}
}

struct name {
	const char *text;
	const char *between; // what may stand between it and its value
};

static const struct name names[] = {
	{"password", "=: "},
	{"passwd", "=: "},
	{"passphrase", "=: "},
	{"token", "=:"},
	{"secret", "="},
	{"secret-key", "=:"},
	{"secret_key", "=:"},
	{"client-secret", "=:"},
	{"client_secret", "=:"},
	{"private-key", "=:"},
	{"private_key", "=:"},
	{"api-key", "=:"},
	{"api_key", "=:"},
	{"apikey", "=:"},
	{"key-data", "=:"},
};

struct quote {       // as it stands in a text, or in one that is in a text of JSON: \"
	char letter; // '\0': there is none
	size_t slashes;
};

// Behind the quote at `at`, if there is one.
static size_t read_quote(const struct marks *m, size_t at, struct quote *quote)
{
	size_t end = at;

	while (end < m->length && m->text[end] == '\\')
		end++;
	*quote = (struct quote){'\0', end - at};
	if (end == m->length || (m->text[end] != '"' && m->text[end] != '\''))
		return at;
	quote->letter = m->text[end];
	return end + 1;
}

// Where the same quote stands again, with as many slashes before it.
static size_t quoted_end(const struct marks *m, size_t at, const struct quote *quote)
{
	while (at < m->length && m->text[at] != '\n') {
		size_t run = at;

		while (run < m->length && m->text[run] == '\\')
			run++;
		if (run == m->length)
			return run;
		if (m->text[run] == quote->letter && run - at <= quote->slashes)
			return at;
		at = run + 1;
	}
	return at;
}

static void mark_value(struct marks *m, size_t at, const char *between)
{
	struct quote quote;
	size_t start, end;
	bool any = false;

	at = read_quote(m, at, &quote); // of the name
	while (at < m->length && m->text[at]) {
		if (strchr(" \t=:", m->text[at]))
			any |= strchr(between, m->text[at++]) != NULL;
		else if (any && (is_at(m, at, "is ") || is_at(m, at, "is:")))
			at += 2;
		else
			break;
	}
	if (!any)
		return;
	start = end = read_quote(m, at, &quote);
	if (quote.letter)
		end = quoted_end(m, start, &quote);
	else
		while (end < m->length && !strchr(" \t\r\n;,&\"'{}[]()\\", m->text[end]))
			end++;
	if (end - start == 4 && is_at(m, start, "null"))
		return;
	marks_hide(m, start, end);
}

static void mark_named(struct marks *m, size_t at)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_at(m, at, names[i].text))
			mark_value(m, at + strlen(names[i].text), names[i].between);
}

void pattern_mark(struct marks *m)
{
	for (size_t at = 0; at < m->length; at++) {
		switch (m->text[at]) {
		case '-':
			mark_pem(m, at);
			break;
		case 'L':
			if (m->length - at > 14)
				mark_pem64(m, at);
			break;
		case 's':
		case 'S':
			mark_token(m, at);
			mark_named(m, at);
			break;
		case 'e':
			if (is_at(m, at, "eyJ"))
				mark_jwt(m, at);
			break;
		case 'b':
		case 'B':
			mark_scheme(m, at);
			break;
		case ':':
			mark_user(m, at);
			break;
		case '$':
			mark_crypt(m, at);
			break;
		case 'p':
		case 'P':
		case 't':
		case 'T':
		case 'c':
		case 'C':
		case 'a':
		case 'A':
		case 'k':
		case 'K':
			mark_named(m, at);
			break;
		default:
			break;
		}
	}
}
