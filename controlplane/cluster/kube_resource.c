// SPDX-License-Identifier: BSD-3-Clause
// What a cluster holds of one kind: from the API server into the model and the journal.
//
// Each object is an origin of its own in the model, so a change costs by its own size. One that was
// refused stays as it was before; its problems are told under its own name.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "json_tree.h"
#include "kube_internal.h"
#include "log.h"

#define ORIGIN_BYTES 400

const struct kube_kind kube_kinds[] = {
	{OBJECT_NODE, "nodes", {"/api/v1"}, false, false, 500},
	{OBJECT_INGRESS_CLASS, "ingressclasses", {"/apis/networking.k8s.io/v1"}, false, false, 500},
	{OBJECT_SERVICE, "services", {"/api/v1"}, true, true, 500},
	{OBJECT_ENDPOINT_SLICE, "endpointslices",
		{"/apis/discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1beta1"}, true, false, 250},
	{OBJECT_INGRESS, "ingresses", {"/apis/networking.k8s.io/v1"}, true, true, 500},
};
const unsigned kube_kind_count = sizeof(kube_kinds) / sizeof(kube_kinds[0]);
const struct kube_kind kube_secret = {OBJECT_SECRET, "secrets", {"/api/v1"}, true, false, 500};

static void origin_of(const struct resource *r, const char *namespace, const char *name, char *out)
{
	snprintf(out, ORIGIN_BYTES, "%s %s%s%s", object_kind_name(r->kind->kind), namespace,
		*namespace ? "/" : "", name);
}

static const char *text_at(const struct tree *map, const char *key)
{
	const struct tree *tree = tree_get(map, key);

	return tree && tree->kind == TREE_TEXT ? tree->text : "";
}

// Before an Ingress changes, and after.
static void count_secrets(
	const struct resource *r, const char *namespace, const char *name, bool after)
{
	if (r->kind->kind == OBJECT_INGRESS)
		kube_secrets_count(r->kube, namespace, name, after);
}

static void take(struct resource *r, const struct tree *object, const char *origin)
{
	struct kube *k = r->kube;
	struct model *model = k->cluster->model;
	struct decode decode = {.cluster = k->cluster->name, .origin = origin};
	int rc = decode_one(&decode, object, r->kind->kind);

	if (rc == 0)
		rc = decode_finish(&decode, model);
	if (rc == 0) {
		rc = model_replace(model, k->cluster->name, origin, decode.objects,
			decode.object_count, decode.problems, decode.problem_count);
		decode.object_count = 0; // the model's now, or freed by it
	}
	if (rc)
		log_error("kube", "%s: %s: out of memory: it stays what it was", k->cluster->name,
			origin);
	decode_clear(&decode);
}

static void forget(void *arg, const char *namespace, const char *name)
{
	struct resource *r = arg;
	char origin[ORIGIN_BYTES];

	origin_of(r, namespace, name, origin);
	count_secrets(r, namespace, name, false);
	model_replace(r->kube->cluster->model, r->kube->cluster->name, origin, NULL, 0, NULL, 0);
}

// `looks` 0: an event's, or not known.
static void put(struct resource *r, const struct tree *object, uint64_t looks)
{
	const struct tree *metadata = tree_get(object, "metadata");
	const char *namespace = text_at(metadata, "namespace"), *name = text_at(metadata, "name");
	struct kube_name *known;
	char origin[ORIGIN_BYTES];

	if (!*name)
		return; // no API server says that
	known = kube_names_put(&r->names, namespace, name);
	if (!known)
		return;
	known->round = r->names.round;
	if (looks && known->looks == looks)
		return; // as it was
	known->looks = looks;
	origin_of(r, namespace, name, origin);
	count_secrets(r, namespace, name, false);
	take(r, object, origin);
	count_secrets(r, namespace, name, true);
}

static void remove_object(struct resource *r, const struct tree *object)
{
	const struct tree *metadata = tree_get(object, "metadata");
	const char *namespace = text_at(metadata, "namespace"), *name = text_at(metadata, "name");

	kube_names_remove(&r->names, namespace, name);
	forget(r, namespace, name);
}

// What follow.h calls.

static bool on_ready(void *arg)
{
	struct resource *r = arg;

	return kube_auth_ready(r->kube->auth);
}

static void on_begin(void *arg)
{
	struct resource *r = arg;

	r->names.round++;
	if (r->journal)
		journal_begin(r->journal);
}

