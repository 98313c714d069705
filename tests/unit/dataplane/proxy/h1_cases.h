// SPDX-License-Identifier: BSD-3-Clause
// Requests that could be read two ways, or are no requests, and the name each is refused by; and
// requests that are unusual but sound. Each with its body, where it is about that.
#pragma once

#include "refusal.h"

#include <stddef.h>

struct h1_case {
	enum http_refusal refusal;
	const char *bytes;
	size_t length;
};

extern const struct h1_case h1_refused_heads[], h1_refused_framings[], h1_accepted[];
extern const size_t h1_refused_head_count, h1_refused_framing_count, h1_accepted_count;
