// SPDX-License-Identifier: BSD-3-Clause
// Active health checks in a plan: how the endpoints of a Service are tried out, and who is left out
// by what came of it. That is a fact from outside, as leases are; here it is only asked for.
//
// A check never empties a pool: when all that are ready fail, all stay, and that is told.
#include "member.h"

#include <stdlib.h>
#include <string.h>

static void read_check_number(
	struct planner *p, struct want *want, const char *key, uint32_t least, uint32_t *out)
{
	const struct object *object = &want->service->object;
	const char *text = object_annotation(object, key);
	char *end;
	unsigned long value;

	if (!text)
		return;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value < least || value > 3600000)
		problem_add(p, PROBLEM_WARNING, object,
			"annotation %s: found \"%.40s\", expected a number, at least %u; %u is "
			"used",
			key, text, least, *out);
	else
		*out = (uint32_t)value;
}

// What goes into a request as it is: nothing that could end its line.
static char *read_check_text(
	struct planner *p, struct want *want, const char *key, const char *otherwise)
{
	const struct object *object = &want->service->object;
	const char *text = object_annotation(object, key);
	bool ok = text && strlen(text) <= 255;

	for (const char *at = text; ok && *at; at++)
		ok = *at > ' ' && *at < 127;
	if (text && !ok)
		problem_add(p, PROBLEM_WARNING, object,
			"annotation %s: found \"%.40s\", expected up to 255 visible characters of "
			"ASCII",
			key, text);
	return arena_copy(&want->arena, ok ? text : otherwise);
}

void check_read(struct planner *p, struct want *want)
{
	static const char key[] = "sluice.dev/health-check";
	const struct health_settings *from = &p->settings->health;
	const struct object *object = &want->service->object;
	const char *kind = object_annotation(object, key);
	struct plan_check check = {.kind = from->kind,
		.interval_ms = from->interval_ms,
		.timeout_ms = from->timeout_ms,
		.rise = from->rise,
		.fall = from->fall};

	if (kind && !health_kind_parse(kind, &check.kind))
		problem_add(p, PROBLEM_WARNING, object,
			"annotation %s: found \"%.40s\", expected off, tcp, http or https", key,
			kind);
	if (check.kind == HEALTH_OFF)
		return;
	read_check_number(p, want, "sluice.dev/health-check-interval-ms", 100, &check.interval_ms);
	read_check_number(p, want, "sluice.dev/health-check-timeout-ms", 10, &check.timeout_ms);
	read_check_number(p, want, "sluice.dev/health-check-rise", 1, &check.rise);
	read_check_number(p, want, "sluice.dev/health-check-fall", 1, &check.fall);
	check.path = read_check_text(p, want, "sluice.dev/health-check-path", from->path);
	check.host = read_check_text(p, want, "sluice.dev/health-check-host", from->host);
	if (check.path && *check.path != '/')
		check.path = arena_format(&want->arena, "/%s", check.path);
	want->check = arena_take(&want->arena, sizeof(check));
	if (want->check && check.path && check.host)
		*want->check = check;
	else
		want->check = NULL;
}

// With externalTrafficPolicy Local, nodes say by themselves whether they have a pod: kube-proxy
// answers for it at healthCheckNodePort.
static struct plan_check *node_check(struct planner *p, const struct want *want)
{
	const struct health_settings *from = &p->settings->health;
	struct plan_check *check = arena_take(&p->scratch, sizeof(*check));

	if (!check)
		return NULL;
	*check = (struct plan_check){.kind = HEALTH_HTTP,
		.interval_ms = from->interval_ms,
		.timeout_ms = from->timeout_ms,
		.rise = from->rise,
		.fall = from->fall,
		.port = want->service->health_port,
		.path = arena_copy(&p->scratch, "/healthz"),
		.host = arena_copy(&p->scratch, "")};
	return check->path && check->host ? check : NULL;
}

void check_choose(struct planner *p, struct want *want, struct members *members)
{
	const struct service *service = want->service;

	want->asks_nodes = members->by_node && service->local_only && service->health_port;
	if (want->check && members->protocol == IPPROTO_TCP)
		members->check = want->check;
	else if (want->asks_nodes)
		members->check = node_check(p, want);
}

void check_members(struct planner *p, struct want *want, const struct service_port *port,
	struct members *members)
{
	const struct planning *g = p->kept;
	unsigned failed = 0;
	bool *fails;

	if (!members->check || !g->failed || !members->ready)
		return;
	fails = arena_take(&p->scratch, members->count + 1);
	for (unsigned i = 0; fails && i < members->count; i++) {
		const struct plan_endpoint *it = &members->list[i].endpoint;

		fails[i] = it->state == ENDPOINT_READY &&
			   g->failed(g->failed_arg, members->check, &it->address, it->port);
		failed += fails[i];
	}
	if (failed && failed == members->ready) {
		problem_add(p, PROBLEM_WARNING, &want->service->object,
			"port %s %u: all %u ready endpoints fail their health check; all are "
			"used as if they did not",
			port->protocol == IPPROTO_TCP ? "TCP" : "UDP", port->port, failed);
		return;
	}
	for (unsigned i = 0; failed && i < members->count; i++)
		if (fails[i])
			members->list[i].endpoint.state = ENDPOINT_DRAINING;
	members->ready -= failed;
}

struct plan_check *check_copy(struct planner *p, const struct plan_check *from)
{
	struct plan_check *check = from ? arena_take(p->arena, sizeof(*check)) : NULL;

	if (!check)
		return NULL;
	*check = *from;
	check->path = arena_copy(p->arena, from->path);
	check->host = arena_copy(p->arena, from->host);
	return check->path && check->host ? check : NULL;
}
