// SPDX-License-Identifier: BSD-3-Clause
// The kernel's neighbours on our twins, as its events tell them: a dense array, which is what
// fib_build() takes, and a hash into it. Linear probing; a removal closes the gap by moving back
// what stands behind it, so that there are no tombstones. Main lcore only.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host_internal.h"
#include "log.h"

static uint32_t home_slot(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address)
{
	uint64_t high, low;

	memcpy(&high, address->byte, sizeof(high));
	memcpy(&low, address->byte + 8, sizeof(low));
	low ^= (high ^ iface) * 0x9e3779b97f4a7c15;
	low = (low ^ (low >> 31)) * 0xbf58476d1ce4e5b9;
	return (uint32_t)(low >> 32) & neighbours->mask;
}

int neighbours_init(struct neighbours *neighbours, uint32_t most)
{
	uint32_t slots = 64;

	while (slots < 2 * most)
		slots *= 2;
	*neighbours = (struct neighbours){.most = most, .mask = slots - 1};
	neighbours->list = calloc(most, sizeof(*neighbours->list));
	neighbours->fixed = calloc(most, sizeof(*neighbours->fixed));
	neighbours->slots = calloc(slots, sizeof(*neighbours->slots));
	if (neighbours->list && neighbours->fixed && neighbours->slots)
		return 0;
	neighbours_fini(neighbours);
	return -ENOMEM;
}

void neighbours_fini(struct neighbours *neighbours)
{
	free(neighbours->list);
	free(neighbours->fixed);
	free(neighbours->slots);
	*neighbours = (struct neighbours){0};
}

void neighbours_clear(struct neighbours *neighbours)
{
	memset(neighbours->slots, 0, ((size_t)neighbours->mask + 1) * sizeof(*neighbours->slots));
	neighbours->count = 0;
}

// The slot of this neighbour, or the free one where it would go.
static uint32_t find_slot(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address)
{
	uint32_t slot = home_slot(neighbours, iface, address);

	for (; neighbours->slots[slot]; slot = (slot + 1) & neighbours->mask) {
		const struct fib_neighbour *here = &neighbours->list[neighbours->slots[slot] - 1];

		if (here->iface == iface && addr_compare(&here->address, address) == 0)
			break;
	}
	return slot;
}

const struct fib_neighbour *neighbours_find(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address)
{
	uint32_t index = neighbours->slots[find_slot(neighbours, iface, address)];

	return index ? &neighbours->list[index - 1] : NULL;
}

bool neighbours_is_fixed(
	const struct neighbours *neighbours, uint16_t iface, const struct addr *address)
{
	uint32_t index = neighbours->slots[find_slot(neighbours, iface, address)];

	return index && neighbours->fixed[index - 1];
}

bool neighbours_put(
	struct neighbours *neighbours, const struct fib_neighbour *neighbour, bool fixed)
{
	uint32_t slot = find_slot(neighbours, neighbour->iface, &neighbour->address);
	struct fib_neighbour *here;

	if (neighbours->slots[slot]) {
		here = &neighbours->list[neighbours->slots[slot] - 1];
		neighbours->fixed[neighbours->slots[slot] - 1] = fixed;
		if (here->state == neighbour->state &&
			rte_is_same_ether_addr(&here->mac, &neighbour->mac))
			return false;
		*here = *neighbour;
		return true;
	}
	if (neighbours->count == neighbours->most) {
		if (!neighbours->full)
			log_warning("host",
				"more than %u neighbours: the newest are left out "
				"(dataplane.neighbours in sluice.conf)",
				neighbours->most);
		neighbours->full = true;
		return false;
	}
	neighbours->list[neighbours->count] = *neighbour;
	neighbours->fixed[neighbours->count] = fixed;
	neighbours->slots[slot] = ++neighbours->count;
	return true;
}

// Frees a slot and moves back those behind it that would no longer be found.
static void close_gap(struct neighbours *neighbours, uint32_t gap)
{
	uint32_t slot = gap;

	for (;;) {
		const struct fib_neighbour *here;
		uint32_t home;

		slot = (slot + 1) & neighbours->mask;
		if (!neighbours->slots[slot])
			break;
		here = &neighbours->list[neighbours->slots[slot] - 1];
		home = home_slot(neighbours, here->iface, &here->address);
		if (((slot - home) & neighbours->mask) < ((slot - gap) & neighbours->mask))
			continue;
		neighbours->slots[gap] = neighbours->slots[slot];
		gap = slot;
	}
	neighbours->slots[gap] = 0;
}

bool neighbours_remove(struct neighbours *neighbours, uint16_t iface, const struct addr *address)
{
	uint32_t slot = find_slot(neighbours, iface, address);
	uint32_t index = neighbours->slots[slot];
	const struct fib_neighbour *last;

	if (!index)
		return false;
	close_gap(neighbours, slot);
	if (index != neighbours->count) {
		last = &neighbours->list[neighbours->count - 1];
		slot = find_slot(neighbours, last->iface, &last->address);
		neighbours->list[index - 1] = *last;
		neighbours->fixed[index - 1] = neighbours->fixed[neighbours->count - 1];
		neighbours->slots[slot] = index;
	}
	neighbours->count--;
	return true;
}
