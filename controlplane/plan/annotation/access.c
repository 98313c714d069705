// SPDX-License-Identifier: BSD-3-Clause
// Who may come. An Ingress that is to let in only some, and says so in a way that is not understood
// or not supported, lets in nobody: left out it would be open to all.
#include "annotation_internal.h"

#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 256

// "10.1.2.3/8", whose host bits mean nothing, or an address alone.
static bool read_prefix(const char *text, size_t length, struct prefix *prefix)
{
	char copy[PREFIX_TEXT], *slash, *end = NULL;
	unsigned long bits;

	while (length && (*text == ' ' || *text == '\t')) {
		text++;
		length--;
	}
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	if (addr_parse(&prefix->addr, copy) < 0)
		return false;
	prefix->length = addr_is_v4(&prefix->addr) ? 32 : 128;
	if (!slash)
		return true;
	bits = strtoul(slash, &end, 10);
	if (*slash < '0' || *slash > '9' || *end || bits > prefix->length)
		return false;
	prefix->length = (uint8_t)bits;
	prefix_mask(prefix);
	return true;
}

// CIDRs between commas. NULL: one is none.
static const struct prefix *read_list(const struct annotation *a, unsigned *count)
{
	struct prefix *list = NULL;
	const char *at = a->value;

	*count = 0;
	for (const char *end;; at = end + 1) {
		struct prefix prefix;

		end = at + strcspn(at, ",");
		if (!read_prefix(at, (size_t)(end - at), &prefix) || *count == SOURCES_MAX)
			return NULL;
		list = arena_grow(a->arena, list, *count, sizeof(*list));
		if (!list)
			return NULL;
		list[(*count)++] = prefix;
		if (!*end)
			return list;
	}
}

static void take_list(const struct annotation *a, struct annotated *out,
	const struct prefix **prefixes, unsigned *count)
{
	if (!a->value[strspn(a->value, " ")])
		return; // as if it were not there
	*prefixes = read_list(a, count);
	if (*prefixes)
		return;
	*count = 0;
	out->policy.denied = true;
	reason_add(a->reason,
		"annotation %s: found \"%.60s\", expected at most %u prefixes between commas; all "
		"requests are answered 503",
		a->key, a->value, SOURCES_MAX);
}

void annotation_allow(const struct annotation *a, struct annotated *out)
{
	take_list(a, out, &out->policy.allowed, &out->policy.allowed_count);
}

void annotation_refuse(const struct annotation *a, struct annotated *out)
{
	take_list(a, out, &out->policy.refused, &out->policy.refused_count);
}

// It would be all of the requests that it gets, not a share of them.
void annotation_canary(const struct annotation *a, struct annotated *out)
{
	if (annotation_bool(a, &out->aside) && out->aside)
		annotation_unsupported(a, "not supported yet; the Ingress is not served");
}

void annotation_deny(const struct annotation *a, struct annotated *out)
{
	out->policy.denied = true;
	annotation_unsupported(
		a, "not supported yet, and not left out: all requests are answered 503");
}
