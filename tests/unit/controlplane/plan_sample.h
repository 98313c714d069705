// SPDX-License-Identifier: BSD-3-Clause
// Plans made from a few words or from a seed, for the tests of publish/ and api/. Not
// plan_make()'s: they go with plan_sample_free().
#pragma once

#include "plan.h"

// About `size` rows of each kind, drawn from a set of twice as many, so that the plans of two seeds
// overlap.
struct plan *plan_sample_random(unsigned seed, unsigned size);
// One VIP 192.0.2.100, one Service "local/default/web" on tcp/80, pool of `endpoints` ready pods
// 10.244.1.1.. on port 8080.
struct plan *plan_sample_web(unsigned endpoints);
void plan_sample_free(struct plan *plan);
