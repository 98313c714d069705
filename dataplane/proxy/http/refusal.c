// SPDX-License-Identifier: BSD-3-Clause
#include "refusal.h"

static const struct {
	const char *name;
	uint16_t status;
	const char *help;
} refusals[] = {
	[HTTP_OK] = {"none", 200, "Not refused."},
	[HTTP_PATH_ESCAPE] = {"path_escape", 400,
		"A % in the path without two hexadecimal digits."},
	[HTTP_PATH_NUL] = {"path_nul", 400, "%00 in the path."},
	[HTTP_PATH_BACKSLASH] = {"path_backslash", 400,
		"A backslash in the path, which some servers take for a slash."},
	[HTTP_PATH_ABOVE_ROOT] = {"path_above_root", 400, "Dot segments that leave the root."},
	[HTTP_PATH_DOT_PARAMETER] = {"path_dot_parameter", 400,
		"A dot segment with a parameter, which some servers take for a plain one."},
};

_Static_assert(sizeof(refusals) / sizeof(refusals[0]) == HTTP_REFUSAL_COUNT, "a row for each");

const char *http_refusal_name(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].name : "unknown";
}

const char *http_refusal_help(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].help : "";
}

uint16_t http_refusal_status(enum http_refusal refusal)
{
	return refusal < HTTP_REFUSAL_COUNT ? refusals[refusal].status : 400;
}
