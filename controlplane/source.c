// SPDX-License-Identifier: BSD-3-Clause
// The places where objects come from, one for each row of `sources` in sluice.conf and for each
// registered cluster. See control.h.
// A row that did not change keeps its source and its objects; the others are opened anew, and what
// the old ones gave is forgotten in the same turn of the loop: no plan is made between.
#include "control.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_changed(void *arg)
{
	struct source *source = arg;

	control_changed(source->control);
}

static void source_free(struct source *source)
{
	if (source->cluster)
		cluster_close(source->cluster);
	free(source->settings.name);
	free(source->settings.kind);
	free(source->settings.path);
	free(source->settings.context);
	if (source->settings.kubeconfig)
		explicit_bzero(source->settings.kubeconfig, strlen(source->settings.kubeconfig));
	free(source->settings.kubeconfig);
	for (unsigned i = 0; i < source->settings.namespace_count; i++)
		free(source->settings.namespaces[i]);
	free(source->settings.namespaces);
	free(source->settings.labels);
	free(source->chosen);
	free(source->settings.state_dir);
	free(source->reason);
	free(source);
}

// Which namespaces of the cluster count, with commas between: what sluice.conf says, else where the
// account of a registered one may read. To be freed; "" = all.
static char *choose_namespaces(const struct control *c, const struct source_settings *settings)
{
	const struct cluster_settings *row = settings_cluster(c->settings, settings->name);
	const struct registered *registered =
		settings->registration ? registry_find(c->registry, settings->name) : NULL;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!row || !row->namespace_count)
		return strdup(registered ? registered->scope.namespaces : "");
	out = open_memstream(&text, &size);
	for (unsigned i = 0; out && i < row->namespace_count; i++)
		fprintf(out, "%s%s", i ? "," : "", row->namespaces[i]);
	if (out && fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

// What counts of the cluster's objects.
static bool select_objects(struct source *source)
{
	struct source_settings *settings = &source->settings;
	const struct cluster_settings *row =
		settings_cluster(source->control->settings, settings->name);
	char *copy, *left;
	unsigned most = 1;
	bool ok = true;

	settings->labels = strdup(row ? row->labels : "");
	source->chosen = choose_namespaces(source->control, settings);
	if (!settings->labels || !source->chosen)
		return false;
	for (const char *at = source->chosen; *at; at++)
		most += *at == ',';
	settings->namespaces = calloc(most, sizeof(char *));
	copy = left = strdup(source->chosen);
	while (settings->namespaces && left && *left && ok) {
		char *name = strdup(strsep(&left, ","));

		ok = name;
		if (ok)
			settings->namespaces[settings->namespace_count++] = name;
	}
	free(copy);
	return settings->namespaces && copy && ok;
}

static struct source *source_new(struct control *c, const struct source_settings *settings)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->control = c;
	source->settings.name = strdup(settings->name);
	source->settings.kind = strdup(settings->kind);
	source->settings.path = strdup(settings->path);
	source->settings.context = strdup(settings->context);
	source->settings.insecure = settings->insecure;
	source->settings.watch_s = settings->watch_s;
	source->settings.registration = settings->registration;
	source->settings.kubeconfig = settings->kubeconfig ? strdup(settings->kubeconfig) : NULL;
	source->settings.state_dir = strdup(c->settings->state_dir);
	if (!source->settings.name || !source->settings.kind || !source->settings.path ||
		!source->settings.context || !source->settings.state_dir ||
		(settings->kubeconfig && !source->settings.kubeconfig) || !select_objects(source)) {
		source_free(source);
		return NULL;
	}
	return source;
}

static bool same_selection(const struct source *source)
{
	const struct cluster_settings *row =
		settings_cluster(source->control->settings, source->settings.name);
	char *chosen = choose_namespaces(source->control, &source->settings);
	bool same = chosen && strcmp(chosen, source->chosen) == 0 &&
		    strcmp(source->settings.labels, row ? row->labels : "") == 0;

	free(chosen);
	return same;
}

static bool same(const struct source *source, const struct source_settings *settings)
{
	return same_selection(source) && strcmp(source->settings.context, settings->context) == 0 &&
	       source->settings.insecure == settings->insecure &&
	       source->settings.watch_s == settings->watch_s &&
	       source->settings.registration == settings->registration &&
	       strcmp(source->settings.name, settings->name) == 0 &&
	       strcmp(source->settings.kind, settings->kind) == 0 &&
	       strcmp(source->settings.path, settings->path) == 0;
}

