// SPDX-License-Identifier: BSD-3-Clause
// What was noted of a packet's way, in words. Main lcore.
#pragma once

#include <stdint.h>

#include "dataplane.h"
#include "trace.h"

#define TRACE_STEPS_MAX 8
#define TRACE_TEXT      512

struct trace_step {
	const char *stage; // "received"
	char text[TRACE_TEXT];
};

// How many steps there are.
unsigned trace_text(const struct dataplane *dataplane, const struct traced *traced, unsigned worker,
	struct trace_step steps[static TRACE_STEPS_MAX]);
