// SPDX-License-Identifier: BSD-3-Clause
// Certificates, and the names they are shown for, in a change of the tables.
#include "tables_internal.h"

#include "identity.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool certificate_equal(const void *value, const void *key)
{
	return strcmp(((const struct certificate *)value)->name, key) == 0;
}

static const struct certificate *certificate_find(const struct tables *tables, const char *name)
{
	return map_find(&tables->certificate_map, name_hash(name), certificate_equal, name);
}

// Only to tell a certificate that is the same: it comes from the control plane, which we trust.
static uint64_t bytes_hash(uint64_t hash, struct plan_bytes bytes)
{
	for (size_t i = 0; i < bytes.length; i += 8) {
		uint64_t part = 0;

		memcpy(&part, bytes.data + i, bytes.length - i < 8 ? bytes.length - i : 8);
		hash = maglev_mix(hash ^ part);
	}
	return maglev_mix(hash ^ bytes.length);
}

// The identity goes with the block; connections that began with it hold it on.
static void certificate_end(void *block)
{
	struct certificate *certificate = block;

	tls_identity_release((struct tls_identity *)(uintptr_t)certificate->identity);
}

void certificate_free(const void *value)
{
	certificate_end((void *)(uintptr_t)value);
	free((void *)value);
}

static struct tls_identity *identity_read(
	const struct plan_certificate *plan, struct reason *mistakes)
{
	const struct tls_secret secret = {
		.name = plan->name,
		.chain = plan->chain.data,
		.key = plan->key.data,
		.staple = plan->ocsp.data,
		.chain_length = plan->chain.length,
		.key_length = plan->key.length,
		.staple_length = plan->ocsp.length,
	};
	struct reason warnings = {0};
	struct tls_identity *identity = tls_identity_new(&secret, time(NULL), mistakes, &warnings);

	reason_clear(&warnings);
	return identity;
}

static void content_of(const struct plan_certificate *plan, uint64_t content[2])
{
	for (unsigned i = 0; i < 2; i++)
		content[i] = bytes_hash(
			bytes_hash(bytes_hash(i + 1, plan->chain), plan->key), plan->ocsp);
}

bool tables_prepare(const struct tables_store *store, struct plan_change *change, unsigned most)
{
	for (; change->certificates_ahead < change->certificate_count && most;
		change->certificates_ahead++) {
		struct plan_certificate *plan = &change->certificates[change->certificates_ahead];
		const struct certificate *before = certificate_find(store->current, plan->name);
		struct reason mistakes = {0};
		uint64_t content[2];

		content_of(plan, content);
		if (before && memcmp(before->content, content, sizeof(content)) == 0)
			continue;
		plan->identity = identity_read(plan, &mistakes);
		reason_clear(&mistakes);
		most--;
	}
	return change->certificates_ahead == change->certificate_count;
}

void tables_unprepare(struct plan_change *change)
{
	for (uint32_t i = 0; i < change->certificates_ahead; i++) {
		tls_identity_release(change->certificates[i].identity);
		change->certificates[i].identity = NULL;
	}
	change->certificates_ahead = 0;
}

static struct certificate *certificate_make(
	struct build *build, const struct plan_certificate *plan, uint32_t slot)
{
	struct certificate *certificate =
		edit_make(&build->edit, sizeof(*certificate) + strlen(plan->name) + 1);
	struct reason mistakes = {0};

	if (!certificate)
		return NULL;
	edit_made_ends(&build->edit, certificate_end);
	certificate->slot = slot;
	certificate->hash = name_hash(plan->name);
	strcpy(certificate->name, plan->name);
	certificate->identity =
		plan->identity ? tls_identity_hold(plan->identity) : identity_read(plan, &mistakes);
	if (!certificate->identity)
		build_mistake(build, "certificate \"%s\": %s", plan->name, reason_text(&mistakes));
	reason_clear(&mistakes);
	return certificate->identity ? certificate : NULL;
}

static void certificate_put(struct build *build, uint64_t hash, const struct certificate *before,
	const struct certificate *after)
{
	const struct certificate *either = after ? after : before;

	rows_put(build, &build->certificates, hash, either->slot, before, after);
	if (before)
		edit_replaced_ends(&build->edit, certificate_end);
}

static void certificate_set(struct build *build, const struct plan_certificate *plan)
{
	const struct certificate *before = certificate_find(build->tables, plan->name);
	struct certificate *after;
	uint64_t content[2];
	uint32_t slot;

	if (before && rows_seen(build, &build->certificates, before->slot)) {
		build_mistake(build, "certificate \"%s\": named twice", plan->name);
		return;
	}
	if (before)
		rows_see(build, &build->certificates, before->slot);
	content_of(plan, content);
	if (before && memcmp(before->content, content, sizeof(content)) == 0)
		return;
	slot = before ? before->slot
		      : build_slot(build, &build->store->certificates, "certificates");
	after = slot == SLOT_NONE ? NULL : certificate_make(build, plan, slot);
	if (!after)
		return;
	memcpy(after->content, content, sizeof(content));
	certificate_put(build, after->hash, before, after);
}

void certificates_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->certificate_count && !build->edit.failed; i++)
		certificate_set(build, &change->certificates[i]);
	for (uint32_t i = 0; i < change->certificate_removed_count && !build->edit.failed; i++) {
		const char *name = change->certificates_removed[i];
		const struct certificate *it = certificate_find(build->tables, name);

		if (!it || rows_seen(build, &build->certificates, it->slot))
			build_mistake(build, "certificate \"%s\": to be removed, but %s", name,
				it ? "also set" : "not in the plan");
		else
			certificate_put(build, it->hash, it, NULL);
	}
	for (uint32_t slot = 0; change->base == 0 && slot < before->certificate_end; slot++) {
		const struct certificate *it = slots_get(&before->certificates, slot);

		if (it && !rows_seen(build, &build->certificates, slot))
			certificate_put(build, it->hash, it, NULL);
	}
}

