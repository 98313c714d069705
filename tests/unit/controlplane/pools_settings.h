// SPDX-License-Identifier: BSD-3-Clause
// The settings of a box with one port, 192.0.2.2/24, for tests of plans.
#pragma once

#include "settings.h"

// `pools`: the addresses of its pool, as sluice.conf has them; `more`: the rest of that file.
struct settings *pools_settings(const char *pools, const char *more);
