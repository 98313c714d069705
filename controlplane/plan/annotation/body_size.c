// SPDX-License-Identifier: BSD-3-Clause
// The most of a request's body: bytes, or with k, m or g behind the number.
#include <stdlib.h>

#include "annotation_internal.h"

#define NUMBER_MAX (UINT64_C(1) << 32)

void annotation_body_size(const struct annotation *a, struct annotated *out)
{
	static const char expected[] = "a number, with k, m or g behind it or without";
	unsigned long long value;
	unsigned shift = 0;
	char *end;

	value = strtoull(a->value, &end, 10);
	if (*a->value < '0' || *a->value > '9') {
		annotation_wrong(a, expected);
		return;
	}
	switch (*end) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	case '\0':
		break;
	default:
		shift = 64;
	}
	if (shift == 64 || (shift && end[1]) || value > NUMBER_MAX)
		annotation_wrong(a, expected);
	else
		out->policy.body_bytes = (uint64_t)value << shift;
}
