// SPDX-License-Identifier: BSD-3-Clause
// TLS that is not ended here.
#include "annotation_internal.h"

void annotation_ssl_passthrough(const struct annotation *a, struct annotated *out)
{
	annotation_bool(a, &out->passthrough);
}
