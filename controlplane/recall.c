// SPDX-License-Identifier: BSD-3-Clause
// The certificates of the plan that was in force when we ended: a Secret that is bad when we start
// keeps them, as it would have if we had not ended. Held until there is a plan of our own.
#include "control.h"

#include "model_memory.h"
#include "pair.h"
#include "secret.h"

#include "limits.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct secret_bytes copy(struct arena *arena, ProtobufCBinaryData from)
{
	uint8_t *bytes = arena_take(arena, from.len + 1);

	if (bytes && from.len)
		memcpy(bytes, from.data, from.len);
	return (struct secret_bytes){bytes, bytes ? from.len : 0};
}

static struct object *make(const Sluice__Certificate *from, const char *cluster,
	const char *namespace, const char *name)
{
	struct object *object = object_new(OBJECT_SECRET, cluster, namespace, name);
	struct secret *secret = (struct secret *)object;
	struct reason reason = {0};
	int error;

	if (!object)
		return NULL;
	secret->type = "kubernetes.io/tls";
	secret->facts = (struct secret_facts){.issuer = "", .subject = "", .fingerprint = ""};
	secret->chain_pem = copy(&object->arena, from->chain_pem);
	secret->key_pem = copy(&object->arena, from->key_pem);
	secret->ocsp_der = copy(&object->arena, from->ocsp_der);
	error = pair_check(secret, &object->arena, &secret->facts, &reason);
	reason_clear(&reason);
	if (error) {
		object_free(object);
		return NULL;
	}
	if (secret->ocsp_der.length && pair_staple_mistake(secret->ocsp_der, secret->chain_pem,
					       &secret->facts.staple_until))
		secret->ocsp_der = (struct secret_bytes){NULL, 0};
	return object;
}

static struct object *recall(void *arg, enum object_kind kind, const char *cluster,
	const char *namespace, const char *name)
{
	const Sluice__Transaction *last = arg;
	char full[SLUICE_NAME_MAX];

	if (kind != OBJECT_SECRET)
		return NULL;
	snprintf(full, sizeof(full), "%s/%s/%s", cluster, namespace, name);
	for (size_t i = 0; i < last->n_certificates; i++)
		if (strcmp(last->certificates[i]->name, full) == 0)
			return make(last->certificates[i], cluster, namespace, name);
	return NULL;
}

int recall_start(struct control *c, struct reason *reason)
{
	const struct sealed_file file = store_plan_file(c->store);
	struct reason trouble = {0};
	uint8_t *bytes;
	size_t length;

	(void)reason; // publish/ tells what is wrong with the file
	if (sealed_file_read(&file, &bytes, &length, &trouble) == 0) {
		c->recalled = sluice__transaction__unpack(NULL, length, bytes);
		explicit_bzero(bytes, length); // private keys are in it
		free(bytes);
	}
	reason_clear(&trouble);
	if (c->recalled)
		model_set_memory(c->model, &(struct model_memory){c->recalled, recall});
	return 0;
}

void recall_end(struct control *c)
{
	Sluice__Transaction *last = c->recalled;

	if (!last)
		return;
	model_set_memory(c->model, NULL);
	for (size_t i = 0; i < last->n_certificates; i++)
		explicit_bzero(
			last->certificates[i]->key_pem.data, last->certificates[i]->key_pem.len);
	sluice__transaction__free_unpacked(last, NULL);
	c->recalled = NULL;
}
