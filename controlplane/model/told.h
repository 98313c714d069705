// SPDX-License-Identifier: BSD-3-Clause
// What a cluster says of an object beside what it asks for: its status, of which `told` is a
// digest, so that only what differs is told again; `digest` is that of all the rest, so that an
// object of which only the status has changed, mostly by us, changes no plan.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

struct object;

struct object_status {
	char version[24];    // resourceVersion; "" = not known, or longer
	struct addr said[2]; // the first IPv4 and IPv6 address of it; zeros = none
};

#define TOLD_NOTHING UINT64_C(0xcbf29ce484222325)

// The digest goes on with the text and its end.
uint64_t told_text(uint64_t digest, const char *text);
// The next address of status.loadBalancer.ingress; begins with TOLD_NOTHING.
uint64_t told_add(uint64_t told, const char *ip, const char *ip_mode);
// The same but for its status, as far as is known.
bool told_only(const struct object *old, const struct object *new);
