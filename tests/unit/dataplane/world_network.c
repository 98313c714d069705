// SPDX-License-Identifier: BSD-3-Clause
#include "world_network.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_LENGTH 16

const struct network_family network_ipv4 = {
	.client = "198.51.100.7",
	.vip = "192.0.2.10",
	.wan = "192.0.2.2",
	.gateway = "192.0.2.1",
	.lan = "10.1.0.1",
	.node = "10.1.0.11",
	.wan_net = "192.0.2.0/24",
	.lan_net = "10.1.0.0/24",
	.every = "0.0.0.0/0",
	.pods_net = "10.244.1.0/24",
	.lan200 = "10.2.0.1",
	.lan200_net = "10.2.0.0/24",
	.pods200_net = "10.244.2.0/24",
	.node200 = "10.2.0.11",
	.pods = {"10.244.1.1", "10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5",
		"10.244.1.6"},
	.pod200 = "10.244.2.1",
};

const struct network_family network_ipv6 = {
	.client = "2001:db8:c::7",
	.vip = "2001:db8:1::10",
	.wan = "2001:db8:1::2",
	.gateway = "2001:db8:1::1",
	.lan = "fd00:1::1",
	.node = "fd00:1::11",
	.wan_net = "2001:db8:1::/64",
	.lan_net = "fd00:1::/64",
	.every = "::/0",
	.pods_net = "fd00:244:1::/64",
	.lan200 = "fd00:2::1",
	.lan200_net = "fd00:2::/64",
	.pods200_net = "fd00:244:2::/64",
	.node200 = "fd00:2::11",
	.pods = {"fd00:244:1::1", "fd00:244:1::2", "fd00:244:1::3", "fd00:244:1::4",
		"fd00:244:1::5", "fd00:244:1::6"},
	.pod200 = "fd00:244:2::1",
};

static void family_network(struct world *world, const struct network_family *family)
{
	world_local(world, family->wan, 0);
	world_local(world, family->lan, 1);
	world_local(world, family->lan200, 3);
	world_route(world, family->wan_net, 0, "");
	world_route(world, family->lan_net, 1, "");
	world_route(world, family->lan200_net, 3, "");
	world_route(world, family->every, 0, family->gateway);
	world_route(world, family->pods_net, 1, family->node);
	world_route(world, family->pods200_net, 3, family->node200);
	world_neighbour(world, family->gateway, 0, NETWORK_GATEWAY_MAC);
	world_neighbour(world, family->node, 1, NETWORK_NODE_MAC);
	world_neighbour(world, family->node200, 3, "02:aa:00:00:00:04");
}

void world_network(struct world *world)
{
	world_iface(world, 0, 0, 1500);
	world_iface(world, 1, 0, 1500);
	world_iface(world, 0, 100, 1500);
	world_iface(world, 1, 200, 1400);
	family_network(world, &network_ipv4);
	family_network(world, &network_ipv6);
	world_publish(world);
}

static void family_plan(
	struct plan_change *change, const struct network_family *family, const char *suffix)
{
	static const struct {
		const char *pool;
		uint16_t port, endpoint_port;
		uint8_t mode, first_pod, pods; // first_pod 6: the one behind the VLAN
		uint32_t affinity_s;
	} rows[] = {
		{"one", 80, 8080, MODE_FULL_NAT, 0, 1, 0},
		{"dnat", 81, 8080, MODE_DNAT, 1, 1, 0},
		{"dsr", 82, 82, MODE_DSR, 2, 1, 0},
		{"near", 83, 8080, MODE_FULL_NAT, 3, 3, 600},
		{"none", 85, 8080, MODE_FULL_NAT, 0, 0, 0},
		{"three", 86, 8080, MODE_FULL_NAT, 3, 3, 0},
		{"vlan", 87, 8080, MODE_FULL_NAT, 6, 1, 0},
	};

	change_vip(change, family->vip);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[NAME_MAX_LENGTH];

		snprintf(name, sizeof(name), "%s%s", rows[i].pool, suffix);
		change_pool(change, name, ALGORITHM_MAGLEV);
		for (unsigned k = 0; k < rows[i].pods; k++) {
			unsigned pod = rows[i].first_pod + k;

			change_endpoint(change, pod < 6 ? family->pods[pod] : family->pod200,
				rows[i].endpoint_port, ENDPOINT_READY, 1);
		}
		for (unsigned k = 0; k < 2; k++) {
			struct plan_listener *listener = change_listener(change, family->vip,
				k ? IPPROTO_UDP : IPPROTO_TCP, rows[i].port, name);

			listener->mode = rows[i].mode;
			listener->affinity_s = rows[i].affinity_s;
		}
	}
}

void world_plan(struct world *world)
{
	struct plan_change *change = change_new(0, 1);

	family_plan(change, &network_ipv4, "4");
	family_plan(change, &network_ipv6, "6");
	if (world_apply(world, change))
		abort();
	change_free(change);
}
