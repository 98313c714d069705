// SPDX-License-Identifier: BSD-3-Clause
// The last step of the object's way beside publish/: who of the network's boxes answers for a VIP,
// and how the network finds it.
//
//	owned      this box answers: on the wire (ARP, ND), to routers by BGP, or both
//	standby    the other box of the pair does
//	withdrawn  nobody shall come here: drained, no dataplane, no endpoint
//
// What is owned is decided before a plan is published (vip_decide), as the dataplane answers ARP
// and ND by it. Routers are told after the dataplane has the plan (vip_serve): a route leads only
// to what is served. BIRD and keepalived are programs of their own and outlive this one. Loop
// thread only.
#pragma once

#include "plan.h"
#include "reason.h"
#include "settings.h"

#include <stdbool.h>
#include <uv.h>

struct vip;

enum vip_state {
	VIP_OWNED,
	VIP_STANDBY,
	VIP_WITHDRAWN
};

struct vip_verdict {
	enum vip_state state;
	bool untold; // owned, but the network finds it by BGP alone, and no router is told of it
	char reason[160];
};

struct vip_peer { // a router, as BIRD sees it
	const struct bgp_peer *settings;
	const char *state, *since, *info; // "up", "2026-01-01", "Established"
	unsigned routes;                  // it is told of
	const char *bfd;                  // "Up", "Down", "Init"; "" = there is no such session
};

struct vip_options {
	void *arg;
	void (*changed)(void *arg); // vip_decide() would decide otherwise now
};

int vip_open(struct vip **vip, uv_loop_t *loop, const struct settings *settings,
	const struct vip_options *options);
void vip_close(struct vip *vip);
// Other settings: they must stay until the next call.
void vip_follow(struct vip *vip, const struct settings *settings);

// Whether each VIP of the plan is ours to answer for on the wire: an array as long as plan->vips,
// to be freed; NULL when all are, or when out of memory.
bool *vip_decide(struct vip *vip, const struct plan *plan);
// What the dataplane serves: the plan in force; NULL: nobody knows, and what is announced stays as
// far as `newest` has it. No dataplane: nothing is served.
void vip_serve(struct vip *vip, const struct plan *newest, bool connected, bool current);

struct vip_verdict vip_verdict(
	const struct vip *vip, const struct plan *plan, const struct plan_vip *row);
const char *vip_state_name(enum vip_state state); // "owned", "standby", "withdrawn"

// NULL: the whole box. Kept on disk. 0 or -errno with the reason.
int vip_drain(struct vip *vip, const struct addr *address, bool on, struct reason *reason);
// Of a pair, and master of nothing.
bool vip_stands_by(const struct vip *vip);
bool vip_box_drained(const struct vip *vip);
const struct addr *vip_drained(const struct vip *vip, unsigned i); // NULL: there are no more

// False: there is no such peer.
bool vip_peer(const struct vip *vip, unsigned i, struct vip_peer *peer);
bool vip_peer_is_up(const struct vip_peer *peer);
bool vip_peer_bfd_is_up(const struct vip_peer *peer);
// State of the virtual router of the settings' i-th group: "master", ...
const char *vip_group_state(const struct vip *vip, unsigned i);
// Of BIRD, keepalived and the disk, a line each.
void vip_mistakes(const struct vip *vip, struct reason *reason);
