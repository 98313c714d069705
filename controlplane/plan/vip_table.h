// SPDX-License-Identifier: BSD-3-Clause
// The addresses spoken for while a plan is made, found by address and by sharing key. For ipam.c.
// All of it lives in the planner's scratch.
#pragma once

#include "plan_internal.h"

struct holder {
	const struct want *want;
	struct holder *next;
};

struct vip_row {
	struct addr address;
	const struct pool_settings *pool;
	struct holder *holders;      // the first is the last to have come
	struct vip_row *next;        // in its bucket
	struct vip_row *next_shared; // of the same key
	bool told;                   // ipam_few.c has shown it
};

struct shared_key {                   // of an open hash
	const char *cluster, *key;    // NULL: free
	struct vip_row *rows, **tail; // in the order in which they were taken
};

struct cursor { // where the next free address of a range is looked for
	struct addr next;
	bool end;
};

struct vip_table {
	// Where only some are placed: the addresses of the last plan, of which rows are made when
	// they are asked for; NULL: all are. unsure: something came up that concerns others, too.
	const struct plan_rows *before;
	bool unsure;
	size_t mask;
	struct vip_row **buckets;
	struct shared_key *keys;
	unsigned count;
	struct cursor **cursors;   // by pool and range, from its first
	struct cursor **from_last; // the same from its last
	bool *remembered;          // by lease: of a Service that is gone
};

struct vip_table *vip_table_make(struct planner *p); // NULL: out of memory
// Where the row of the address is, or would be put.
struct vip_row **vip_slot(struct planner *p, const struct addr *address);
struct vip_row *vip_row_new(
	struct planner *p, const struct addr *address, const struct pool_settings *pool);
// The rows that Services with the want's sharing key have; `key` is NULL in it when there are none.
struct shared_key *vip_share_slot(const struct planner *p, const struct want *want);
void vip_row_share(struct planner *p, const struct want *want, struct vip_row *row);
// ipam_refusal.c: the pool that the address is in, among those for the Service.
const struct pool_settings *ipam_pool_of(
	const struct planner *p, const struct want *want, const struct addr *address);
// It asks for that very one.
bool ipam_asks_for(const struct want *want, const struct addr *address);
// Why the Service cannot have the address as things stand, or NULL.
const char *ipam_refusal(struct planner *p, const struct want *want, const struct addr *address);
// ipam_free.c: the pool is for the Service; and also when it asks for none.
bool ipam_may_use(const struct planner *p, const struct want *want, unsigned pool);
bool ipam_may_use_unasked(const struct planner *p, const struct want *want, unsigned pool);
const struct addr *ipam_next_free(struct planner *p, const struct want *want, unsigned family);
bool vip_is_held(struct planner *p, const struct addr *address);
// All cursors, one behind the other: kept for the next plan, or as they were kept.
void vip_cursors_keep(const struct planner *p);
void vip_cursors_restore(struct planner *p);
// ipam_few.c: the row of an address as the last plan left it, without those that are placed or
// gone; NULL: nobody has it, nor had.
struct vip_row *ipam_row_before(struct planner *p, const struct addr *address);
// ipam.c
void ipam_rounds(struct planner *p);
void ipam_add_vip(struct planner *p, const struct vip_row *row);
bool ipam_is_said(const struct want *want, unsigned family);
