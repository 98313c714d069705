// SPDX-License-Identifier: BSD-3-Clause
#include "secret.h"

#include <string.h>

bool secret_covers(const struct secret_facts *facts, const char *host)
{
	const char *dot = strchr(host, '.');

	for (unsigned i = 0; i < facts->name_count; i++) {
		const char *name = facts->names[i];

		if (strcmp(name, host) == 0)
			return true;
		if (dot && dot != host && strncmp(name, "*.", 2) == 0 && strcmp(name + 1, dot) == 0)
			return true;
	}
	return false;
}