struct certificate_reference certificate_refer(
	struct build *build, const char *what, const char *name)
{
	const struct certificate *it = *name ? certificate_find(build->tables, name) : NULL;

	if (*name && !it)
		build_mistake(build, "%s: certificate \"%s\" is not in the plan", what, name);
	return (struct certificate_reference){it ? it->slot : SLOT_NONE, it ? it->hash : 0};
}

static const struct server_name *server_name_find(
	const struct tables *tables, uint32_t site, const char *name)
{
	const struct http_name key = {site, name, strlen(name)};

	return http_find(&tables->server_name_map, http_server_name_equal, &key);
}

static struct server_name *server_name_make(
	struct build *build, const struct plan_server_name *plan, uint32_t site, const char *what)
{
	size_t name = strlen(plan->name);
	size_t head = (sizeof(struct server_name) + name + 1 + 15) & ~(size_t)15;
	struct certificate_reference *certificates;
	struct rule_backend *backends;
	struct server_name *it;

	it = edit_make(&build->edit, head + plan->certificate_count * sizeof(*certificates) +
					     plan->backend_count * sizeof(*backends) +
					     strlen(plan->object) + 1);
	if (!it)
		return NULL;
	certificates = (struct certificate_reference *)((char *)it + head);
	backends = (struct rule_backend *)(certificates + plan->certificate_count);
	it->site = site;
	it->certificate_count = plan->certificate_count;
	it->backend_count = plan->backend_count;
	it->certificates = certificates;
	it->backends = backends;
	it->object = strcpy((char *)(backends + plan->backend_count), plan->object);
	it->name_length = (uint16_t)name;
	memcpy(it->name, plan->name, name + 1);
	for (uint32_t i = 0; i < plan->certificate_count; i++) {
		certificates[i] = certificate_refer(build, what, plan->certificates[i]);
		if (certificates[i].slot == SLOT_NONE)
			return NULL;
	}
	return backends_build(build, what, plan->backends, backends, plan->backend_count) ? it
											  : NULL;
}

static bool server_name_same(const struct server_name *a, const struct server_name *b)
{
	if (a->certificate_count != b->certificate_count || a->backend_count != b->backend_count ||
		strcmp(a->object, b->object) != 0)
		return false;
	for (uint32_t i = 0; i < a->certificate_count; i++)
		if (a->certificates[i].slot != b->certificates[i].slot ||
			a->certificates[i].hash != b->certificates[i].hash)
			return false;
	for (uint32_t i = 0; i < a->backend_count; i++)
		if (a->backends[i].pool != b->backends[i].pool ||
			a->backends[i].weight != b->backends[i].weight ||
			a->backends[i].hash != b->backends[i].hash)
			return false;
	return true;
}

static void server_name_put(
	struct build *build, const struct server_name *before, const struct server_name *after)
{
	const struct server_name *either = after ? after : before;

	build->tables->passthrough_names -= before && before->backend_count;
	build->tables->passthrough_names += after && after->backend_count;
	rows_put(build, &build->server_names,
		http_name_hash(either->site, either->name, either->name_length), either->slot,
		before, after);
}

static void server_name_set(struct build *build, const struct plan_server_name *plan)
{
	const struct http_site *site = site_find(build->tables, plan->site);
	const struct server_name *before =
		site ? server_name_find(build->tables, site->slot, plan->name) : NULL;
	struct server_name *after;
	char what[SLUICE_HOST_LENGTH + 24];

	snprintf(what, sizeof(what), "server name \"%s\"", plan->name);
	if (!site) {
		build_mistake(build, "%s: site \"%s\" is not in the plan", what, plan->site);
		return;
	}
	if (before && rows_seen(build, &build->server_names, before->slot)) {
		build_mistake(build, "%s: named twice", what);
		return;
	}
	if (before)
		rows_see(build, &build->server_names, before->slot);
	after = server_name_make(build, plan, site->slot, what);
	if (!after)
		return;
	if (before && server_name_same(before, after)) {
		edit_replace(&build->edit, after);
		return;
	}
	after->slot = before ? before->slot
			     : build_slot(build, &build->store->server_names, "server names");
	if (after->slot != SLOT_NONE)
		server_name_put(build, before, after);
}

void server_names_build(struct build *build)
{
	const struct plan_change *change = build->change;
	const struct tables *before = build->store->current;

	for (uint32_t i = 0; i < change->server_name_count && !build->edit.failed; i++)
		server_name_set(build, &change->server_names[i]);
	for (uint32_t i = 0; i < change->server_name_removed_count && !build->edit.failed; i++) {
		const struct plan_host_key *key = &change->server_names_removed[i];
		const struct http_site *site = site_find(before, key->site);
		const struct server_name *it =
			site ? server_name_find(build->tables, site->slot, key->name) : NULL;

		if (!it || rows_seen(build, &build->server_names, it->slot))
			build_mistake(build, "server name \"%s\": to be removed, but %s", key->name,
				it ? "also set" : "not in the plan");
		else
			server_name_put(build, it, NULL);
	}
	for (uint32_t slot = 0; change->base == 0 && slot < build->store->server_names.end;
		slot++) {
		const struct server_name *it = slots_get(&before->server_names, slot);

		if (it && !rows_seen(build, &build->server_names, slot))
			server_name_put(build, it, NULL);
	}
}
