// SPDX-License-Identifier: BSD-3-Clause
#include "ip_mode.h"

#include <stdio.h>
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

static int compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void ip_modes_read(struct ip_modes *modes, const struct plan *plan)
{
	modes->count = 0;
	modes->dsr = calloc(plan->listener_count + 1u, sizeof(*modes->dsr));
	for (unsigned i = 0; modes->dsr && i < plan->listener_count; i++)
		if (plan->listeners[i]->mode == MODE_DSR)
			modes->dsr[modes->count++] = plan->listeners[i]->service;
	if (modes->count)
		qsort(modes->dsr, modes->count, sizeof(*modes->dsr), compare);
}

void ip_modes_clear(struct ip_modes *modes)
{
	free(modes->dsr);
	*modes = (struct ip_modes){0};
}

const char *ip_modes_of(const struct ip_modes *modes, const char *service)
{
	return modes->count && bsearch(&service, modes->dsr, modes->count, sizeof(*modes->dsr),
				       compare)
		       ? "VIP"
		       : "Proxy";
}
