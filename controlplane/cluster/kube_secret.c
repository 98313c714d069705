// SPDX-License-Identifier: BSD-3-Clause
// Which Secrets are read: those that an Ingress of the cluster names, each by itself. Secrets are
// never listed: a fieldSelector asks for one name.
#include <stdlib.h>
#include <string.h>

#include "decode_field.h"
#include "ingress.h"
#include "kube_internal.h"
#include "sorted.h"

struct secret_key {
	const char *namespace, *name;
};

static int compare(const void *wanted, const void *row)
{
	const struct secret_key *key = wanted;
	const struct resource *with = *(struct resource *const *)row;
	int order = strcmp(key->namespace, with->namespace);

	return order ? order : strcmp(key->name, with->secret);
}

static bool make_room(struct kube *k)
{
	unsigned capacity = k->secret_capacity ? k->secret_capacity * 2 : 16;
	struct resource **bigger;

	if (k->secret_count < k->secret_capacity)
		return true;
	bigger = realloc(k->secrets, capacity * sizeof(struct resource *));
	if (!bigger)
		return false;
	k->secrets = bigger;
	k->secret_capacity = capacity;
	return true;
}

static void want(struct kube *k, const char *namespace, const char *name)
{
	const struct secret_key key = {namespace, name};
	const struct sorted sorted = {k->secrets, k->secret_count, sizeof(*k->secrets), compare};
	struct resource *r;
	size_t at;
	bool there;

	// A name that cannot be one is no part of a path either.
	if (!name_is_subdomain(name) || !name_is_label(namespace))
		return;
	at = sorted_place(&sorted, &key, &there);
	if (there) {
		k->secrets[at]->wanted = true;
		return;
	}
	r = make_room(k) ? calloc(1, sizeof(*r)) : NULL;
	if (!r)
		return;
	*r = (struct resource){.kube = k,
		.kind = &kube_secret,
		.namespace = strdup(namespace),
		.secret = strdup(name),
		.wanted = true};
	if (!r->namespace || !r->secret || resource_start(r)) {
		resource_end(r);
		free(r);
		return;
	}
	memmove(k->secrets + at + 1, k->secrets + at,
		(k->secret_count - at) * sizeof(struct resource *));
	k->secrets[at] = r;
	k->secret_count++;
}

static void want_all(struct kube *k)
{
	const struct model *model = k->cluster->model;
	size_t count = model_count(model, OBJECT_INGRESS);
	const struct object **list = calloc(count + 1, sizeof(struct object *));

	if (!list)
		return;
	model_list(model, OBJECT_INGRESS, list);
	for (size_t i = 0; i < count; i++) {
		const struct ingress *ingress = (const struct ingress *)list[i];

		if (strcmp(list[i]->cluster, k->cluster->name) != 0)
			continue;
		for (unsigned j = 0; j < ingress->tls_count; j++)
			if (*ingress->tls[j].secret)
				want(k, list[i]->namespace, ingress->tls[j].secret);
	}
	free(list);
}

void kube_secrets_update(struct kube *k)
{
	unsigned left = 0;

	for (unsigned i = 0; i < k->secret_count; i++)
		k->secrets[i]->wanted = false;
	want_all(k);
	for (unsigned i = 0; i < k->secret_count; i++) {
		struct resource *r = k->secrets[i];

		if (r->wanted) {
			k->secrets[left++] = r;
			continue;
		}
		resource_drop(r);
		resource_end(r);
		free(r);
	}
	k->secret_count = left;
}

void kube_secrets_end(struct kube *k)
{
	for (unsigned i = 0; i < k->secret_count; i++) {
		resource_end(k->secrets[i]);
		free(k->secrets[i]);
	}
	free(k->secrets);
}
