// SPDX-License-Identifier: BSD-3-Clause
#include "kube_names.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

uint64_t kube_looks(const char *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ length, word;

	for (; length >= 8; bytes += 8, length -= 8) {
		memcpy(&word, bytes, 8);
		hash = mix(hash ^ word) * UINT64_C(0x100000001b3);
	}
	for (; length; bytes++, length--)
		hash = (hash ^ (unsigned char)*bytes) * UINT64_C(0x100000001b3);
	hash = mix(hash);
	return hash ? hash : 1;
}

static uint64_t hash_of(const char *namespace, const char *name)
{
	return mix(kube_looks(namespace, strlen(namespace)) * 31 + kube_looks(name, strlen(name)));
}

static struct kube_name **slot_of(
	const struct kube_names *names, const char *namespace, const char *name)
{
	struct kube_name **slot = &names->slots[hash_of(namespace, name) & names->mask];

	while (*slot &&
		(strcmp((*slot)->name, name) != 0 || strcmp((*slot)->namespace, namespace) != 0))
		slot = &(*slot)->next;
	return slot;
}

static void grow(struct kube_names *names)
{
	size_t mask = names->slots ? names->mask * 2 + 1 : 63;
	struct kube_name **bigger = calloc(mask + 1, sizeof(*bigger));

	if (!bigger)
		return; // slower, not wrong
	for (size_t i = 0; names->slots && i <= names->mask; i++)
		while (names->slots[i]) {
			struct kube_name *name = names->slots[i];
			struct kube_name **slot =
				&bigger[hash_of(name->namespace, name->name) & mask];

			names->slots[i] = name->next;
			name->next = *slot;
			*slot = name;
		}
	free(names->slots);
	names->slots = bigger;
	names->mask = mask;
}

struct kube_name *kube_names_put(struct kube_names *names, const char *namespace, const char *name)
{
	size_t n = strlen(namespace) + 1, m = strlen(name) + 1;
	struct kube_name **slot, *made;

	if (!names->slots || names->count > names->mask)
		grow(names);
	if (!names->slots)
		return NULL;
	slot = slot_of(names, namespace, name);
	if (*slot)
		return *slot;
	made = malloc(sizeof(*made) + n + m);
	if (!made)
		return NULL;
	*made = (struct kube_name){.namespace = (char *)(made + 1)};
	memcpy(made->namespace, namespace, n);
	memcpy(made->namespace + n, name, m);
	made->name = made->namespace + n;
	*slot = made;
	names->count++;
	return made;
}

void kube_names_remove(struct kube_names *names, const char *namespace, const char *name)
{
	struct kube_name **slot, *gone;

	if (!names->slots)
		return;
	slot = slot_of(names, namespace, name);
	gone = *slot;
	if (!gone)
		return;
	*slot = gone->next;
	names->count--;
	free(gone);
}

void kube_names_sweep(struct kube_names *names,
	void (*gone)(void *arg, const char *namespace, const char *name), void *arg)
{
	for (size_t i = 0; names->slots && i <= names->mask; i++)
		for (struct kube_name **slot = &names->slots[i]; *slot;) {
			struct kube_name *name = *slot;

			if (name->round == names->round) {
				slot = &name->next;
				continue;
			}
			*slot = name->next;
			names->count--;
			gone(arg, name->namespace, name->name);
			free(name);
		}
}

void kube_names_clear(struct kube_names *names)
{
	for (size_t i = 0; names->slots && i <= names->mask; i++)
		while (names->slots[i]) {
			struct kube_name *name = names->slots[i];

			names->slots[i] = name->next;
			free(name);
		}
	free(names->slots);
	*names = (struct kube_names){0};
}
