// SPDX-License-Identifier: BSD-3-Clause
// How long an endpoint may take: to be connected, and between two pieces of what is sent and read.
#include "annotation_internal.h"

void annotation_connect_timeout(const struct annotation *a, struct annotated *out)
{
	annotation_seconds(a, &out->policy.connect_timeout_ms);
}

void annotation_send_timeout(const struct annotation *a, struct annotated *out)
{
	annotation_seconds(a, &out->policy.send_timeout_ms);
}

void annotation_read_timeout(const struct annotation *a, struct annotated *out)
{
	annotation_seconds(a, &out->policy.read_timeout_ms);
}
