// SPDX-License-Identifier: BSD-3-Clause
#include "front_knot.h"

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_class.h"
#include "limits.h"

#define PROXY_SECRET "/proxy-ssl-secret" // behind the prefix of an annotation

enum { // the first character of a tie's text
	TIE_INGRESS = 'i',
	TIE_HOST = 'h',
	TIE_SECRET = 's',
	TIE_SERVICE = 'b'
};

struct front_link { // of an Ingress and something that it has to do with
	struct front_member *member;
	struct front_tie *tie;
	struct front_link *next, *previous; // of the tie
};

struct front_tie {
	struct front_tie *next; // in its bucket
	struct front_link *links;
	char text[];
};

static struct front_tie **tie_slot(const struct front_kept *kept, const char *text)
{
	struct front_tie **slot = &kept->ties[front_hash(text) & kept->tie_mask];

	while (*slot && strcmp((*slot)->text, text) != 0)
		slot = &(*slot)->next;
	return slot;
}

static bool more_ties(struct front_kept *kept)
{
	size_t mask = kept->ties ? kept->tie_mask * 2 + 1 : 255;
	struct front_tie **ties = calloc(mask + 1, sizeof(struct front_tie *));

	if (!ties)
		return false;
	for (size_t i = 0; kept->ties && i <= kept->tie_mask; i++)
		while (kept->ties[i]) {
			struct front_tie *tie = kept->ties[i];
			struct front_tie **slot = &ties[front_hash(tie->text) & mask];

			kept->ties[i] = tie->next;
			tie->next = *slot;
			*slot = tie;
		}
	free(kept->ties);
	kept->ties = ties;
	kept->tie_mask = mask;
	return true;
}

static struct front_tie *tie_find(const struct front_kept *kept, const char *text)
{
	return kept->ties ? *tie_slot(kept, text) : NULL;
}

static void count_tie(struct front_kept *kept, const struct front_tie *tie, int by)
{
	kept->tie_count += (unsigned)by;
	kept->hosts += *tie->text == TIE_HOST ? (unsigned)by : 0;
	kept->secrets += *tie->text == TIE_SECRET ? (unsigned)by : 0;
}

static struct front_tie *tie_take(struct front_kept *kept, const char *text)
{
	struct front_tie *tie = tie_find(kept, text), **slot;

	if (tie)
		return tie;
	if ((!kept->ties || kept->tie_count > kept->tie_mask) && !more_ties(kept))
		return NULL;
	tie = calloc(1, sizeof(*tie) + strlen(text) + 1);
	if (!tie)
		return NULL;
	memcpy(tie->text, text, strlen(text) + 1);
	slot = tie_slot(kept, text);
	*slot = tie;
	count_tie(kept, tie, 1);
	return tie;
}

static void unlink_one(struct front_kept *kept, struct front_link *link)
{
	struct front_tie *tie = link->tie;

	if (link->next)
		link->next->previous = link->previous;
	if (link->previous) {
		link->previous->next = link->next;
		return;
	}
	tie->links = link->next;
	if (tie->links)
		return;
	*tie_slot(kept, tie->text) = tie->next;
	count_tie(kept, tie, -1);
	free(tie);
}

static void unlink_all(struct front_kept *kept, struct front_member *member)
{
	for (unsigned i = 0; i < member->link_count; i++)
		unlink_one(kept, &member->links[i]);
	free(member->links);
	member->links = NULL;
	member->link_count = 0;
}

struct texts { // of the ties that an Ingress shall have; in scratch
	struct arena *arena;
	unsigned count;
	char **list;
};

static void add_text(struct texts *texts, char *text)
{
	texts->list = arena_grow(texts->arena, texts->list, texts->count, sizeof(char *));
	if (texts->list && text)
		texts->list[texts->count++] = text;
}

static void add_named(struct texts *texts, char kind, const struct object *object, const char *name)
{
	add_text(texts, arena_format(texts->arena, "%c%s/%s/%s", kind, object->cluster,
				object->namespace, name));
}

