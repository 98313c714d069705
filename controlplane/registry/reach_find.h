// SPDX-License-Identifier: BSD-3-Clause
// What of a cluster's nodes and pods a check may try. Pure.
#pragma once

#include "model.h"

#define REACH_FAMILIES 2 // v4, v6

struct reach_target {               // ports: 0 = none
	const struct addr *address; // the node's; NULL = it has none of this family
	struct addr pod;            // a ready one on it
	uint16_t pod_port;
	uint16_t node_port;   // that the node has to answer at
	uint16_t health_port; // healthCheckNodePort of a Service that has a pod there
};

struct reach_node {
	const struct node *node; // the model's
	struct reach_target to[REACH_FAMILIES];
};

// Sorted by name, to be freed; borrows from the model. -ENOMEM.
int reach_find(
	const struct model *model, const char *cluster, struct reach_node **nodes, unsigned *count);
