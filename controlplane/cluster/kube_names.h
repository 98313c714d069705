// SPDX-License-Identifier: BSD-3-Clause
// Which objects one resource of a cluster has, by "namespace/name", with what they looked like: so
// that those that a list does not have any more are found, and those that are as they were are not
// read again. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kube_name {
	struct kube_name *next;
	uint64_t looks;   // a hash of its text; 0 = not known
	uint32_t round;   // of lists, in which it was seen last
	const char *name; // behind the namespace
	char *namespace;  // the name follows behind its zero byte
};

struct kube_names {
	struct kube_name **slots;
	size_t mask, count;
	uint32_t round;
};

// The one of that name, made when it is not there yet. NULL = out of memory.
struct kube_name *kube_names_put(struct kube_names *names, const char *namespace, const char *name);
void kube_names_remove(struct kube_names *names, const char *namespace, const char *name);
// Visits and forgets those that were not seen in this round.
void kube_names_sweep(struct kube_names *names,
	void (*gone)(void *arg, const char *namespace, const char *name), void *arg);
void kube_names_clear(struct kube_names *names);
uint64_t kube_looks(const char *bytes, size_t length); // never 0
