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

// NULL: it is not there, or no name of one, and cannot be part of a path either.
static struct resource *find(struct kube *k, const struct secret_key *key, bool make)
{
	const struct sorted sorted = {k->secrets, k->secret_count, sizeof(*k->secrets), compare};
	struct resource *r;
	size_t at;
	bool there;

	if (!name_is_subdomain(key->name) || !name_is_label(key->namespace))
		return NULL;
	at = sorted_place(&sorted, key, &there);
	if (there)
		return k->secrets[at];
	r = make && make_room(k) ? calloc(1, sizeof(*r)) : NULL;
	if (!r)
		return NULL;
	*r = (struct resource){.kube = k,
		.kind = &kube_secret,
		.namespace = strdup(key->namespace),
		.secret = strdup(key->name)};
	if (!r->namespace || !r->secret) {
		resource_end(r);
		free(r);
		return NULL;
	}
	memmove(k->secrets + at + 1, k->secrets + at,
		(k->secret_count - at) * sizeof(struct resource *));
	k->secrets[at] = r;
	k->secret_count++;
	return r;
}

static void count(struct kube *k, const struct object *object, bool comes)
{
	const struct ingress *ingress = (const struct ingress *)object;

	for (unsigned i = 0; i < ingress->tls_count; i++) {
		const struct secret_key key = {object->namespace, ingress->tls[i].secret};
		struct resource *r = *key.name ? find(k, &key, comes) : NULL;

		if (!r)
			continue;
		if (comes)
			r->users++;
		else if (r->users)
			r->users--;
		k->secrets_changed |= !r->users || !r->follow;
	}
}

void kube_secrets_count(struct kube *k, const char *namespace, const char *ingress, bool comes)
{
	const struct object *object = k->secrets_counted
					      ? model_find(k->cluster->model, OBJECT_INGRESS,
							k->cluster->name, namespace, ingress)
					      : NULL;

	if (object)
		count(k, object, comes);
}

void kube_secrets_begin(struct kube *k)
{
	const struct model *model = k->cluster->model;
	size_t length = model_count(model, OBJECT_INGRESS);
	const struct object **list = calloc(length + 1, sizeof(struct object *));

	if (!list)
		return;
	model_list(model, OBJECT_INGRESS, list);
	for (size_t i = 0; i < length; i++)
		if (strcmp(list[i]->cluster, k->cluster->name) == 0)
			count(k, list[i], true);
	free(list);
	k->secrets_counted = true;
	kube_secrets_update(k);
}

void kube_secrets_update(struct kube *k)
{
	unsigned left = 0;

	k->secrets_changed = false;
	for (unsigned i = 0; i < k->secret_count; i++) {
		struct resource *r = k->secrets[i];

		if (r->users && (r->follow || resource_start(r) == 0)) {
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
