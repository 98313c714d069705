// SPDX-License-Identifier: BSD-3-Clause
// The endpoints of a pool while they are collected: pods (pool.c) or nodes (node_port.c).
#pragma once

#include "planning.h"

struct member {
	struct plan_endpoint endpoint;
	bool serving;
	const char *name;
};

struct members {
	uint8_t protocol;
	unsigned count, ready, unready;
	unsigned drained; // by hand, of those that were ready
	struct member *list;
	bool port_found, other_port, promoted;
	bool by_node; // nodes, in place of the pods
	bool told;    // why there is none
	bool dsr;
	const struct plan_check *check; // how they are tried out; NULL = they are not
	uint16_t retargeted;            // what the pods listen on, where mode dsr cannot send to it
};

// check.c: what the Service's annotations say, who is left out, and the pool's own copy.
void check_choose(struct planner *p, struct want *want, struct members *members);
void check_members(struct planner *p, struct want *want, const struct service_port *port,
	struct members *members);
struct plan_check *check_copy(struct planner *p, const struct plan_check *from);
bool member_is_for(const struct slice_port *slice, const struct service_port *port);
uint16_t member_weight(
	const struct planner *p, const struct want *want, const struct slice_endpoint *endpoint);
// NULL: the address cannot be used, which is told, or out of memory.
struct member *member_add(
	struct planner *p, struct want *want, struct members *members, const struct addr *address);
// What one Service has, in the mode of its cluster; not sorted.
void members_collect(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members);
// Each once, in order; counts those that are ready.
void members_sort(struct members *members);
// share.c: of all Services that the want leads, by the weights of their clusters.
void members_of_clusters(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members);
// node_port.c
void members_of_nodes(struct planner *p, struct want *want, const struct service_port *port,
	unsigned family, struct members *members);
