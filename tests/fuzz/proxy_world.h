// SPDX-License-Identifier: BSD-3-Clause
// The network of world_network.h with one worker that has a proxy: HTTP on ports 80, behind
// PROXY headers 81, and by TLS 443 of the VIP; host a.example with a prefix, one whose endpoints
// speak TLS, and two regular expressions, one that rewrites and one that sends away; three
// endpoints, at 8080 and, with TLS, 8443.
#pragma once

#include "world_network.h"

struct world *proxy_world(
	struct rte_mempool *frames, struct rte_mempool *pool, const char *chain, const char *key);
// Of the worker's proxy: whether there is no connection; and what is left of some then, or NULL.
bool proxy_world_idle(const struct world *world);
const char *proxy_world_left(const struct world *world);
