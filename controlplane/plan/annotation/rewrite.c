// SPDX-License-Identifier: BSD-3-Clause
// What the endpoint is asked for instead.
#include <string.h>

#include "annotation_internal.h"
#include "limits.h"

void annotation_rewrite_target(const struct annotation *a, struct annotated *out)
{
	const char *rewrite = "";

	if (!*a->value)
		return;
	if (strchr(a->value, '$'))
		annotation_unsupported(a,
			"groups of a regular expression are not supported yet; the path is not "
			"rewritten");
	else if (*a->value != '/')
		annotation_unsupported(
			a, "expected a path that begins with /; the path is not rewritten");
	else if (annotation_text(a, SLUICE_PATH_LENGTH, &rewrite))
		out->policy.rewrite = rewrite;
}

void annotation_upstream_vhost(const struct annotation *a, struct annotated *out)
{
	if (strchr(a->value, '$'))
		annotation_wrong(a, "the name of a host, without variables");
	else
		annotation_text(a, SLUICE_HOST_LENGTH, &out->policy.upstream_host);
}
