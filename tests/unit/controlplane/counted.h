// SPDX-License-Identifier: BSD-3-Clause
// Statistics as a dataplane sends them that has counted something for everything in
// plan_sample_web(3). For the tests of api/.
#pragma once

#include "addr.h"
#include "channel.pb-c.h"

// Everything refers to everything else in it: not to be copied.
struct counted {
	Sluice__Stats stats;
	Sluice__Hello hello;
	Sluice__WorkerStats worker, *workers[1];
	Sluice__StageCycles stage, *stages[1];
	Sluice__PortStats port, *ports[1];
	Sluice__DropStats drop[2], *drops[2];
	Sluice__ListenerStats listener, *listeners[1];
	Sluice__ListenerKey key;
	Sluice__PoolStats pool, *pools[1];
	struct addr pods[3];
	uint32_t ports_of_pods[3];
	uint64_t numbers[18];
	Sluice__Counters counters[4];
	Sluice__Flow flow, *flow_list[1];
	Sluice__Flows flows;
	uint8_t vip[4], pod[3][4], client[4];
};

void counted_fill(struct counted *counted);
