// SPDX-License-Identifier: BSD-3-Clause
#include "event_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "told.h"

#define NAME_MOST 200 // of the object's in the Event's, which has a number behind it

bool event_object_of(const char *text, struct event_object *object)
{
	const char *space = strchr(text, ' '), *slash, *last;
	size_t kind = space ? (size_t)(space - text) : 0;
	bool found = false;

	for (unsigned i = 0; i < OBJECT_KINDS && kind; i++) {
		const char *name = object_kind_name((enum object_kind)i);

		if (strlen(name) != kind || strncmp(name, text, kind) != 0)
			continue;
		object->kind = (enum object_kind)i;
		found = true;
	}
	slash = found ? strchr(space + 1, '/') : NULL;
	if (!slash)
		return false;
	last = strchr(slash + 1, '/');
	snprintf(object->cluster, sizeof(object->cluster), "%.*s", (int)(slash - space - 1),
		space + 1);
	snprintf(object->namespace, sizeof(object->namespace), "%.*s",
		last ? (int)(last - slash - 1) : 0, slash + 1);
	snprintf(object->name, sizeof(object->name), "%s", last ? last + 1 : slash + 1);
	return *object->cluster && *object->name && !strpbrk(space + 1, " ?#%");
}

uint64_t event_hash(const struct plan_problem *problem)
{
	return told_text(told_text(TOLD_NOTHING, problem->object), problem->text);
}

// Events on what has no namespace are kept in this one.
static const char *namespace_of(const struct event_object *object)
{
	return *object->namespace ? object->namespace : "default";
}

char *event_path(const struct event_object *object)
{
	char *path;

	return asprintf(&path, "/api/v1/namespaces/%s/events", namespace_of(object)) < 0 ? NULL
											 : path;
}

static const char *version_of(enum object_kind kind)
{
	switch (kind) {
	case OBJECT_ENDPOINT_SLICE:
		return "discovery.k8s.io/v1";
	case OBJECT_INGRESS:
	case OBJECT_INGRESS_CLASS:
		return "networking.k8s.io/v1";
	case OBJECT_SERVICE:
	case OBJECT_NODE:
	case OBJECT_SECRET:
		return "v1";
	}
	return "v1";
}

static void put(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if ((unsigned char)*text < ' ')
			fputc(' ', out);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void member(FILE *out, const char *key, const char *value)
{
	fprintf(out, ",\"%s\":", key);
	put(out, value);
}

char *event_body(const struct event_object *object, const struct plan_problem *problem,
	const char *uid, int64_t now_s)
{
	const time_t now = (time_t)now_s;
	char at[40], name[NAME_MOST + 20], *body = NULL;
	struct tm tm;
	size_t size;
	FILE *out = open_memstream(&body, &size);

	if (!out)
		return NULL;
	gmtime_r(&now, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(name, sizeof(name), "%.*s.%016llx", NAME_MOST, object->name,
		(unsigned long long)event_hash(problem));
	fputs("{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":", out);
	put(out, name);
	member(out, "namespace", namespace_of(object));
	fputs("},\"involvedObject\":{\"kind\":", out);
	put(out, object_kind_name(object->kind));
	member(out, "apiVersion", version_of(object->kind));
	member(out, "name", object->name);
	if (*object->namespace)
		member(out, "namespace", object->namespace);
	if (*uid)
		member(out, "uid", uid);
	fputc('}', out);
	member(out, "reason", problem->level == PROBLEM_ERROR ? "NotServed" : "Attention");
	member(out, "message", problem->text);
	member(out, "type", "Warning");
	fputs(",\"source\":{\"component\":\"sluice\"},\"count\":1", out);
	member(out, "firstTimestamp", at);
	member(out, "lastTimestamp", at);
	fputc('}', out);
	fclose(out);
	return body;
}
