// SPDX-License-Identifier: BSD-3-Clause
// From http to https, and elsewhere.
#include <string.h>

#include "annotation_internal.h"
#include "limits.h"
#include "route_target.h"

void annotation_ssl_redirect(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->policy.ssl_redirect);
}

void annotation_force_ssl_redirect(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->policy.force_ssl_redirect);
}

void annotation_preserve_trailing_slash(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->policy.preserve_trailing_slash);
}

// A code that makes no sense is told, and the default is used.
static void read_code(const struct annotation *a, uint32_t most, uint16_t *out)
{
	uint32_t code;

	if (annotation_number(a, 300, most, &code))
		*out = (uint16_t)code;
}

void annotation_permanent_code(const struct annotation *a, struct annotated *out)
{
	read_code(a, 308, &out->permanent_code);
}

void annotation_temporal_code(const struct annotation *a, struct annotated *out)
{
	read_code(a, 307, &out->temporal_code);
}

static void send_away(const struct annotation *a, struct annotated *out, uint16_t code)
{
	const char *target;

	if (!*a->value)
		return;
	if (!route_redirect_valid(a->value)) {
		annotation_wrong(a,
			"a URL of http or https, with no variables but $scheme, $host, $http_host "
			"and $request_uri");
	} else if (annotation_text(a, SLUICE_PATH_LENGTH, &target)) {
		out->policy.redirect_to = target;
		out->policy.redirect_to_code = code;
	}
}

void annotation_permanent_redirect(const struct annotation *a, struct annotated *out)
{
	send_away(a, out, out->permanent_code);
}

void annotation_temporal_redirect(const struct annotation *a, struct annotated *out)
{
	send_away(a, out, out->temporal_code);
}

void annotation_app_root(const struct annotation *a, struct annotated *out)
{
	if (*a->value != '/' || strchr(a->value, '$') || strcmp(a->value, "/") == 0)
		annotation_wrong(a, "a path that begins with / and is not / itself");
	else
		annotation_text(a, SLUICE_PATH_LENGTH - 32, &out->app_root);
}
