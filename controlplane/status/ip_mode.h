// SPDX-License-Identifier: BSD-3-Clause
// status.loadBalancer.ingress[].ipMode of Services (KEP-1860): "Proxy" where packets arrive with
// the pod's or the node's address in them, so that the cluster's own nodes must come to us, too;
// "VIP" where they arrive as the client sent them (mode dsr). Pure but for what a cluster says of
// itself.
#pragma once

#include "cluster.h"
#include "plan.h"

// The server keeps the field; NULL, or a version not known yet, does not.
bool ip_mode_known(const struct cluster *cluster);

// Of a Service at these addresses, by the listeners it has there.
const char *ip_mode_of(
	const struct plan *plan, const char *service, const struct addr *addresses, unsigned count);
