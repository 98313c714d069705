// SPDX-License-Identifier: BSD-3-Clause
// Certificates, each once, however many names and pools use it: a part each.
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "limits.h"

#define BUCKETS FRONT_BUCKETS

struct front_certificate {
	char *full; // "cluster/namespace/secret"
	char *cluster, *namespace, *name;
	struct part *part;
	unsigned uses;
	bool changed; // is among those whose row is to be looked at again
	bool has_ca;
	struct front_certificate *next, *next_changed;
};

static struct secret_bytes copy(struct arena *arena, struct secret_bytes from)
{
	uint8_t *bytes = arena_take(arena, from.length + 1);

	if (bytes && from.length)
		memcpy(bytes, from.data, from.length);
	return (struct secret_bytes){bytes, from.length};
}

static void copy_facts(
	struct arena *arena, const struct secret_facts *from, struct secret_facts *to)
{
	const char **names = arena_take_array(arena, from->name_count, sizeof(*names));

	*to = *from;
	to->issuer = arena_copy(arena, from->issuer);
	to->subject = arena_copy(arena, from->subject);
	to->fingerprint = arena_copy(arena, from->fingerprint);
	for (unsigned i = 0; names && i < from->name_count; i++)
		names[i] = arena_copy(arena, from->names[i]);
	to->names = names;
	to->name_count = names ? from->name_count : 0;
}

static struct front_certificate **slot_of(const struct planning *g, const char *full)
{
	struct front_certificate **slot = &g->front.certificates[front_hash(full) & (BUCKETS - 1)];

	while (*slot && strcmp((*slot)->full, full) != 0)
		slot = &(*slot)->next;
	return slot;
}

static void look_again(struct planning *g, struct front_certificate *one)
{
	if (one->changed)
		return;
	one->changed = true;
	one->next_changed = g->front.changed_certificates;
	g->front.changed_certificates = one;
}

static void certificate_free(struct front_certificate *one)
{
	free(one->full);
	free(one->cluster);
	free(one->namespace);
	free(one->name);
	free(one);
}

static struct front_certificate *make(const struct object *secret, const char *full)
{
	struct front_certificate *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->full = strdup(full);
	one->cluster = strdup(secret->cluster);
	one->namespace = strdup(secret->namespace);
	one->name = strdup(secret->name);
	if (one->full && one->cluster && one->namespace && one->name)
		return one;
	certificate_free(one);
	return NULL;
}

static struct front_certificate *take(
	struct front *f, const struct object *secret, const char *full)
{
	struct planning *g = f->p->kept;
	struct front_certificate **slot, *one;

	if (!g->front.certificates)
		g->front.certificates = calloc(BUCKETS, sizeof(struct front_certificate *));
	if (!g->front.certificates)
		return NULL;
	slot = slot_of(g, full);
	if (*slot)
		return *slot;
	one = make(secret, full);
	if (!one)
		return NULL;
	*slot = one;
	look_again(g, one);
	return one;
}

const char *front_use_certificate(struct front *f, const struct secret *secret)
{
	const struct object *object = &secret->object;
	struct front_knot *knot = f->knot;
	struct front_kept *kept = &f->p->kept->front;
	char *full = arena_format(
		f->p->arena, "%s/%s/%s", object->cluster, object->namespace, object->name);
	struct front_certificate *one;

	if (!full || strlen(full) >= SLUICE_NAME_MAX)
		return NULL;
	one = take(f, object, full);
	knot->certificates = arena_grow(&knot->arena, knot->certificates, knot->certificate_count,
		sizeof(*knot->certificates));
	if (!one || !knot->certificates) {
		f->p->scratch.failed = true;
		return NULL;
	}
	if (!one->uses && kept->certificate_count == SLUICE_CERTIFICATES_MAX)
		return NULL;
	kept->certificate_count += !one->uses;
	one->uses++;
	knot->certificates[knot->certificate_count++] = one;
	return full;
}

static bool same_names(const struct secret_facts *a, const struct secret_facts *b)
{
	if (a->name_count != b->name_count || a->key != b->key)
		return false;
	for (unsigned i = 0; i < a->name_count; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return true;
}

bool front_certificate_changed(struct planner *p, const struct model_change *change)
{
	struct planning *g = p->kept;
	const struct secret *secret =
		front_secret(p, change->cluster, change->namespace, change->name);
	char *full = arena_format(
		&p->scratch, "%s/%s/%s", change->cluster, change->namespace, change->name);
	struct front_certificate *one = full && g->front.certificates ? *slot_of(g, full) : NULL;
	const struct plan_certificate *row;

	if (!one)
		return false;
	look_again(g, one);
	if (!one->part || !one->part->rows[ROW_CERTIFICATE].count)
		return false;
	row = one->part->rows[ROW_CERTIFICATE].list[0];
	return secret && secret->chain_pem.length && secret->key_pem.length &&
	       !secret->ca_pem.length && !one->has_ca && same_names(&row->facts, &secret->facts);
}

void front_certificates_leave(struct planning *g, const struct front_knot *knot)
{
	for (unsigned i = 0; i < knot->certificate_count; i++) {
		struct front_certificate *one = knot->certificates[i];

		if (--one->uses)
			continue;
		g->front.certificate_count--;
		look_again(g, one);
	}
}

static bool serve(struct planner *p, struct front_certificate *one)
{
	const struct secret *secret = front_secret(p, one->cluster, one->namespace, one->name);
	struct plan_certificate *row;

	if (!part_begin(p))
		return false;
	row = secret ? part_add(p->part, ROW_CERTIFICATE) : NULL;
	if (row) {
		one->has_ca = secret->ca_pem.length != 0;
		row->name = arena_copy(p->arena, one->full);
		row->where = object_where(&secret->object, p->arena);
		row->chain_pem = copy(p->arena, secret->chain_pem);
		row->key_pem = copy(p->arena, secret->key_pem);
		row->ocsp_der = copy(p->arena, secret->ocsp_der);
		copy_facts(p->arena, &secret->facts, &row->facts);
	}
	return part_replace(p, &one->part);
}

static bool drop(struct planning *g, struct front_certificate *one)
{
	bool ok = planning_remove(g, one->part);

	*slot_of(g, one->full) = one->next;
	certificate_free(one);
	return ok;
}

bool front_certificates_serve(struct planner *p)
{
	struct front_kept *kept = &p->kept->front;
	bool ok = true;

	while (kept->changed_certificates) {
		struct front_certificate *one = kept->changed_certificates;

		kept->changed_certificates = one->next_changed;
		one->changed = false;
		ok = (one->uses ? serve(p, one) : drop(p->kept, one)) && ok;
	}
	return ok;
}

void front_certificates_clear(struct planning *g)
{
	for (unsigned i = 0; g->front.certificates && i < BUCKETS; i++)
		while (g->front.certificates[i])
			drop(g, g->front.certificates[i]);
	free(g->front.certificates);
	g->front.certificates = NULL;
	g->front.changed_certificates = NULL;
}
