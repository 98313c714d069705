// SPDX-License-Identifier: BSD-3-Clause
// Dates as text, without the C library's time zones and locks. Pure functions; any thread.
#pragma once

#include <stdint.h>

// "2026-11-26T23:34:56.789012Z", of microseconds since 1970.
void http_timestamp(int64_t us, char out[static 27]);
