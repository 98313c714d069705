// SPDX-License-Identifier: BSD-3-Clause
// Which objects stand in a document, and their metadata; decode_<kind>.c read the rest.
#include "decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decode_field.h"
#include "decode_told.h"
#include "ingress.h"
#include "model_memory.h"
#include "secret.h"

// What we read, by group and version. To add a kind: a row here, a decode_<kind>.c, a switch case.
static const struct known {
	const char *kind, *list_kind, *api_version;
	enum object_kind object_kind;
	bool namespaced;
} known_kinds[] = {
	{"Service", "ServiceList", "v1", OBJECT_SERVICE, true},
	{"EndpointSlice", "EndpointSliceList", "discovery.k8s.io/v1", OBJECT_ENDPOINT_SLICE, true},
	{"Node", "NodeList", "v1", OBJECT_NODE, false},
	{"Ingress", "IngressList", "networking.k8s.io/v1", OBJECT_INGRESS, true},
	{"IngressClass", "IngressClassList", "networking.k8s.io/v1", OBJECT_INGRESS_CLASS, false},
	{"Secret", "SecretList", "v1", OBJECT_SECRET, true},
};
#define KNOWN_KINDS (sizeof(known_kinds) / sizeof(known_kinds[0]))

// "discovery.k8s.io" of "discovery.k8s.io/v1beta1"; "" of "v1".
static size_t group_length(const char *api_version)
{
	const char *slash = strchr(api_version, '/');

	return slash ? (size_t)(slash - api_version) : 0;
}

static bool same_group(const char *a, const char *b)
{
	size_t n = group_length(a);

	return n == group_length(b) && memcmp(a, b, n) == 0;
}

static bool digits(const char *text, unsigned count, int *out)
{
	*out = 0;
	for (unsigned i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (text[i] - '0');
	}
	return true;
}

// RFC 3339, "2024-05-01T10:00:00Z"; INT64_MAX when it is not.
int64_t decode_time(const char *text)
{
	struct tm tm = {0};
	int hours, minutes;
	int64_t at;

	if (!digits(text, 4, &tm.tm_year) || text[4] != '-' || !digits(text + 5, 2, &tm.tm_mon) ||
		text[7] != '-' || !digits(text + 8, 2, &tm.tm_mday) || !strchr("Tt ", text[10]) ||
		!digits(text + 11, 2, &tm.tm_hour) || text[13] != ':' ||
		!digits(text + 14, 2, &tm.tm_min) || text[16] != ':' ||
		!digits(text + 17, 2, &tm.tm_sec))
		return INT64_MAX;
	text += 19;
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	at = timegm(&tm);
	if ((*text == '+' || *text == '-') && digits(text + 1, 2, &hours) && text[3] == ':' &&
		digits(text + 4, 2, &minutes) && text[6] == '\0')
		return at -
		       (*text == '+' ? 1 : -1) * (hours * INT64_C(3600) + minutes * INT64_C(60));
	return (*text == 'Z' || *text == 'z') && text[1] == '\0' ? at : INT64_MAX;
}

