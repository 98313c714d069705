// SPDX-License-Identifier: BSD-3-Clause
// The path of a request as routes see it: percent-decoded, dot segments resolved, slashes merged.
// What is sent on are the original bytes; so a path is refused where a server behind us could take
// it for another one than we do. Any thread; no state, no memory.
//
// %2F stays encoded, or it would make elements of one; and %25 stays, or "%252F" would look like
// it.
#pragma once

#include "refusal.h"

#include <stddef.h>

// `path` is without query and begins with a slash. `*normal` is the path itself where nothing is to
// be done (the common case), otherwise `out`, which has room for as many bytes as the path has.
enum http_refusal http_path_normalise(
	const char *path, size_t length, char *out, const char **normal, size_t *normal_length);
