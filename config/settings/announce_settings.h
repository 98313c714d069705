// SPDX-License-Identifier: BSD-3-Clause
// The part of sluice.conf that says how the network finds VIPs, and how endpoints are tried out.
// See settings.h. Immutable; any thread.
#pragma once

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>

struct bgp_peer { // a router
	char *name;
	struct addr address;
	uint32_t asn, port;
	char *password;            // TCP MD5 (RFC 2385); "" = none
	uint32_t hold_s, multihop; // multihop 0: it is next to us
	bool bfd, graceful_restart;
};

struct bgp_policy { // of the VIPs of a pool
	char *pool;
	unsigned peer_count, community_count;
	char **peers;       // none = all
	char **communities; // "65000:100", or large ones "65000:1:2"
	uint32_t med, local_pref;
	bool has_med, has_local_pref;
	bool aggregate;        // the pool's ranges as they are, while any VIP of them is served
	bool l2;               // answered for on the wire as well
	bool withdraw_unready; // withdrawn while no endpoint is ready
};

struct bgp_settings {
	uint32_t asn; // 0: no BGP
	struct addr router_id;
	uint32_t bfd_interval_ms, bfd_multiplier;
	unsigned peer_count, policy_count;
	struct bgp_peer *peers;
	struct bgp_policy *policies; // none: all pools, nothing said
};

#define PAIR_INTERFACE_TEXT 32

struct pair_gateway { // an address that goes with the VIPs of its group, and has no listeners
	struct addr address;
	char interface[PAIR_INTERFACE_TEXT]; // in whose network it is: a port, or a VLAN
};

struct pair_group { // one virtual router
	uint32_t id, priority;
	unsigned pool_count, gateway_count;
	char **pools; // none: all that BGP does not announce
	struct pair_gateway *gateways;
};

struct pair_settings {
	char *interface;  // "": no pair
	struct addr peer; // zeros: multicast
	bool has_peer, preempt;
	bool second; // of the two addresses on the interface ours is the higher
	uint32_t interval_ms;
	unsigned group_count;
	struct pair_group *groups;
};

enum health_kind {
	HEALTH_OFF,
	HEALTH_TCP,
	HEALTH_HTTP,
	HEALTH_HTTPS // whatever its certificate
};

struct health_settings { // of a Service that does not say
	enum health_kind kind;
	uint32_t interval_ms, timeout_ms, rise, fall;
	char *path, *host;
};

struct settings;

// Other boxes may answer for the same VIPs.
bool settings_has_others(const struct settings *settings);
const char *health_kind_name(enum health_kind kind); // "off", "tcp", "http"
bool health_kind_parse(const char *text, enum health_kind *kind);