static bool is_ours(const char *annotation)
{
	static const char *const prefixes[] = {"sluice.dev/", "metallb.io/", "metallb.universe.tf/",
		"service.beta.kubernetes.io/load-balancer-source-ranges",
		"nginx.ingress.kubernetes.io/", "kubernetes.io/ingress.class",
		"ingressclass.kubernetes.io/is-default-class"};

	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(annotation, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void read_annotations(const struct field *metadata, struct object *object)
{
	const struct tree *map = field_map(metadata, "annotations");
	struct field in = {metadata->decode, object, map, "metadata.annotations"};
	struct label *list = NULL;

	for (unsigned i = 0; map && i < map->count; i++) {
		const char *key = map->members[i].key;

		if (!is_ours(key))
			continue;
		list = arena_grow(&object->arena, list, object->annotation_count, sizeof(*list));
		if (!list)
			return;
		list[object->annotation_count] =
			(struct label){arena_copy(&object->arena, key), ""};
		field_text(&in, key, &list[object->annotation_count++].value);
	}
	object->annotations = list;
}

// Of a Service all of them: pools of addresses may select by any.
static void read_labels(const struct field *metadata, struct object *object)
{
	const struct tree *map = field_map(metadata, "labels");
	struct field in = {metadata->decode, object, map, "metadata.labels"};
	struct label *list;

	if (!map || object->kind != OBJECT_SERVICE)
		return;
	list = arena_take_array(&object->arena, map->count, sizeof(*list));
	for (unsigned i = 0; list && i < map->count; i++) {
		const char *key = map->members[i].key;

		list[i] = (struct label){arena_copy(&object->arena, key), ""};
		field_text(&in, key, &list[i].value);
	}
	object->labels = list;
	object->label_count = list ? map->count : 0;
}

// The object's name, checked; NULL when it cannot be known.
static const char *read_name(
	const struct field *metadata, const struct known *known, const char **namespace)
{
	const char *name = "";

	*namespace = known->namespaced ? "default" : "";
	if (known->namespaced)
		field_text(metadata, "namespace", namespace);
	field_text(metadata, "name", &name);
	if (known->namespaced && !name_is_label(*namespace)) {
		field_wrong(metadata, tree_get(metadata->map, "namespace"), "namespace",
			"at most 63 of a-z, 0-9 and -, not beginning or ending with -");
		return NULL;
	}
	if (known->object_kind == OBJECT_SERVICE ? name_is_label(name) : name_is_subdomain(name))
		return name;
	field_wrong(metadata, tree_get(metadata->map, "name"), "name",
		known->object_kind == OBJECT_SERVICE
			? "at most 63 of a-z, 0-9 and -, not beginning or ending with -"
			: "at most 253 of a-z, 0-9, - and ., not beginning or ending with - or .");
	return NULL;
}

static void remember_refused(
	struct decode *d, enum object_kind kind, const char *namespace, const char *name)
{
	struct refused *refused;

	if (d->refused_count >= DECODE_PROBLEMS_MAX)
		return;
	d->refused = arena_grow(&d->arena, d->refused, d->refused_count, sizeof(*d->refused));
	if (!d->refused)
		return;
	refused = &d->refused[d->refused_count++];
	refused->kind = kind;
	refused->namespace = arena_copy(&d->arena, namespace);
	refused->name = arena_copy(&d->arena, name);
	refused->problem = d->problem_count - 1;
}

static void read_kind(const struct field *root, struct object *object)
{
	struct field spec = {root->decode, object, field_map(root, "spec"), "spec"};

	switch (object->kind) {
	case OBJECT_SERVICE:
		decode_service(&spec, (struct service *)object);
		break;
	case OBJECT_ENDPOINT_SLICE:
		decode_slice(root, (struct endpoint_slice *)object);
		break;
	case OBJECT_NODE:
		decode_node(root, (struct node *)object);
		break;
	case OBJECT_INGRESS:
		decode_ingress(&spec, (struct ingress *)object);
		break;
	case OBJECT_INGRESS_CLASS:
		decode_ingress_class(&spec, (struct ingress_class *)object);
		break;
	case OBJECT_SECRET:
		decode_secret(root, (struct secret *)object);
		break;
	}
}

static int decode_object(struct decode *d, const struct tree *tree, const struct known *known)
{
	struct field root = {d, NULL, tree, ""};
	struct field metadata = {d, NULL, NULL, "metadata"};
	const char *namespace, *name, *created = "";
	struct object *object;

	d->mistakes = 0;
	d->object_text = known->kind;
	metadata.map = field_map(&root, "metadata");
	if (!metadata.map) {
		if (!d->mistakes)
			field_wrong(&root, NULL, "metadata", "a map with a name in it");
		return 0;
	}
	name = read_name(&metadata, known, &namespace);
	if (!name)
		return 0;
	d->object_text = arena_format(&d->arena, "%s %s%s%s/%s", known->kind, d->cluster,
		*namespace ? "/" : "", namespace, name);
	object = object_new(known->object_kind, d->cluster, namespace, name);
	if (!object || !d->object_text) {
		object_free(object);
		return -ENOMEM;
	}
	object->line = tree->line;
	field_text(&metadata, "creationTimestamp", &created);
	object->created = decode_time(created);
	if (object->kind == OBJECT_SERVICE || object->kind == OBJECT_INGRESS) {
		field_text(&metadata, "uid", &object->uid);
		object->uid = arena_copy(&object->arena, object->uid);
	}
	root.object = object;
	read_annotations(&metadata, object);
	read_labels(&metadata, object);
	read_kind(&root, object);
	if (object->arena.failed) {
		object_free(object);
		return -ENOMEM;
	}
	if (d->mistakes) {
		remember_refused(d, known->object_kind, namespace, name);
		object_free(object);
		return 0;
	}
	d->objects = arena_grow(&d->arena, d->objects, d->object_count, sizeof(struct object *));
	if (!d->objects) {
		d->object_count = 0;
		object_free(object);
		return -ENOMEM;
	}
	d->objects[d->object_count++] = object;
	return 0;
}

static int decode_items(struct decode *d, const struct tree *list, const struct known *known);

// `implied`: what an item of a typed list is when it does not say.
static int decode_any(
	struct decode *d, const struct tree *tree, const struct known *implied, bool in_list)
{
	const struct known *known = implied;
	struct field root = {d, NULL, tree, ""};
	const char *kind = implied ? implied->kind : "";
	const char *version = implied ? implied->api_version : "";

	d->object_text = d->origin;
	d->mistakes = 0;
	if (tree->kind != TREE_MAP) {
		field_wrong(&root, tree, in_list ? "items" : "document",
			"an object: a map with apiVersion, kind and metadata");
		return 0;
	}
	field_text(&root, "kind", &kind);
	field_text(&root, "apiVersion", &version);
	if (d->mistakes)
		return 0;
	if (!*kind || !*version) {
		field_wrong(&root, NULL, *kind ? "apiVersion" : "kind",
			"an object: a map with apiVersion, kind and metadata");
		return 0;
	}
	if (strcmp(kind, "List") == 0 && strcmp(version, "v1") == 0 && !in_list)
		return decode_items(d, tree, NULL);
	for (known = known_kinds; known < known_kinds + KNOWN_KINDS; known++) {
		bool list = strcmp(kind, known->list_kind) == 0;

		if ((!list && strcmp(kind, known->kind) != 0) || (list && in_list) ||
			!same_group(version, known->api_version))
			continue;
		if (strcmp(version, known->api_version) == 0)
			return list ? decode_items(d, tree, known) : decode_object(d, tree, known);
		field_warn(&root, tree->line, "a %s of version %s is not read: expected %s", kind,
			version, known->api_version);
	}
	return 0; // of no interest
}

static int decode_items(struct decode *d, const struct tree *list, const struct known *known)
{
	struct field root = {d, NULL, list, ""};
	const struct tree *items = field_list(&root, "items");

	for (unsigned i = 0; items && i < items->count; i++) {
		int rc = decode_any(d, items->items[i], known, true);
		if (rc)
			return rc;
	}
	return 0;
}

int decode_document(struct decode *decode, const struct tree *document)
{
	int rc = decode_any(decode, document, NULL, false);

	return rc == 0 && decode->arena.failed ? -ENOMEM : rc;
}

int decode_one(struct decode *d, const struct tree *object, enum object_kind kind)
{
	const struct known *known = known_kinds;
	struct field root = {d, NULL, object, ""};
	int rc = 0;

	while (known->object_kind != kind)
		known++;
	d->object_text = d->origin;
	d->mistakes = 0;
	if (object->kind != TREE_MAP)
		field_wrong(&root, object, "object", "a map with metadata");
	else
		rc = decode_object(d, object, known);
	if (rc == 0 && d->object_count)
		decode_told(object, d->objects[d->object_count - 1]);
	return rc == 0 && d->arena.failed ? -ENOMEM : rc;
}

static bool is_there(const struct decode *d, const struct refused *refused)
{
	for (size_t i = 0; i < d->object_count; i++)
		if (d->objects[i]->kind == refused->kind &&
			strcmp(d->objects[i]->name, refused->name) == 0 &&
			strcmp(d->objects[i]->namespace, refused->namespace) == 0)
			return true;
	return false;
}

int decode_finish(struct decode *d, const struct model *model)
{
	for (size_t i = 0; i < d->refused_count; i++) {
		const struct refused *refused = &d->refused[i];
		struct model_problem *problem;
		// The model is ours to change; only its readers see it const.
		struct object *former = (struct object *)model_find_in(model, d->origin,
			refused->kind, d->cluster, refused->namespace, refused->name);

		if (is_there(d, refused))
			continue;
		if (!former)
			former = model_recall(model, refused->kind, d->cluster, refused->namespace,
				refused->name);
		if (!former)
			continue;
		d->objects =
			arena_grow(&d->arena, d->objects, d->object_count, sizeof(struct object *));
		if (!d->objects) {
			if (!*former->origin)
				object_free(former);
			d->object_count = 0;
			return -ENOMEM;
		}
		d->objects[d->object_count++] = former;
		problem = &d->problems[refused->problem];
		problem->text = arena_format(
			&d->arena, "%s; until then it stays as it was before", problem->text);
	}
	return d->arena.failed ? -ENOMEM : 0;
}

void decode_clear(struct decode *d)
{
	for (size_t i = 0; i < d->object_count; i++)
		if (!*d->objects[i]->origin) // one that stays is the model's
			object_free(d->objects[i]);
	arena_clear(&d->arena);
}
