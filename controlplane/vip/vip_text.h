// SPDX-License-Identifier: BSD-3-Clause
// What BIRD and keepalived are configured with, made from the settings. For vip/. Pure: the same
// input gives the same text.
#pragma once

#include "settings.h"

struct route_list { // what BIRD is to announce, sorted, each once
	unsigned count;
	struct route_row {
		struct prefix to;
		const struct pool_settings *pool;
	} * rows;
};

// What is announced of the pool's VIPs; NULL: BGP knows nothing of the pool, nor of gateways ("").
const struct bgp_policy *bgp_policy_of(const struct settings *settings, const char *pool);
// The group of the pair whose master serves the VIP of that pool, or -1. Pool "": a gateway.
int pair_group_of(const struct settings *settings, const char *pool, const struct addr *address);

// Malloced, NULL when out of memory.
char *bird_text(const struct settings *settings, const struct route_list *routes);

struct keepalived_files {
	const char *fifo;  // where it says what has changed
	const char *raise; // "raise." is "raise.51" of group 51: by how much its priority is raised
};
char *keepalived_text(const struct settings *settings, const struct keepalived_files *files);

// A line of `show protocols` of BIRD's, cut into its words.
struct bird_protocol {
	char name[48], kind[16], state[16], since[32], info[80];
};
// Reads "tor1 BGP --- up 12:00:00.123 Established". False: it is no such line.
bool bird_protocol_parse(const char *line, size_t length, struct bird_protocol *protocol);

// Reads `INSTANCE "group51" MASTER 100` of keepalived's.
enum vrrp_state {
	VRRP_STOPPED,
	VRRP_BACKUP,
	VRRP_MASTER,
	VRRP_FAULT
};
bool vrrp_event_parse(const char *line, size_t length, uint32_t *id, enum vrrp_state *state);
const char *vrrp_state_name(enum vrrp_state state); // "stopped", "backup", "master", "fault"
