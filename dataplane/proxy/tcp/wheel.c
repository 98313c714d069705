// SPDX-License-Identifier: BSD-3-Clause
// A hierarchical timing wheel: four levels of 64 slots, the lowest of one millisecond each; 4.6
// hours ahead, what is later waits in the last slot and is looked at again. A connection is in it
// once, with the earliest of its deadlines or earlier; adding and removing cost the same whatever
// is in it. Never true here: a connection in a slot of level 0 that is due at another time than the
// slot's.
#include "tcp_parts.h"

#define SPAN(level) (1ULL << (WHEEL_BITS * (level)))

static void put(struct wheel *wheel, struct tcp_connection *c, uint64_t deadline)
{
	uint64_t ahead = deadline - wheel->now_ms;
	unsigned level = 0, slot;

	if (ahead >= SPAN(WHEEL_LEVELS)) {
		ahead = SPAN(WHEEL_LEVELS) - 1;
		deadline = wheel->now_ms + ahead;
	}
	while (ahead >= SPAN(level + 1))
		level++;
	slot = deadline >> (WHEEL_BITS * level) & (WHEEL_SLOTS - 1);
	c->wheel_next = wheel->slots[level][slot];
	if (c->wheel_next)
		c->wheel_next->wheel_link = &c->wheel_next;
	c->wheel_link = &wheel->slots[level][slot];
	wheel->slots[level][slot] = c;
	wheel->used[level] |= 1ULL << slot;
}

static uint64_t whole(const struct wheel *wheel, uint32_t deadline_ms)
{
	return wheel->now_ms + (uint64_t)(int64_t)(int32_t)(deadline_ms - (uint32_t)wheel->now_ms);
}

void wheel_add(struct wheel *wheel, struct tcp_connection *c, uint32_t deadline_ms)
{
	uint64_t deadline = whole(wheel, deadline_ms);

	c->wheel_ms = deadline_ms;
	// The present slot has been looked at already.
	if ((int64_t)(deadline - wheel->now_ms) <= 0)
		deadline = wheel->now_ms + 1;
	put(wheel, c, deadline);
}

// The slot's bit stays when the slot falls empty: whoever looks clears it.
void wheel_remove(struct wheel *wheel, struct tcp_connection *c)
{
	if (!c->wheel_link)
		return;
	*c->wheel_link = c->wheel_next;
	if (c->wheel_next)
		c->wheel_next->wheel_link = c->wheel_link;
	c->wheel_link = NULL;
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
	uint64_t next = UINT64_MAX;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t turn = wheel->now_ms >> (WHEEL_BITS * level);
		unsigned from = (unsigned)(turn + 1) & (WHEEL_SLOTS - 1);
		uint64_t used = wheel->used[level], start;

		if (!used)
			continue;
		used = from ? used >> from | used << (WHEEL_SLOTS - from) : used;
		start = (turn + 1 + (unsigned)__builtin_ctzll(used)) << (WHEEL_BITS * level);
		if (start < next)
			next = start;
	}
	return next;
}

static void cascade(struct wheel *wheel, unsigned level)
{
	unsigned slot = wheel->now_ms >> (WHEEL_BITS * level) & (WHEEL_SLOTS - 1);
	struct tcp_connection *c = wheel->slots[level][slot], *next;

	wheel->slots[level][slot] = NULL;
	wheel->used[level] &= ~(1ULL << slot);
	for (; c; c = next) {
		uint64_t deadline = whole(wheel, c->wheel_ms);

		next = c->wheel_next;
		put(wheel, c, deadline > wheel->now_ms ? deadline : wheel->now_ms);
	}
}

struct tcp_connection *wheel_due(struct wheel *wheel, uint64_t now_ms)
{
	for (;;) {
		unsigned slot = wheel->now_ms & (WHEEL_SLOTS - 1);
		struct tcp_connection *c = wheel->slots[0][slot];
		uint64_t next;

		if (c) {
			wheel_remove(wheel, c);
			return c;
		}
		wheel->used[0] &= ~(1ULL << slot);
		next = wheel_next_ms(wheel);
		if (next > now_ms)
			break;
		wheel->now_ms = next;
		for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--)
			if (!(next & (SPAN(level) - 1)))
				cascade(wheel, level);
	}
	if (now_ms > wheel->now_ms)
		wheel->now_ms = now_ms;
	return NULL;
}
