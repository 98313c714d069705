// SPDX-License-Identifier: BSD-3-Clause
// For front.c.
#pragma once

#include "ingress.h"
#include "plan_internal.h"

// `class`: as it says, "" = none. `why` is for people.
bool front_is_ours(
	struct planner *p, const struct ingress *ingress, const char **class, const char **why);
