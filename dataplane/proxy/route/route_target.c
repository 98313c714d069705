// SPDX-License-Identifier: BSD-3-Clause
// The path that an endpoint is asked for instead of the client's, and where clients are sent.
#include "route_target.h"

#include <string.h>

struct target_writer {
	char *at, *end;
	bool full;
};

static void put(struct target_writer *w, char byte)
{
	if (w->at < w->end)
		*w->at++ = byte;
	else
		w->full = true;
}

static bool is_plain(uint8_t byte, bool in_query)
{
	if (byte <= ' ' || byte >= 0x7f || strchr("\"#%<>?", byte))
		return false;
	return !in_query || !strchr("&+", byte);
}

// A normal path has a % only as %25 and %2F, which stay; unless the group has but a part of it.
static bool is_escape(const char *at, size_t length)
{
	return length > 2 && (memcmp(at, "%25", 3) == 0 || memcmp(at, "%2F", 3) == 0);
}

static void put_group(struct target_writer *w, const char *at, size_t length, bool in_query)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; length; at++, length--) {
		uint8_t byte = (uint8_t)*at;

		if (is_plain(byte, in_query) || is_escape(at, length)) {
			put(w, (char)byte);
			continue;
		}
		put(w, '%');
		put(w, digits[byte >> 4]);
		put(w, digits[byte & 15]);
	}
}

static bool is_group(const char *at)
{
	return at[0] == '$' && at[1] >= '1' && at[1] <= '9';
}

size_t route_target_write(
	const struct route_target *target, char *out, size_t room, bool *query, bool *closed)
{
	struct target_writer w = {out, out + room, false};

	*query = *closed = false;
	for (const char *at = target->target; *at; at++) {
		const struct pattern_group *group = NULL;

		if (*at == '?' && !at[1] && !*query) {
			*closed = true;
			break;
		}
		*query |= *at == '?';
		if (!is_group(at)) {
			put(&w, *at);
			continue;
		}
		group = target->groups ? &target->groups[at[1] - '0'] : NULL;
		if (group)
			put_group(&w, target->path.text + group->at, group->length, *query);
		at++;
	}
	return w.full ? 0 : (size_t)(w.at - out);
}

bool route_target_is_url(const char *target)
{
	return strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0;
}

bool route_target_valid(const char *target)
{
	for (const char *at = strchr(target, '$'); at; at = strchr(at + 1, '$'))
		if (!is_group(at))
			return false;
	return true;
}

static const char *const variables[] = {"$scheme", "$host", "$http_host", "$request_uri"};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static bool is_word(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '_';
}

// Which of them stands there; VARIABLES: none.
static unsigned variable_at(const char *at)
{
	unsigned i = 0;

	for (; i < VARIABLES; i++) {
		size_t length = strlen(variables[i]);

		if (strncmp(at, variables[i], length) == 0 && !is_word(at[length]))
			break;
	}
	return i;
}

size_t route_redirect_write(
	const char *target, const struct route_redirect *words, char *out, size_t room)
{
	const struct route_text values[VARIABLES] = {
		words->scheme, words->host, words->http_host, words->request_uri};
	struct target_writer w = {out, out + room, false};

	while (*target) {
		unsigned found = *target == '$' ? variable_at(target) : VARIABLES;

		if (found == VARIABLES) {
			put(&w, *target++);
			continue;
		}
		for (size_t i = 0; i < values[found].length; i++)
			put(&w, values[found].text[i]);
		target += strlen(variables[found]);
	}
	return w.full ? 0 : (size_t)(w.at - out);
}

bool route_redirect_valid(const char *target)
{
	for (const char *at = strchr(target, '$'); at; at = strchr(at + 1, '$'))
		if (variable_at(at) == VARIABLES)
			return false;
	return route_target_is_url(target) || strncmp(target, "$scheme://", 10) == 0;
}
