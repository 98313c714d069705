// SPDX-License-Identifier: BSD-3-Clause
#include "maglev.h"

#include <stdlib.h>

// Where a member is in its permutation of the cells, and how much of a turn it has saved up.
struct turn {
	uint32_t cell; // the next one it would claim
	uint32_t skip; // to the one after that, modulo the size
	uint32_t credit;
	uint32_t weight;
};

// Primes. The last of a band's members must have an index that fits its cells.
static const struct band {
	uint32_t members;
	uint32_t size;
	uint32_t cell_bytes;
} bands[] = {
	{1, 1, 1}, // nothing to choose; costs no choice either, as all of them are with the one
	{128, 8191, 1},
	{2048, 65521, 2},
	{MAGLEV_MEMBERS_MAX, 524287, 2},
};

static const struct band *band_of(uint32_t count)
{
	const struct band *band = bands;

	while (band->members < count)
		band++;
	return band;
}

uint32_t maglev_size(uint32_t count)
{
	return band_of(count)->size;
}

// The heaviest gets one turn a round, the others in proportion. Each starts with all but the last
// part of a turn, so that in the first round everybody has one, whatever the weight.
static void set_turns(struct turn *turns, const struct maglev_member *members, uint32_t count,
	uint32_t heaviest, uint32_t size)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = maglev_mix(members[i].identity + 0x9e3779b97f4a7c15);
		uint64_t skip = maglev_mix(members[i].identity + 0x3c6ef372fe94f82a);

		turns[i].cell = (uint32_t)(start % size);
		turns[i].skip = (uint32_t)(skip % (size - 1)) + 1;
		turns[i].weight = members[i].weight;
		turns[i].credit = heaviest - members[i].weight;
	}
}

static void take_turns(struct maglev *maglev, struct turn *turns, uint32_t count, uint32_t heaviest,
	uint64_t *taken)
{
	uint32_t size = maglev->size;
	uint32_t left = size;

	for (;;) {
		for (uint32_t i = 0; i < count; i++) {
			struct turn *turn = &turns[i];
			uint32_t cell = turn->cell;

			turn->credit += turn->weight;
			if (turn->credit < heaviest)
				continue;
			turn->credit -= heaviest;
			while (taken[cell / 64] >> cell % 64 & 1) {
				cell += turn->skip;
				if (cell >= size)
					cell -= size;
			}
			taken[cell / 64] |= 1ull << cell % 64;
			turn->cell = cell;
			if (maglev->cell_bytes == 1)
				maglev->cells.byte[cell] = (uint8_t)i;
			else
				maglev->cells.word[cell] = (uint16_t)i;
			if (--left == 0)
				return;
		}
	}
}

static void *zeroed(size_t bytes)
{
	return calloc(1, bytes); // house: tables are built by the main lcore, away from packets
}

struct maglev *maglev_new(const struct maglev_member *members, uint32_t count)
{
	const struct band *band;
	struct maglev *maglev;
	struct turn *turns;
	uint64_t *taken;
	uint32_t heaviest = 0;

	if (count == 0 || count > MAGLEV_MEMBERS_MAX)
		return NULL;
	band = band_of(count);
	maglev = zeroed(sizeof(*maglev) + (size_t)band->size * band->cell_bytes);
	if (!maglev)
		return NULL;
	maglev->size = band->size;
	maglev->cell_bytes = band->cell_bytes;
	if (count == 1)
		return maglev;
	turns = zeroed(count * sizeof(*turns));
	taken = zeroed((band->size / 64 + 1) * sizeof(*taken));
	if (!turns || !taken) {
		free(maglev);
		maglev = NULL;
		goto out;
	}
	for (uint32_t i = 0; i < count; i++)
		if (members[i].weight > heaviest)
			heaviest = members[i].weight;
	set_turns(turns, members, count, heaviest, band->size);
	take_turns(maglev, turns, count, heaviest, taken);
out:
	free(turns);
	free(taken);
	return maglev;
}
