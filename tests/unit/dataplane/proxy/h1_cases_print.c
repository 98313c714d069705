// SPDX-License-Identifier: BSD-3-Clause
// The tables of h1_cases.h for tests in other languages: a line each, of the refusal's name, the
// status, and the bytes in hexadecimal digits.
#include "h1_cases.h"

#include <stdio.h>

static void print(const struct h1_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		printf("%s %u ", http_refusal_name(cases[i].refusal),
			http_refusal_status(cases[i].refusal));
		for (size_t j = 0; j < cases[i].length; j++)
			printf("%02x", (unsigned char)cases[i].bytes[j]);
		printf("\n");
	}
}

int main(void)
{
	print(h1_refused_heads, h1_refused_head_count);
	print(h1_refused_framings, h1_refused_framing_count);
	print(h1_accepted, h1_accepted_count);
	return 0;
}
