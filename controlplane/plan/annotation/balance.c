// SPDX-License-Identifier: BSD-3-Clause
// Which endpoint a request goes to.
#include <string.h>

#include "annotation_internal.h"
#include "limits.h"

void annotation_load_balance(const struct annotation *a, struct annotated *out)
{
	static const struct {
		const char *name;
		enum algorithm algorithm;
	} names[] = {
		{"round_robin", ALGORITHM_ROUND_ROBIN},
		{"round-robin", ALGORITHM_ROUND_ROBIN},
		{"weighted", ALGORITHM_WEIGHTED},
		{"least-requests", ALGORITHM_LEAST_REQUESTS},
		{"least_requests", ALGORITHM_LEAST_REQUESTS},
		{"least_conn", ALGORITHM_LEAST_REQUESTS},
		{"ewma", ALGORITHM_EWMA},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(a->value, names[i].name) == 0) {
			out->algorithm = names[i].algorithm;
			return;
		}
	annotation_wrong(a, "round_robin, ewma, least-requests or weighted");
}

static bool is_word(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && !text[n] && n < SLUICE_NAME_MAX;
}

// In nginx's variable for a header _ stands for -.
static void take_name(
	const struct annotation *a, struct annotated *out, size_t skip, enum hash_key key)
{
	char *name = arena_copy(a->arena, a->value + skip);

	for (char *at = name; key == HASH_HEADER && at && *at; at++)
		if (*at == '_')
			*at = '-';
	if (!name)
		return;
	out->upstream.hash_key = key;
	out->upstream.hash_name = name;
	out->algorithm = ALGORITHM_HASH;
}

void annotation_hash_by(const struct annotation *a, struct annotated *out)
{
	static const struct {
		const char *name;
		enum hash_key key;
	} names[] = {
		{"$request_uri", HASH_URI},
		{"$uri", HASH_URI},
		{"$host", HASH_HOST},
		{"$remote_addr", HASH_CLIENT},
		{"$binary_remote_addr", HASH_CLIENT},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(a->value, names[i].name) == 0) {
			out->upstream.hash_key = names[i].key;
			out->algorithm = ALGORITHM_HASH;
			return;
		}
	if (strncmp(a->value, "$http_", 6) == 0 && is_word(a->value + 6))
		take_name(a, out, 6, HASH_HEADER);
	else if (strncmp(a->value, "$cookie_", 8) == 0 && is_word(a->value + 8))
		take_name(a, out, 8, HASH_COOKIE);
	else
		annotation_wrong(
			a, "one of $request_uri, $host, $remote_addr, $http_name and $cookie_name");
}
