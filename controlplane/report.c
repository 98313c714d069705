// SPDX-License-Identifier: BSD-3-Clause
// What api/ is told when it asks: the state as it is now, with what is wrong with ourselves. See
// control.h.
#include "control.h"

#include <stdlib.h>
#include <string.h>

#define PROBLEMS_MAX 200

#define TEXT(literal) ((char *)(uintptr_t)(literal))

struct lines {
	struct plan_problem *problems;
	unsigned count;
};

// Each line of the reason is a problem of its own. A line that begins with "file:number:" says
// where; the rest is what.
static void add_lines(struct lines *lines, enum problem_level level, const char *object,
	const struct reason *reason)
{
	const char *at = reason_text(reason);

	while (*at && lines->count < PROBLEMS_MAX) {
		size_t length = strcspn(at, "\n"), file = strcspn(at, ":"), digits = 0;
		struct plan_problem *problem = &lines->problems[lines->count];

		if (file < length)
			digits = strspn(at + file + 1, "0123456789");
		if (digits && strncmp(at + file + 1 + digits, ": ", 2) == 0) {
			problem->where = strndup(at, file + 1 + digits);
			problem->text = strndup(at + file + digits + 3, length - file - digits - 3);
		} else {
			problem->where = strdup("");
			problem->text = strndup(at, length);
		}
		problem->level = level;
		problem->object = TEXT(object);
		if (!problem->where || !problem->text) {
			free(problem->where);
			free(problem->text);
			return;
		}
		lines->count++;
		at += length + (at[length] == '\n');
	}
}

void report_free(struct control *c)
{
	for (unsigned i = 0; c->told_problems && c->told_problems[i].text; i++) {
		free(c->told_problems[i].where);
		free(c->told_problems[i].text);
	}
	free(c->told_problems);
	free(c->told_sources);
	c->told_problems = NULL;
	c->told_sources = NULL;
}

static const char *health_name(enum cluster_health health)
{
	switch (health) {
	case CLUSTER_LIVE:
		return "live";
	case CLUSTER_CONNECTING:
		return "connecting";
	case CLUSTER_LAST_KNOWN:
		return "last known";
	}
	return "";
}

static void tell_source(struct api_source *told, const struct source *source)
{
	const struct registry *registry = source->control->registry;
	struct cluster_state state = {0};

	*told = (struct api_source){
		.name = source->settings.name,
		.kind = source->settings.kind,
		.path = source->settings.path,
		.synced = source->cluster && cluster_synced(source->cluster),
		.health = "",
		.server = "",
		.version = "",
		.protocol = "",
		.problem = source->reason ? source->reason : "",
		.namespaces = (const char *const *)source->settings.namespaces,
		.namespace_count = source->settings.namespace_count,
		.cluster = source->cluster,
	};
	if (registry) {
		told->drained = registry_drained(registry, told->name);
		told->registered =
			source->settings.registration ? registry_find(registry, told->name) : NULL;
	}
	if (!source->cluster)
		return;
	cluster_state(source->cluster, &state);
	told->health = health_name(state.health);
	told->server = state.server;
	told->version = state.version;
	told->protocol = state.protocol;
	told->connections = state.connections;
	told->requests = state.requests;
	told->problem = state.problem;
	if (!*told->problem && told->registered)
		told->problem = told->registered->problem;
	told->skew_s = state.skew_s;
	told->since_us = state.since_us;
	told->services = state.objects[OBJECT_SERVICE];
	told->ingresses = state.objects[OBJECT_INGRESS];
	told->nodes = state.objects[OBJECT_NODE];
}

// A drain lasts until somebody ends it, and the address may be another pod's by then.
static void tell_drains(struct control *c)
{
	const struct addr *vip;
	char text[DRAIN_TEXT];

	reason_clear(&c->drain_notes);
	if (c->vip && vip_box_drained(c->vip))
		reason_add(&c->drain_notes,
			"this box is drained and answers for no VIP: `undrain box` ends that");
	for (unsigned i = 0; c->vip && (vip = vip_drained(c->vip, i)) != NULL; i++) {
		addr_format(vip, text);
		reason_add(&c->drain_notes, "VIP %s is drained here: `undrain vip %s` ends that",
			text, text);
	}
	for (size_t i = 0; c->drains && i < drains_count(c->drains); i++) {
		struct drain drain = drains_at(c->drains, i);

		drain_format(&drain, text);
		reason_add(&c->drain_notes,
			"endpoint %s gets no new connections: `undrain endpoint %s` ends that",
			text, text);
	}
}

void report(void *arg, struct api_state *state)
{
	struct control *c = arg;
	struct lines lines = {0};

	report_free(c);
	*state = (struct api_state){
		.settings = c->settings,
		.plan = c->plan,
		.started_us = c->started_us,
		.dataplane = c->publish,
		.vip = c->vip,
		.registry = c->registry,
		.model = c->model,
		.revisions = c->revisions,
		.health = c->health,
		.drains = c->drains,
		.arg = c,
		.drained = checks_drained,
		.logs = c->logs,
		.seal = store_seal(c->store),
		.firmware = c->firmware,
	};
	if (c->publish)
		state->publish = publish_state(c->publish);
	c->told_problems = lines.problems = calloc(PROBLEMS_MAX + 1, sizeof(*lines.problems));
	c->told_sources = calloc(c->source_count + 1, sizeof(*c->told_sources));
	if (!lines.problems || !c->told_sources)
		return;
	add_lines(&lines, PROBLEM_ERROR, "sluice.conf", &c->config_mistakes);
	add_lines(&lines, PROBLEM_WARNING, "sluice.conf", &c->config_notes);
	add_lines(&lines, PROBLEM_ERROR, "sluice.conf", &c->revision_mistakes);
	add_lines(&lines, PROBLEM_ERROR, "leases", &c->store_mistakes);
	reason_clear(&c->vip_mistakes);
	if (c->vip)
		vip_mistakes(c->vip, &c->vip_mistakes);
	add_lines(&lines, PROBLEM_ERROR, "announcing", &c->vip_mistakes);
	tell_drains(c);
	add_lines(&lines, PROBLEM_WARNING, "drain", &c->drain_notes);
	state->problems = lines.problems;
	state->problem_count = lines.count;
	for (unsigned i = 0; i < c->source_count; i++)
		tell_source(&c->told_sources[i], c->sources[i]);
	state->sources = c->told_sources;
	state->source_count = c->source_count;
}