static void add_backend(
	struct texts *texts, const struct object *object, const struct ingress_backend *backend)
{
	if (!backend->resource && backend->service)
		add_named(texts, TIE_SERVICE, object, backend->service);
}

// Whatever the annotation's prefix is, and also where it is not used in the end.
static void add_proxy_secrets(struct texts *texts, const struct object *object)
{
	for (unsigned i = 0; i < object->annotation_count; i++) {
		const struct label *label = &object->annotations[i];
		const char *end = strrchr(label->key, '/');

		if (!end || strcmp(end, PROXY_SECRET) != 0)
			continue;
		if (strchr(label->value, '/'))
			add_text(texts, arena_format(texts->arena, "%c%s/%s", TIE_SECRET,
						object->cluster, label->value));
		else
			add_named(texts, TIE_SECRET, object, label->value);
	}
}

static void collect_texts(struct texts *texts, const struct ingress *ingress)
{
	const struct object *object = &ingress->object;

	for (unsigned i = 0; i < ingress->rule_count; i++) {
		const struct ingress_rule *rule = &ingress->rules[i];

		add_text(texts, arena_format(texts->arena, "%c%s", TIE_HOST, rule->host));
		for (unsigned j = 0; j < rule->path_count; j++)
			add_backend(texts, object, &rule->paths[j].backend);
	}
	if (ingress->has_default)
		add_backend(texts, object, &ingress->default_backend);
	if (ingress->has_default && !ingress->rule_count)
		add_text(texts, arena_format(texts->arena, "%c", TIE_HOST));
	for (unsigned i = 0; i < ingress->tls_count; i++) {
		const struct ingress_tls *tls = &ingress->tls[i];

		if (*tls->secret)
			add_named(texts, TIE_SECRET, object, tls->secret);
		for (unsigned j = 0; j < tls->host_count; j++)
			add_text(
				texts, arena_format(texts->arena, "%c%s", TIE_HOST, tls->hosts[j]));
	}
	add_proxy_secrets(texts, object);
}

static bool link_to(struct planner *p, struct front_member *member, const struct texts *texts)
{
	unlink_all(&p->kept->front, member);
	member->links = calloc(texts->count + 1u, sizeof(*member->links));
	if (!member->links || p->scratch.failed)
		return false;
	for (unsigned i = 0; i < texts->count; i++) {
		struct front_tie *tie = tie_take(&p->kept->front, texts->list[i]);
		struct front_link *link = &member->links[i];

		if (!tie)
			return false;
		*link = (struct front_link){member, tie, tie->links, NULL};
		if (tie->links)
			tie->links->previous = link;
		tie->links = link;
		member->link_count++;
	}
	return true;
}

static void member_free(struct front_member *member)
{
	free(member->cluster);
	free(member->namespace);
	free(member->name);
	free(member->links);
	free(member);
}

void knot_undo(struct planning *g, struct front_knot *knot)
{
	front_certificates_leave(g, knot);
	front_pools_leave(g, knot);
	planning_remove(g, knot->part);
	arena_clear(&knot->arena);
	*knot = (struct front_knot){0};
}

static void loosen(struct planner *p, struct front_member *member)
{
	struct front_knot *knot = member->knot;

	if (member->loose)
		return;
	member->loose = true;
	p->loose = arena_grow(&p->scratch, p->loose, p->loose_count, sizeof(*p->loose));
	if (!p->loose)
		return;
	p->loose[p->loose_count++] = member;
	if (!knot)
		return;
	for (unsigned i = 0; i < knot->member_count; i++)
		knot->members[i]->knot = NULL;
	for (unsigned i = 0; i < knot->member_count; i++)
		loosen(p, knot->members[i]); // which has no knot any more
	knot_undo(p->kept, knot);
	free(knot);
}

