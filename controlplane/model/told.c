// SPDX-License-Identifier: BSD-3-Clause
#include "told.h"

#include "model.h"

#include <string.h>

uint64_t told_text(uint64_t digest, const char *text)
{
	do
		digest = (digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return digest ^ digest >> 29;
}

uint64_t told_add(uint64_t told, const char *ip, const char *ip_mode)
{
	return told_text(told_text(told, ip), ip_mode);
}

bool told_only(const struct object *old, const struct object *new)
{
	return old->digest && old->digest == new->digest &&
	       old->kind == new->kind &&strcmp(old->name, new->name) == 0 &&
	       strcmp(old->namespace, new->namespace) == 0;
}
