// SPDX-License-Identifier: BSD-3-Clause
// The kinds of pick, one a file; pick.c lists them.
#pragma once

#include "pick.h"

extern const struct pick_kind pick_maglev;
extern const struct pick_kind pick_source_hash;
extern const struct pick_kind pick_round_robin;
extern const struct pick_kind pick_weighted;
extern const struct pick_kind pick_least_connections;
extern const struct pick_kind pick_least_requests;
extern const struct pick_kind pick_ewma;
