// SPDX-License-Identifier: BSD-3-Clause
// How the proxy speaks with a pool's endpoints, in a change of the tables.
#include "tables_internal.h"

#include <stdlib.h>
#include <string.h>

#include "tls.h"

static void upstream_end(void *block)
{
	struct upstream_policy *upstream = block;

	if (upstream->backend)
		tls_backend_release(upstream->backend);
}

void upstream_replace(struct build *build, const struct upstream_policy *upstream)
{
	edit_replace(&build->edit, upstream);
	if (upstream)
		edit_replaced_ends(&build->edit, upstream_end);
}

void upstream_free(const struct upstream_policy *upstream)
{
	if (upstream)
		upstream_end((void *)(uintptr_t)upstream);
	free((void *)(uintptr_t)upstream);
}

static struct tls_backend *backend_make(
	struct build *build, const char *what, const struct upstream_policy *policy)
{
	const struct tls_backend_config config = {
		.name = *policy->tls_name ? policy->tls_name : NULL,
		.ca = policy->tls_verify ? policy->ca_pem : NULL,
		.ca_length = policy->tls_verify ? policy->ca_pem_length : 0,
	};
	struct reason why = {0};
	struct tls_backend *backend = tls_backend_new(&config, &why);

	if (!backend)
		build_mistake(build, "%s: tls: %s", what, reason_text(&why));
	reason_clear(&why);
	return backend;
}

static bool upstream_same(const struct upstream_policy *a, const struct upstream_policy *b)
{
	return a->tls == b->tls && a->tls_verify == b->tls_verify &&
	       a->proxy_protocol == b->proxy_protocol && a->hash_key == b->hash_key &&
	       a->idle_connections == b->idle_connections &&
	       a->idle_timeout_ms == b->idle_timeout_ms && strcmp(a->tls_name, b->tls_name) == 0 &&
	       strcmp(a->hash_name, b->hash_name) == 0 && a->ca_pem_length == b->ca_pem_length &&
	       (a->ca_pem_length == 0 || memcmp(a->ca_pem, b->ca_pem, a->ca_pem_length) == 0) &&
	       a->certificate.slot == b->certificate.slot &&
	       a->certificate.hash == b->certificate.hash;
}

// The former one when nothing about it has changed.
const struct upstream_policy *upstream_make(
	struct build *build, const struct plan_pool *plan, const struct upstream_policy *before)
{
	struct upstream_policy next = plan->upstream->policy;
	char what[SLUICE_NAME_MAX + 8];
	struct upstream_policy *upstream;
	char *text;

	snprintf(what, sizeof(what), "pool \"%s\"", plan->name);
	next.certificate = certificate_refer(build, what, plan->upstream->certificate);
	if (before && upstream_same(before, &next))
		return before;
	upstream = edit_make(&build->edit, sizeof(*upstream) + strlen(next.tls_name) +
						   strlen(next.hash_name) + 2 + next.ca_pem_length);
	if (!upstream)
		return NULL;
	edit_made_ends(&build->edit, upstream_end);
	*upstream = next;
	if (next.tls)
		upstream->backend = backend_make(build, what, &next);
	text = (char *)(upstream + 1);
	upstream->tls_name = strcpy(text, next.tls_name);
	text += strlen(text) + 1;
	upstream->hash_name = strcpy(text, next.hash_name);
	text += strlen(text) + 1;
	if (next.ca_pem_length)
		upstream->ca_pem = memcpy(text, next.ca_pem, next.ca_pem_length);
	upstream_replace(build, before);
	return upstream;
}
