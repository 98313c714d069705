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
// Is the router told of VIPs of this family that the policy is for?
bool bgp_peer_gets(const struct bgp_policy *policy, const struct bgp_peer *peer, bool v4);
// The group of the pair whose master serves the VIP of that pool, or -1. Pool "": a gateway.
int pair_group_of(const struct settings *settings, const char *pool, const struct addr *address);

// What a peer's protocol is called, ahead of its name: so that no name is a word of BIRD's
// language.
#define BIRD_PEER "peer_"
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
	unsigned exported; // routes, by the lines behind
};
// Reads "tor1 BGP --- up 12:00:00.123 Established". False: it is no such line.
bool bird_protocol_parse(const char *line, size_t length, struct bird_protocol *protocol);
// Reads "Routes: 0 imported, 4 exported, 0 preferred", of `show protocols all`. False: it is no
// such line.
bool bird_routes_parse(const char *line, size_t length, unsigned *exported);

// A line of `show bfd sessions`.
struct bird_session {
	struct addr address;
	char state[16];
};
// Reads "192.0.2.1 wan Up 12:00:00.123 0.050 0.150". False: it is no such line.
bool bird_session_parse(const char *line, size_t length, struct bird_session *session);

// Its protocols and sessions, line by line.
#define BIRD_ROWS_MAX 512
struct bird_rows {
	unsigned protocol_count, session_count;
	struct bird_protocol protocols[BIRD_ROWS_MAX];
	struct bird_session sessions[BIRD_ROWS_MAX];
};
void bird_rows_clear(struct bird_rows *rows); // to begin anew
// `code`: what BIRD numbers the line with.
void bird_rows_add(struct bird_rows *rows, unsigned code, const char *line, size_t length);

// Reads `INSTANCE "group51" MASTER 100` of keepalived's.
enum vrrp_state {
	VRRP_STOPPED,
	VRRP_BACKUP,
	VRRP_MASTER,
	VRRP_FAULT
};
bool vrrp_event_parse(const char *line, size_t length, uint32_t *id, enum vrrp_state *state);
const char *vrrp_state_name(enum vrrp_state state); // "stopped", "backup", "master", "fault"
