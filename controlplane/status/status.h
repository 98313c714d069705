// SPDX-License-Identifier: BSD-3-Clause
// What clusters are told of their objects: the addresses of Services and Ingresses, in
// status.loadBalancer, when they change and never else.
//
// What was told is remembered, so that what is served no more is cleared. A cluster that does not
// take it is asked again later. Loop thread only.
#pragma once

#include <uv.h>

#include "cluster.h"
#include "plan.h"

struct status;

struct status_options {
	void *arg;
	struct cluster *(*cluster)(void *arg, const char *name); // NULL = there is none
	bool (*has_others)(void *arg); // boxes that may write the same statuses
};

struct status *status_open(uv_loop_t *loop, const struct status_options *options);
// The plan that is in force from now on; borrowed until the next.
// `delta`: from the one that it followed before.
void status_follow(struct status *status, const struct plan *plan, const struct model *model,
	const struct plan_delta *delta);
// Before the clusters are closed, or after: nothing is waited for.
void status_close(struct status *status);
