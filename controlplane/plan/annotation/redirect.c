// SPDX-License-Identifier: BSD-3-Clause
// From http to https.
#include "annotation_internal.h"

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
