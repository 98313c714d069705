// SPDX-License-Identifier: BSD-3-Clause
#include "ip_mode.h"

#include "sorted.h"

#include <stdlib.h>
#include <string.h>

// The first server that knows it without being told to. What a server does not know it drops, and
// we would tell it for ever.
#define MAJOR 1
#define MINOR 30

bool ip_mode_known(const struct cluster *cluster)
{
	struct cluster_state state;
	unsigned long major, minor = 0;
	char *end;

	if (!cluster)
		return false;
	cluster_state(cluster, &state);
	if (*state.version != 'v')
		return false;
	major = strtoul(state.version + 1, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	return major > MAJOR || (major == MAJOR && minor >= MINOR);
}

static int compare_vip(const void *address, const void *row)
{
	return addr_compare(address, &(*(struct plan_listener *const *)row)->vip);
}

static bool is_dsr(const struct plan *plan, const char *service, const struct addr *address)
{
	const struct sorted sorted = {
		plan->listeners, plan->listener_count, sizeof(*plan->listeners), compare_vip};

	for (size_t i = sorted_place(&sorted, address, NULL);
		i < plan->listener_count && addr_compare(&plan->listeners[i]->vip, address) == 0;
		i++)
		if (plan->listeners[i]->mode == MODE_DSR &&
			strcmp(plan->listeners[i]->service, service) == 0)
			return true;
	return false;
}

const char *ip_mode_of(
	const struct plan *plan, const char *service, const struct addr *addresses, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (is_dsr(plan, service, &addresses[i]))
			return "VIP";
	return "Proxy";
}
