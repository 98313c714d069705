// SPDX-License-Identifier: BSD-3-Clause
// The digests of an object that a live cluster gave; see told.h.
#pragma once

#include "tree.h"

struct object;

void decode_told(const struct tree *tree, struct object *object);