// house: follow.h says which parameters
static void on_object(
	void *arg, const struct tree *object, const char *bytes, size_t length, bool is_listed)
{
	struct resource *r = arg;

	put(r, object, is_listed ? kube_looks(bytes, length) : 0);
	if (r->journal)
		journal_add(r->journal, bytes, length);
}

static void on_gone(void *arg, const struct tree *object, const char *bytes, size_t length)
{
	struct resource *r = arg;

	remove_object(r, object);
	if (r->journal)
		journal_add(r->journal, bytes, length);
	if (r->journal && journal_is_long(r->journal))
		follow_relist(r->follow);
}

static void on_listed(void *arg)
{
	struct resource *r = arg;

	kube_names_sweep(&r->names, forget, r);
	if (r->journal)
		journal_commit(r->journal);
	r->tried = true;
}

static void on_changed(void *arg)
{
	struct resource *r = arg;

	kube_changed(r->kube);
}

static void on_state(void *arg)
{
	struct resource *r = arg;

	if (r->follow && follow_state(r->follow) != FOLLOW_STARTING)
		r->tried = true;
	r->kube->problems_changed = true;
	kube_changed(r->kube);
}

static void on_answered(void *arg, const struct kube_answer *answer)
{
	struct resource *r = arg;

	if (answer->status == 401)
		kube_auth_refused(r->kube->auth);
	if (answer->unreachable)
		kube_was_away(r->kube);
}

// The journal.

static void on_line(void *arg, const char *line, size_t length)
{
	struct resource *r = arg;
	struct arena arena = {0};
	struct json_error error;
	const struct tree *root, *object;

	if (json_read(line, length, &arena, &root, &error) == 0) {
		object = tree_get(root, "object");
		if (object && strcmp(text_at(root, "type"), "DELETED") == 0)
			remove_object(r, object);
		else
			put(r, object ? object : root, object ? 0 : kube_looks(line, length));
	}
	arena_clear(&arena);
}

static void open_journal(struct resource *r)
{
	char *name;

	if (!r->kube->folder ||
		asprintf(&name, "%s%s%s%s%s", r->kind->plural, *r->namespace ? "-" : "",
			r->namespace, *r->secret ? "-" : "", r->secret) < 0)
		return;
	r->journal =
		journal_open(r->kube->folder, name, r->kind == &kube_secret ? r->kube->seal : NULL);
	r->loaded = r->journal && journal_read(r->journal, on_line, r);
	free(name);
}

int resource_start(struct resource *r)
{
	struct kube *k = r->kube;
	const struct kube_kind *kind = r->kind;
	struct follow_options options = {.loop = k->loop,
		.http = k->http,
		.page = kind->page,
		.watch_s = k->settings->watch_s,
		.of_one = *r->secret != '\0',
		.arg = r,
		.ready = on_ready,
		.begin = on_begin,
		.object = on_object,
		.gone = on_gone,
		.listed = on_listed,
		.changed = on_changed,
		.state = on_state,
		.answered = on_answered};
	char *paths[2] = {NULL, NULL}, *selector = NULL;
	bool failed = false;

	open_journal(r);
	for (unsigned i = 0; i < 2 && kind->groups[i]; i++)
		if (asprintf(&paths[i], "%s%s%s/%s", kind->groups[i],
			    *r->namespace ? "/namespaces/" : "", r->namespace, kind->plural) < 0)
			failed = true;
	if (*r->secret) {
		if (asprintf(&selector, "fieldSelector=metadata.name%%3D%s", r->secret) < 0)
			failed = true;
	} else if (kind->labelled && *k->settings->labels) {
		char *text = kube_http_escape(k->settings->labels);

		if (!text || asprintf(&selector, "labelSelector=%s", text) < 0)
			failed = true;
		free(text);
	}
	options.paths[0] = paths[0];
	options.paths[1] = paths[1];
	options.selector = selector ? selector : "";
	if (!failed)
		r->follow = follow_open(&options);
	free(paths[0]);
	free(paths[1]);
	free(selector);
	return r->follow ? 0 : -ENOMEM;
}

void resource_end(struct resource *r)
{
	follow_close(r->follow);
	journal_close(r->journal);
	kube_names_clear(&r->names);
	free(r->namespace);
	free(r->secret);
}

void resource_drop(struct resource *r)
{
	r->names.round++; // none of them is of this round
	kube_names_sweep(&r->names, forget, r);
	journal_remove(r->journal);
	r->journal = NULL;
}
