// SPDX-License-Identifier: BSD-3-Clause
// An explanation as it grows, step by step. Main lcore.
#pragma once

#include "stats_internal.h"

#define EXPLAIN_STEPS 32

struct explain {
	const struct dataplane *dataplane;
	const struct tables *tables;
	const Sluice__ExplainRequest *request;
	struct answer answer;
	Sluice__Explained *out;
	Sluice__ExplainStep *rows[EXPLAIN_STEPS];
	const struct listener *listener;
	const struct http_rule *rule;
};

// Says what was found at this stage, and why.
void explain_step(struct explain *e, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// The endpoint, for programs.
void explain_named(struct explain *e, const struct endpoint *endpoint);
// explain_flow.c: request->protocol is not L4_NONE.
void explain_flow(struct explain *e);
