// SPDX-License-Identifier: BSD-3-Clause
// Every refused request has a name: what is counted, logged and documented, and the status the
// client is told.
#pragma once

#include <stdint.h>

enum http_refusal {
	HTTP_OK,
	HTTP_PATH_ESCAPE,
	HTTP_PATH_NUL,
	HTTP_PATH_BACKSLASH,
	HTTP_PATH_ABOVE_ROOT,
	HTTP_PATH_DOT_PARAMETER,
	HTTP_REFUSAL_COUNT,
};

// "path_escape", as counted and logged.
const char *http_refusal_name(enum http_refusal refusal);
// One sentence for whoever sent it.
const char *http_refusal_help(enum http_refusal refusal);
// What a client is answered before its connection is closed: 400.
uint16_t http_refusal_status(enum http_refusal refusal);
