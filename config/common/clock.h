// SPDX-License-Identifier: BSD-3-Clause
// Monotonic time in the units of its type. Any thread.
#pragma once

#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t; // microseconds of CLOCK_MONOTONIC

static inline usec_t clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (usec_t)ts.tv_sec * 1000000 + (usec_t)ts.tv_nsec / 1000;
}
