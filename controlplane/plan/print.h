// SPDX-License-Identifier: BSD-3-Clause
// For print.c.
#pragma once

#include "plan.h"

void print_http(const struct plan *plan, FILE *stream);
void print_upstream(const struct plan_upstream *upstream, FILE *stream);
