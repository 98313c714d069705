// SPDX-License-Identifier: BSD-3-Clause
// Small things the settings are made of: names of modes and algorithms, ranges of addresses.
#include <string.h>

#include "settings.h"

static const char *const mode_names[] = {
	[MODE_FULL_NAT] = "full-nat",
	[MODE_DNAT] = "dnat",
	[MODE_DSR] = "dsr",
};

static const char *const algorithm_names[] = {
	[ALGORITHM_MAGLEV] = "maglev",
	[ALGORITHM_ROUND_ROBIN] = "round-robin",
	[ALGORITHM_WEIGHTED] = "weighted",
	[ALGORITHM_LEAST_CONNECTIONS] = "least-connections",
	[ALGORITHM_SOURCE_HASH] = "source-hash",
	[ALGORITHM_LEAST_REQUESTS] = "least-requests",
	[ALGORITHM_EWMA] = "ewma",
	[ALGORITHM_HASH] = "hash",
};

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
	return value < count && names[value] ? names[value] : "?";
}

static unsigned value_of(const char *const *names, size_t count, const char *text)
{
	for (unsigned i = 1; i < count; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return 0;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *mode_name(enum mode mode)
{
	return name_of(mode_names, COUNT(mode_names), mode);
}

const char *algorithm_name(enum algorithm algorithm)
{
	return name_of(algorithm_names, COUNT(algorithm_names), algorithm);
}

bool mode_parse(const char *text, enum mode *mode)
{
	unsigned value = value_of(mode_names, COUNT(mode_names), text);

	if (value)
		*mode = (enum mode)value;
	return value != 0;
}

bool algorithm_parse(const char *text, enum algorithm *algorithm)
{
	unsigned value = value_of(algorithm_names, ALGORITHM_SOURCE_HASH + 1, text);

	if (value)
		*algorithm = (enum algorithm)value;
	return value != 0;
}

static struct addr last_of(const struct prefix *prefix)
{
	struct addr last = prefix->addr;
	unsigned bits = prefix->length + (addr_is_v4(&prefix->addr) ? 96u : 0u);

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits <= i * 8 ? 0 : bits - i * 8;

		if (keep < 8)
			last.byte[i] |= (uint8_t)(0xffu >> keep);
	}
	return last;
}

bool range_parse(const char *text, struct range_settings *range)
{
	const char *dash = strchr(text, '-');
	char head[ADDR_TEXT];
	struct prefix prefix;

	if (!dash) {
		if (prefix_parse(&prefix, text) < 0)
			return false;
		range->first = prefix.addr;
		range->last = last_of(&prefix);
		return true;
	}
	// Spaces around the dash are what people write.
	while (*text == ' ')
		text++;
	size_t n = (size_t)(dash - text);
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (n >= sizeof(head))
		return false;
	memcpy(head, text, n);
	head[n] = '\0';
	for (dash++; *dash == ' ';)
		dash++;
	return addr_parse(&range->first, head) == 0 && addr_parse(&range->last, dash) == 0 &&
	       addr_is_v4(&range->first) == addr_is_v4(&range->last) &&
	       addr_compare(&range->first, &range->last) <= 0;
}

bool range_contains(const struct range_settings *range, const struct addr *addr)
{
	return addr_is_v4(addr) == addr_is_v4(&range->first) &&
	       addr_compare(&range->first, addr) <= 0 && addr_compare(addr, &range->last) <= 0;
}

bool range_overlaps(const struct range_settings *a, const struct range_settings *b)
{
	return addr_is_v4(&a->first) == addr_is_v4(&b->first) &&
	       addr_compare(&a->first, &b->last) <= 0 && addr_compare(&b->first, &a->last) <= 0;
}
