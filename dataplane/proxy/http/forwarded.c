// SPDX-License-Identifier: BSD-3-Clause
#include "forwarded.h"

#include <string.h>
#include <strings.h>

#define MAPPED "::ffff:"

static bool is_between(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static bool read_port(const char *text, const char *end, uint16_t *port)
{
	uint32_t value = 0;

	if (text == end || end - text > 5)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80".
static bool read_one(const char *at, const char *end, struct addr *address, uint16_t *port)
{
	const char *colon = memchr(at, ':', (size_t)(end - at)), *stop = end;
	char text[ADDR_TEXT];

	*port = 0;
	if (*at == '[') {
		stop = memchr(at, ']', (size_t)(end - at));
		if (!stop || (stop + 1 < end && stop[1] != ':') ||
			(stop + 1 < end && !read_port(stop + 2, end, port)))
			return false;
		at++;
	} else if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
		stop = colon;
		if (!read_port(colon + 1, end, port))
			return false;
	}
	if ((size_t)(stop - at) >= sizeof(text))
		return false;
	memcpy(text, at, (size_t)(stop - at));
	text[stop - at] = '\0';
	if (strlen(text) != (size_t)(stop - at))
		return false;
	// Those who listen for both families tell IPv4 in IPv6.
	if (strncasecmp(text, MAPPED, sizeof(MAPPED) - 1) == 0 && strchr(text, '.'))
		return addr_parse(address, text + sizeof(MAPPED) - 1) == 0;
	return addr_parse(address, text) == 0;
}

bool forwarded_last(const char *list, uint32_t *length, struct addr *address, uint16_t *port)
{
	const char *end = list + *length, *at;

	while (end > list && is_between(end[-1]))
		end--;
	for (at = end; at > list && !is_between(at[-1]);)
		at--;
	*length = (uint32_t)(at - list);
	return at < end && read_one(at, end, address, port);
}
