// SPDX-License-Identifier: BSD-3-Clause
// YAML text -> trees, one a document. JSON is YAML. libyaml is used in yaml_tree.c alone.
//
// Input is hostile: size, depth, values, anchors and what aliases multiply to are bounded.
#pragma once

#include <stddef.h>

#include "tree.h"

#define YAML_BYTES_MAX   (64u << 20) // of one file
#define YAML_DEPTH_MAX   64
#define YAML_VALUES_MAX  (8u << 20) // of one document
#define YAML_ALIASED_MAX (1u << 20) // values that aliases stand for, all together
#define YAML_ANCHORS_MAX 1024

struct yaml_error {
	unsigned line; // from 1
	char text[256];
};

// Calls `visit` with each document that is not empty; the tree is gone when it returns. 0, what
// `visit` returned when that was not 0, -EBADMSG with the error, or -ENOMEM. What was visited
// before the error was well formed.
int yaml_read(const char *bytes, size_t length,
	int (*visit)(const struct tree *document, void *arg), void *arg, struct yaml_error *error);
