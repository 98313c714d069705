// SPDX-License-Identifier: BSD-3-Clause
// Endpoints, tried out: a connection, or a small request, every so often.
//
// What is checked is told by the plan's pools that have a check; what came of it goes back into the
// next plan (planning_endpoints_changed()), which leaves out who fails. An endpoint counts as
// healthy until it has failed `fall` times in a row, and as failed until it has answered `rise`
// times in a row. Checks of the same endpoint in the same way are one. Each has a rhythm of its
// own, so that a thousand do not come at once. Results are logged when they change. Loop thread
// only; nothing here blocks.
#pragma once

#include "plan.h"

#include <stdbool.h>
#include <uv.h>

struct health;

struct health_options {
	void *arg;
	void (*changed)(void *arg); // health_failed() would answer otherwise now
};

int health_open(struct health **health, uv_loop_t *loop, const struct health_options *options);
void health_close(struct health *health);
// Checks what the pools of the plan say from now on, and nothing else. `delta`: from the plan it
// followed before.
void health_follow(struct health *health, const struct plan *plan, const struct plan_delta *delta);
// For the plan: is the endpoint to be left out?
bool health_failed(const void *health, const struct plan_check *check, const struct addr *address,
	uint16_t port);
// "passing", "failing: connection refused", or "" when it is not checked.
const char *health_text(const struct health *health, const struct plan_check *check,
	const struct addr *address, uint16_t port);
