// SPDX-License-Identifier: BSD-3-Clause
// What a row of the API says of its answer, for the OpenAPI document: each noun's file says its
// own.
//
// "{vips: [{address, shared: bool, mac: text?}], warning?}". Of a member stand its name,
// with ? when it may be missing, and its type, without which it is a text: text, number, bool, any,
// an object, or [of these]; with ? behind it, it may be null.
#pragma once

#include "text_out.h"

#define ANSWER_WARNING "warning?"
#define ANSWER_SINCE   "counted_since?"
#define ANSWER_CARRIED                                                                             \
	"flows: number?, flows_created: number?, packets_in: number?, bytes_in: number?, "         \
	"packets_out: number?, bytes_out: number?, requests: number?, requests_open: number?"
#define ANSWER_REQUESTS                                                                            \
	"requests: number?, responses: {1xx?: number, 2xx?: number, 3xx?: number, 4xx?: number, "  \
	"5xx?: number}, retries: number?, http_bytes_in: number?, http_bytes_out: number?, "       \
	"latency_mean_us: number?"

// As a schema of OpenAPI's, an object of JSON.
void api_answer_schema(struct text *text, const char *answer);
