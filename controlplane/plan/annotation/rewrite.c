// SPDX-License-Identifier: BSD-3-Clause
// What the endpoint is asked for instead.
#include <string.h>

#include "annotation_internal.h"
#include "limits.h"
#include "route_target.h"

void annotation_use_regex(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->regex);
}

// A target with groups makes regular expressions of the paths, as ingress-nginx does.
void annotation_rewrite_target(const struct annotation *a, struct annotated *out)
{
	const char *rewrite = "";
	bool path = *a->value == '/';

	if (!*a->value)
		return;
	if (!route_target_valid(a->value))
		annotation_unsupported(a,
			"expected a digit from 1 to 9 after each $: variables are not supported; "
			"the path is not rewritten");
	else if (!path && !route_target_is_url(a->value))
		annotation_unsupported(a,
			"expected a path that begins with /, or a URL of http or https; the path "
			"is not rewritten");
	else if (annotation_text(a, SLUICE_PATH_LENGTH, &rewrite))
		out->policy.rewrite = rewrite;
	out->regex = out->regex || strchr(rewrite, '$');
}

void annotation_upstream_vhost(const struct annotation *a, struct annotated *out)
{
	if (strchr(a->value, '$'))
		annotation_wrong(a, "the name of a host, without variables");
	else
		annotation_text(a, SLUICE_HOST_LENGTH, &out->policy.upstream_host);
}
