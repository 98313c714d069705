// SPDX-License-Identifier: BSD-3-Clause
// Deadlines: a wheel of slots, each a list. What is due in a later turn of the wheel stays in its
// slot until then.
#include "proxy_parts.h"

void deadline_stop(struct deadline *deadline)
{
	if (!deadline->link)
		return;
	*deadline->link = deadline->next;
	if (deadline->next)
		deadline->next->link = deadline->link;
	deadline->link = NULL;
}

void deadline_set(struct proxy *proxy, struct deadline *deadline, usec_t due)
{
	uint64_t tick = due / WHEEL_TICK + 1;
	struct deadline **slot;

	if (tick <= proxy->wheel_tick)
		tick = proxy->wheel_tick + 1;
	deadline_stop(deadline);
	slot = &proxy->wheel[tick % WHEEL_SLOTS];
	deadline->due = due;
	deadline->next = *slot;
	deadline->link = slot;
	if (deadline->next)
		deadline->next->link = &deadline->next;
	*slot = deadline;
}

static void fire(struct proxy *proxy, struct deadline *deadline)
{
	if (deadline->kind == DEADLINE_SESSION)
		session_timeout(proxy, RTE_PTR_SUB(deadline, offsetof(struct session, deadline)));
	else
		upstream_timeout(proxy, RTE_PTR_SUB(deadline, offsetof(struct upstream, deadline)));
}

static void run_slot(struct proxy *proxy, struct deadline **slot)
{
	struct deadline *due = *slot, *deadline;

	// Apart first: what fires may set and stop others of this slot.
	if (due)
		due->link = &due;
	*slot = NULL;
	while ((deadline = due)) {
		deadline_stop(deadline);
		if (deadline->due <= proxy->now)
			fire(proxy, deadline);
		else
			deadline_set(proxy, deadline, deadline->due);
	}
}

void deadlines_run(struct proxy *proxy)
{
	uint64_t tick = proxy->now / WHEEL_TICK;

	if (proxy->wheel_tick + WHEEL_SLOTS < tick)
		proxy->wheel_tick = tick - WHEEL_SLOTS;
	while (proxy->wheel_tick < tick) {
		proxy->wheel_tick++;
		run_slot(proxy, &proxy->wheel[proxy->wheel_tick % WHEEL_SLOTS]);
		upstream_fade(proxy);
	}
}
