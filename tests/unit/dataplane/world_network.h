// SPDX-License-Identifier: BSD-3-Clause
// The small network that most tests are played in, the same as in tests/packet/world.py:
//
//	client --- wan (port 0, vlan 100) --- box --- lan (port 1, vlan 200) --- node --- pods
//
// TCP and UDP ports of the VIP, IPv4 and IPv6: 80 full NAT to one pod, 81 DNAT, 82 DSR, 83 full NAT
// to three pods with affinity, 85 without endpoints, 86 to three pods, 87 to a pod behind the VLAN.
#pragma once

#include "world_fixture.h"

#define NETWORK_GATEWAY_MAC "02:aa:00:00:00:01"
#define NETWORK_NODE_MAC    "02:aa:00:00:00:02"

struct network_family {
	const char *client, *vip, *wan, *gateway, *lan, *node;
	const char *wan_net, *lan_net, *every, *pods_net;
	const char *lan200, *lan200_net, *pods200_net, *node200;
	const char *pods[6], *pod200;
};

extern const struct network_family network_ipv4, network_ipv6;

void world_network(struct world *world);
void world_plan(struct world *world);