static struct front_member *member_new(const char *cluster, const char *namespace, const char *name)
{
	struct front_member *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	member->cluster = strdup(cluster);
	member->namespace = strdup(namespace);
	member->name = strdup(name);
	member->changed = true;
	if (member->cluster && member->namespace && member->name)
		return member;
	member_free(member);
	return NULL;
}

static char *text_of(struct planner *p, char kind, const struct model_change *change)
{
	return arena_format(
		&p->scratch, "%c%s/%s/%s", kind, change->cluster, change->namespace, change->name);
}

bool knots_ingress_changed(struct planner *p, const struct model_change *change)
{
	char *text = text_of(p, TIE_INGRESS, change);
	struct front_tie *tie = text ? tie_find(&p->kept->front, text) : NULL;
	struct front_member *member = tie ? tie->links->member : NULL;
	struct texts texts = {&p->scratch, 1, &text};

	if (!text)
		return false;
	if (!member) {
		member = member_new(change->cluster, change->namespace, change->name);
		if (!member)
			return false;
		if (!link_to(p, member, &texts)) {
			member_free(member);
			return false;
		}
	}
	member->changed = true;
	loosen(p, member);
	return !p->scratch.failed;
}

bool knots_named_changed(struct planner *p, const struct model_change *change)
{
	char *text = text_of(p, change->kind == OBJECT_SECRET ? TIE_SECRET : TIE_SERVICE, change);
	struct front_tie *tie = text ? tie_find(&p->kept->front, text) : NULL;

	for (struct front_link *link = tie ? tie->links : NULL; link; link = link->next)
		loosen(p, link->member);
	return text && !p->scratch.failed;
}

static const struct ingress *find_ingress(const struct planner *p, const struct front_member *m)
{
	return (const struct ingress *)model_find(
		p->model, OBJECT_INGRESS, m->cluster, m->namespace, m->name);
}

static unsigned count_rules(const struct ingress *ingress)
{
	unsigned count = 1; // a default

	for (unsigned i = 0; i < ingress->rule_count; i++)
		count += ingress->rules[i].path_count + 1;
	return count;
}

// What it has to do with now. One that is gone has nothing to do with anything.
static bool look_again(struct planner *p, struct front_member *member)
{
	const struct ingress *ingress = find_ingress(p, member);
	struct front_kept *kept = &p->kept->front;
	struct texts texts = {.arena = &p->scratch};
	bool before = member->ours;
	const char *class, *why;

	member->changed = false;
	member->ours =
		ingress && front_name_fits(member) && front_is_ours(p, ingress, &class, &why);
	kept->ours += (unsigned)member->ours - (unsigned)before;
	kept->rules -= member->rules;
	member->rules = member->ours ? count_rules(ingress) : 0;
	kept->rules += member->rules;
	if (ingress)
		add_named(&texts, TIE_INGRESS, &ingress->object, ingress->object.name);
	if (member->ours)
		collect_texts(&texts, ingress);
	return link_to(p, member, &texts);
}

// Those that have the host of this link.
static struct front_link *of_host(const struct front_link *link)
{
	return link->tie && *link->tie->text == TIE_HOST ? link->tie->links : NULL;
}

bool knots_gather(struct planner *p)
{
	for (unsigned i = 0; i < p->loose_count && !p->scratch.failed; i++) {
		struct front_member *member = p->loose[i];

		if (member->changed && !look_again(p, member))
			return false;
		for (unsigned j = 0; j < member->link_count; j++)
			for (struct front_link *link = of_host(&member->links[j]); link;
				link = link->next)
				loosen(p, link->member);
	}
	return !p->scratch.failed;
}

// Those that are gone are let go.
static void bury(struct planner *p)
{
	unsigned left = 0;

	for (unsigned i = 0; i < p->loose_count; i++)
		if (p->loose[i]->link_count) {
			p->loose[i]->tied = false;
			p->loose[left++] = p->loose[i];
		} else {
			member_free(p->loose[i]);
		}
	p->loose_count = left;
}

