// SPDX-License-Identifier: BSD-3-Clause
// The network of world_network.h with one worker that has a proxy: HTTP on ports 80 and, behind
// PROXY headers, 81 of the VIP; host a.example with a prefix and two regular expressions, one that
// rewrites and one that sends away; three endpoints.
#pragma once

#include "world_network.h"

struct world *proxy_world(struct rte_mempool *frames, struct rte_mempool *pool);
