// SPDX-License-Identifier: BSD-3-Clause
// An Event's parts out of a problem of the plan. Pure.
#pragma once

#include "model.h"
#include "plan.h"

#include <stdbool.h>
#include <stdint.h>

struct event_object { // what a problem is about
	enum object_kind kind;
	char cluster[64], namespace[64], name[254]; // namespace "" = of the cluster
};

// False when the problem's object is none of a cluster: "Service prod/shop/web" is one.
bool event_object_of(const char *text, struct event_object *object);
// The same for the same object and text, over restarts.
uint64_t event_hash(const struct plan_problem *problem);
// To be freed; NULL: out of memory.
char *event_path(const struct event_object *object);
char *event_body(const struct event_object *object, const struct plan_problem *problem,
	const char *uid, int64_t now_s);
