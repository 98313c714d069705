// SPDX-License-Identifier: BSD-3-Clause
// An interface: a port's untagged side, or one of its VLANs. Each has a TAP twin of the same name
// in the kernel, which carries its addresses. Filled at start, not changed afterwards but for `mtu`
// and addresses, which host/ updates through the fib.
#pragma once

#include <rte_ether.h>
#include <stdint.h>

struct iface {
	char name[20];  // "wan", "wan.100"
	uint16_t index; // in the dataplane's array
	uint16_t port;  // index of its port
	uint16_t vlan;  // 0 = untagged
	uint16_t mtu;
	struct rte_ether_addr mac;
	int kernel_index; // of the twin
	int twin;         // file descriptor of the twin, non-blocking
};
