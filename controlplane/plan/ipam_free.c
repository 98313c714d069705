// SPDX-License-Identifier: BSD-3-Clause
// Where a Service that asks for nothing may be: its pools, and the next free address of them.
//
// The second box of a pair looks for one from the other end, for what a cluster holds. So two
// boxes that do not hear each other never give the same address to different Services, for as long
// as one pool in two is free; which of their two addresses a Service keeps its status says.
#include "vip_table.h"

bool ipam_may_use(const struct planner *p, const struct want *want, unsigned i)
{
	return (!want->open || want->open[i]) &&
	       (!want->pool || want->pool == &p->settings->pools[i]);
}

bool ipam_may_use_unasked(const struct planner *p, const struct want *want, unsigned i)
{
	return ipam_may_use(p, want, i) && (p->settings->pools[i].auto_assign || want->pool);
}

// Nothing is given back while a plan is made: what was passed stays taken.
static bool advance(struct planner *p, const struct range_settings *range, struct cursor *cursor,
	bool from_last)
{
	while (!cursor->end && *vip_slot(p, &cursor->next)) {
		cursor->end =
			addr_compare(&cursor->next, from_last ? &range->first : &range->last) == 0;
		cursor->next = from_last ? addr_previous(&cursor->next) : addr_next(&cursor->next);
	}
	return !cursor->end;
}

const struct addr *ipam_next_free(struct planner *p, const struct want *want, unsigned family)
{
	bool from_last = p->settings->pair.second && want_is_of_api(want);
	struct cursor **cursors = from_last ? p->vips->from_last : p->vips->cursors;

	for (unsigned i = 0; i < p->settings->pool_count; i++) {
		const struct pool_settings *pool = &p->settings->pools[i];

		if (!ipam_may_use_unasked(p, want, i))
			continue;
		for (unsigned n = 0; n < pool->range_count; n++) {
			unsigned j = from_last ? pool->range_count - 1 - n : n;

			if (family_of(&pool->ranges[j].first) == family &&
				advance(p, &pool->ranges[j], &cursors[i][j], from_last))
				return &cursors[i][j].next;
		}
	}
	return NULL;
}
