// SPDX-License-Identifier: BSD-3-Clause
// When another endpoint is tried.
#include <string.h>

#include "annotation_internal.h"

#define TRIES_MAX   1000
#define TIMEOUT_MAX 86400

static const struct {
	const char *name;
	enum retry_on on;
} conditions[] = {
	{"error", RETRY_ERROR},
	{"timeout", RETRY_TIMEOUT},
	{"invalid_header", RETRY_INVALID_HEADER},
	{"http_500", RETRY_500},
	{"http_502", RETRY_502},
	{"http_503", RETRY_503},
	{"http_504", RETRY_504},
	{"http_403", RETRY_403},
	{"http_404", RETRY_404},
	{"http_429", RETRY_429},
	{"non_idempotent", RETRY_NON_IDEMPOTENT},
	{"off", 0},
};

void annotation_next_upstream(const struct annotation *a, struct annotated *out)
{
	static const char blanks[] = " \t,";
	uint32_t on = 0;
	bool off = false;

	for (const char *at = a->value + strspn(a->value, blanks); *at; at += strspn(at, blanks)) {
		size_t n = strcspn(at, blanks);
		bool known = false;

		for (unsigned i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
			if (strlen(conditions[i].name) == n &&
				memcmp(at, conditions[i].name, n) == 0) {
				on |= conditions[i].on;
				off |= !conditions[i].on;
				known = true;
			}
		if (!known) {
			annotation_wrong(a,
				"error, timeout, invalid_header, http_500 and the like, "
				"non_idempotent or off");
			return;
		}
		at += n;
	}
	if (on || off)
		out->policy.retry_on = off ? 0 : on;
}

// As in nginx, 0 is no bound; ours is high enough to be none.
void annotation_next_upstream_tries(const struct annotation *a, struct annotated *out)
{
	uint32_t tries;

	if (annotation_number(a, 0, TRIES_MAX, &tries))
		out->policy.retry_tries = tries ? tries : TRIES_MAX;
}

void annotation_next_upstream_timeout(const struct annotation *a, struct annotated *out)
{
	uint32_t seconds;

	if (annotation_number(a, 0, TIMEOUT_MAX, &seconds))
		out->policy.retry_timeout_ms = seconds * 1000;
}
