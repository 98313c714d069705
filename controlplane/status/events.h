// SPDX-License-Identifier: BSD-3-Clause
// What is wrong with objects, told where their owners look: as Events (core/v1) on them.
//
// Each problem of the plan that names an object of a live cluster becomes one Event, once as long
// as the problem stays; it has the same name after a restart, so that it is not there twice. A few
// at a time and a few a second, so that a cluster with thousands of mistakes is not flooded. Loop
// thread only.
#pragma once

#include "status.h"

struct events;

// The options are those of status.h.
struct events *events_open(uv_loop_t *loop, const struct status_options *options);
// The plan that is in force from now on; borrowed until the next.
void events_follow(struct events *events, const struct plan *plan, const struct model *model);
// Before the clusters are closed, or after: nothing is waited for.
void events_close(struct events *events);
