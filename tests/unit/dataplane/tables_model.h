// SPDX-License-Identifier: BSD-3-Clause
// A naive model of the tables over a small universe of names, and random ways to change it.
#pragma once

#include "change_fixture.h"

#define VIPS      6
#define POOLS     7
#define ENDPOINTS 24
#define LISTENERS (VIPS * 4)
#define ROUTES    5

struct model_endpoint {
	uint8_t state; // 0: not in the pool
	uint8_t weight;
};

struct model_pool {
	uint8_t algorithm; // 0: no such pool
	struct model_endpoint endpoints[ENDPOINTS];
};

struct model_listener {
	bool there;
	uint8_t mode, pool, affinity, sources;
};

struct model {
	uint64_t generation;
	uint8_t vips[VIPS]; // 0: none; 1: owned; 2: not
	struct model_pool pools[POOLS];
	struct model_listener listeners[LISTENERS];
	uint8_t routes[ROUTES]; // 0: none; else the last byte of via
};

extern const char *const model_vip_names[VIPS];
extern const char *const model_pool_names[POOLS];
extern const char *const model_route_names[ROUTES];
const char *model_endpoint_name(unsigned endpoint, char name[64]);
uint16_t model_endpoint_port(unsigned endpoint);
uint8_t model_listener_protocol(unsigned listener);
uint16_t model_listener_port(unsigned listener);
uint8_t model_listener_flags(const struct model_listener *listener);
// The flags of an endpoint behind listeners of MODE_DNAT: -1 when there is none, -2 when they
// differ.
int model_dnat(const struct model *model, unsigned endpoint, uint8_t protocol);
bool model_is_valid(const struct model *model);

uint32_t model_roll(uint64_t *dice, uint32_t sides);
void model_mutate(uint64_t *dice, struct model *next);
// The way from one to the other: a whole change, or what differs and, now and then, some that does
// not.
struct plan_change *model_change(
	uint64_t *dice, const struct model *now, const struct model *next, bool whole);
// Adds something no change may say. True when one was found to say.
bool model_spoil(uint64_t *dice, struct plan_change *change, const struct model *now,
	const struct model *next);