// The running source of that row, taken out of the list, or NULL.
static struct source *take(struct control *c, const struct source_settings *settings)
{
	for (unsigned i = 0; i < c->source_count; i++) {
		struct source *source = c->sources[i];

		if (!source || !source->cluster || !same(source, settings))
			continue;
		c->sources[i] = NULL;
		return source;
	}
	return NULL;
}

static int open_source(struct source *source, struct reason *reason)
{
	const struct cluster_handlers handlers = {source, on_changed};
	struct control *c = source->control;
	struct reason why = {0};
	int error;

	error = cluster_open(
		&source->cluster, &c->loop, &source->settings, c->model, &handlers, &why);
	if (error) {
		source->cluster = NULL;
		source->reason = strdup(reason_text(&why));
		reason_add(reason, "%s", reason_text(&why));
	}
	reason_clear(&why);
	return error;
}

static bool has_row(const struct settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->source_count; i++)
		if (strcmp(settings->sources[i].name, name) == 0)
			return true;
	return false;
}

// The rows of sluice.conf, then the registered clusters. To be freed; the texts are borrowed.
static struct source_settings *list_wanted(
	const struct control *c, unsigned *count, struct reason *reason)
{
	unsigned rows = c->settings->source_count, registered = registry_count(c->registry);
	struct source_settings *wanted = calloc(rows + registered + 1, sizeof(*wanted));

	if (!wanted)
		return NULL;
	*count = rows;
	if (rows)
		memcpy(wanted, c->settings->sources, rows * sizeof(*wanted));
	for (unsigned i = 0; i < registered; i++) {
		const struct registered *one = registry_at(c->registry, i);

		if (has_row(c->settings, one->name))
			reason_add(reason,
				"sources: \"%s\" is also a registered cluster, which is not used: "
				"give one of them another name, or unregister it",
				one->name);
		else
			wanted[(*count)++] = (struct source_settings){.name = one->name,
				.kind = (char *)(uintptr_t) "kube",
				.path = (char *)(uintptr_t) "registered",
				.kubeconfig = one->kubeconfig,
				.context = (char *)(uintptr_t) "",
				.watch_s = SOURCE_WATCH_S,
				.registration = one->generation};
	}
	return wanted;
}

int sources_follow(struct control *c, struct reason *reason)
{
	unsigned count = 0;
	struct source_settings *wanted = list_wanted(c, &count, reason);
	struct source **next = calloc(count + 1, sizeof(struct source *));
	int error = 0;

	if (!next || !wanted) {
		free(wanted);
		free(next);
		return -1;
	}
	for (unsigned i = 0; i < count; i++)
		next[i] = take(c, &wanted[i]);
	for (unsigned i = 0; i < c->source_count; i++) {
		if (!c->sources[i])
			continue;
		model_forget(c->model, c->sources[i]->settings.name);
		source_free(c->sources[i]);
	}
	free(c->sources);
	c->sources = next;
	c->source_wanted = count;
	for (c->source_count = 0; c->source_count < count; c->source_count++) {
		unsigned i = c->source_count;

		if (next[i])
			continue;
		next[i] = source_new(c, &wanted[i]);
		if (!next[i]) {
			error = -1;
			break;
		}
		if (open_source(next[i], reason))
			error = -1;
	}
	free(wanted);
	return error;
}

void sources_stop(struct control *c)
{
	for (unsigned i = 0; i < c->source_count; i++)
		source_free(c->sources[i]);
	free(c->sources);
	c->sources = NULL;
	c->source_count = 0;
}

// One that cannot be opened holds up the first plan, which would be without its objects; later on
// it is its own affair.
bool sources_synced(const struct control *c)
{
	if (c->source_count < c->source_wanted)
		return false;
	for (unsigned i = 0; i < c->source_count; i++)
		if (c->sources[i]->cluster ? !cluster_synced(c->sources[i]->cluster) : !c->plan)
			return false;
	return true;
}

struct cluster *sources_find(void *control, const char *name)
{
	const struct control *c = control;

	for (unsigned i = 0; i < c->source_count; i++)
		if (c->sources[i]->cluster && strcmp(c->sources[i]->settings.name, name) == 0)
			return c->sources[i]->cluster;
	return NULL;
}