bool knots_know_all(struct planner *p)
{
	size_t count = model_count(p->model, OBJECT_INGRESS);
	const struct object **list = arena_take_array(&p->scratch, count, sizeof(*list));
	bool ok = list;

	bury(p);
	knots_clear(p->kept);
	p->loose = NULL;
	p->loose_count = 0;
	if (list)
		model_list(p->model, OBJECT_INGRESS, list);
	for (size_t i = 0; ok && i < count; i++)
		ok = knots_ingress_changed(p, &(struct model_change){.kind = OBJECT_INGRESS,
						      .cluster = list[i]->cluster,
						      .namespace = list[i]->namespace,
						      .name = list[i]->name});
	return ok && knots_gather(p);
}

struct group { // that is about to be a knot
	struct front_member **list;
	unsigned count;
};

static void join(struct group *group, struct front_member *member)
{
	if (member->tied)
		return;
	member->tied = true;
	group->list[group->count++] = member;
}

static void join_neighbours(struct group *group, const struct front_member *member)
{
	for (unsigned i = 0; i < member->link_count; i++)
		for (struct front_link *link = of_host(&member->links[i]); link; link = link->next)
			join(group, link->member);
}

static bool make_knot(struct planner *p, const struct group *group)
{
	struct front_knot *knot = calloc(1, sizeof(*knot));

	if (!knot)
		return false;
	knot->members = arena_take_array(&knot->arena, group->count, sizeof(*knot->members));
	if (!knot->members) {
		free(knot);
		return false;
	}
	for (unsigned i = 0; i < group->count; i++) {
		knot->members[knot->member_count++] = group->list[i];
		group->list[i]->knot = knot;
		group->list[i]->loose = false;
	}
	return front_make(p, knot);
}

bool knots_may_be_full(const struct front_kept *kept)
{
	return kept->hosts >= SLUICE_HOSTS_MAX || kept->rules >= SLUICE_RULES_MAX ||
	       kept->secrets + 1 >= SLUICE_CERTIFICATES_MAX;
}

bool knots_tie(struct planner *p, bool whole)
{
	struct group group = {
		.list = arena_take_array(&p->scratch, p->loose_count, sizeof(*group.list))};
	bool ok = group.list;

	bury(p);
	for (unsigned i = 0; ok && i < p->loose_count; i++) {
		join(&group, p->loose[i]);
		for (unsigned j = 0; j < group.count && !whole; j++)
			join_neighbours(&group, group.list[j]);
		if (!group.count || (whole && i + 1 < p->loose_count))
			continue;
		ok = make_knot(p, &group);
		group.count = 0;
	}
	p->loose_count = 0;
	return ok;
}

static void drop_knot(struct planning *g, struct front_knot *knot)
{
	if (!knot)
		return;
	for (unsigned i = 0; i < knot->member_count; i++)
		knot->members[i]->knot = NULL;
	knot_undo(g, knot);
	free(knot);
}

// Each Ingress has one tie that is its own, and goes with that.
void knots_clear(struct planning *g)
{
	struct front_kept *kept = &g->front;
	struct front_tie *tie, *next;

	for (size_t i = 0; kept->ties && i <= kept->tie_mask; i++)
		for (tie = kept->ties[i]; tie; tie = tie->next)
			if (*tie->text == TIE_INGRESS)
				drop_knot(g, tie->links->member->knot);
	for (size_t i = 0; kept->ties && i <= kept->tie_mask; i++)
		for (tie = kept->ties[i]; tie; tie = next) {
			next = tie->next;
			if (*tie->text == TIE_INGRESS)
				member_free(tie->links->member);
			free(tie);
		}
	free(kept->ties);
	kept->ties = NULL;
	kept->tie_mask = 0;
	kept->tie_count = kept->ours = kept->rules = kept->hosts = kept->secrets = 0;
}
