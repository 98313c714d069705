// SPDX-License-Identifier: BSD-3-Clause
// Endpoints that shall get no new connections, because somebody said so: by address, or by address
// and port. Kept in a file, a line each ("10.0.0.1", "[2001:db8::1]:80"), until somebody says
// otherwise; the plan asks for them as it asks who fails a health check. Loop thread only.
#pragma once

#include "addr.h"
#include "reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAINS_FILE "drained-endpoints" // in the state folder
#define DRAINS_MAX  4096
#define DRAIN_TEXT  (ADDR_TEXT + 8)

struct drains;

struct drain {
	struct addr address;
	uint16_t port; // 0 = all of the address
};

// False: the text is neither an address nor one with a port.
bool drain_parse(struct drain *drain, const char *text);
const char *drain_format(const struct drain *drain, char text[static DRAIN_TEXT]);

// Reads the file if it is there. NULL: out of memory.
struct drains *drains_open(const char *state_dir);
void drains_close(struct drains *drains);
// Sets or takes away, and writes the file. 0, or -errno with the reason: then nothing has changed.
int drains_set(struct drains *drains, const struct drain *drain, bool on, struct reason *reason);
// Of plan.h's plan_drained_fn.
bool drains_has(const void *drains, const struct addr *address, uint16_t port);
size_t drains_count(const struct drains *drains);
struct drain drains_at(const struct drains *drains, size_t i);
