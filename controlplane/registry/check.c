// SPDX-License-Identifier: BSD-3-Clause
// `cluster check`: one question after the other, and what came of each, with what to do about it.
//
//     GET /version -> SelfSubjectAccessReview, one a right -> nodes and pods (reach.c)
#include "check.h"

#include "ingress.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKEW_MOST_S 60

static const struct right {
	const char *verb, *group, *resource;
	bool namespaced;
	const char *without; // and what is missed without it
} rights[] = {
	{"list", "", "services", true, "nothing of it is served"},
	{"watch", "", "services", true, "changes are not seen"},
	{"list", "discovery.k8s.io", "endpointslices", true, "Services have no endpoints"},
	{"watch", "discovery.k8s.io", "endpointslices", true, "changes of endpoints are not seen"},
	{"list", "", "nodes", false, "pods cannot be routed to"},
	{"watch", "", "nodes", false, "changes of nodes are not seen"},
	{"list", "networking.k8s.io", "ingresses", true, "Ingresses are not served"},
	{"watch", "networking.k8s.io", "ingresses", true, "changes of Ingresses are not seen"},
	{"list", "networking.k8s.io", "ingressclasses", false,
		"Ingresses of a class are not served"},
	{"watch", "networking.k8s.io", "ingressclasses", false,
		"changes of Ingress classes are not seen"},
	{"patch", "", "services/status", true, "Services are not told their address"},
	{"patch", "networking.k8s.io", "ingresses/status", true,
		"Ingresses are not told their address"},
	{"create", "", "events", true, "nobody in the cluster reads why something is not served"},
	// The last, as they may be there in some namespaces alone.
	{"list", "", "secrets", true, "certificates of Ingresses are not known"},
	{"watch", "", "secrets", true, "new certificates of Ingresses are not seen"},
};

#define RIGHTS      (sizeof(rights) / sizeof(rights[0]))
#define FIRST_WHERE (RIGHTS - 2) // of Secrets

struct checking {
	struct registry *registry;
	struct registry_check asked; // texts are owned
	json_t *rows;
	char **namespaces; // where rights of namespaces are asked for; none = everywhere at once
	unsigned namespace_count;
	unsigned right, place, needed, refused;
	bool chosen; // they alone are served; else they have Ingresses with certificates
	uint64_t began_ns;
};

void check_row(json_t *rows, const char *what, const char *result, const char *found,
	const char *mend) // house: a row's four texts
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "what", what, "result",
					    result, "found", found, "mend", mend));
}

static void checking_free(struct checking *c)
{
	free((char *)(uintptr_t)c->asked.name);
	free((char *)(uintptr_t)c->asked.mode);
	free((char *)(uintptr_t)c->asked.why);
	free((struct addr *)(uintptr_t)c->asked.own);
	for (unsigned i = 0; i < c->namespace_count; i++)
		free(c->namespaces[i]);
	free(c->namespaces);
	free(c);
}

static void finish(struct checking *c)
{
	c->asked.done(c->asked.arg, c->rows);
	checking_free(c);
}

static void on_reached(void *arg)
{
	finish(arg);
}

static void tell_mode(struct checking *c, bool node_ports)
{
	bool chosen = c->asked.automatic;
	char text[400];

	if (!*c->asked.mode) {
		check_row(c->rows, "endpoint mode", "warning", "not known: no node was seen yet",
			"see whether nodes may be listed");
		return;
	}
	snprintf(text, sizeof(text), "%s%s: %.300s", chosen ? "auto chose " : "", c->asked.mode,
		c->asked.why);
	check_row(c->rows, "endpoint mode", "ok", text,
		chosen && node_ports ? "pods are asked themselves when every node has "
				       "spec.podCIDRs, or by endpoints = \"pod\" and routes of "
				       "your own"
				     : "");
}

static void reach(struct checking *c)
{
	const struct reach_options options = {.loop = registry_options(c->registry)->loop,
		.model = c->asked.model,
		.cluster = c->asked.name,
		.node_ports = strcmp(c->asked.mode, "nodeport") == 0,
		.own = c->asked.own,
		.own_count = c->asked.own_count,
		.arg = c,
		.done = on_reached};

	tell_mode(c, options.node_ports);
	if (reach_start(&options, c->rows))
		finish(c);
}

static int ask(struct checking *c, struct cluster_write *write)
{
	const struct registry_options *options = registry_options(c->registry);
	struct cluster *cluster = options->cluster(options->arg, c->asked.name);

	write->arg = c;
	return cluster ? cluster_write(cluster, write) : -ENOTCONN;
}

// Rights.

static void next_right(struct checking *c);

static bool add_place(struct checking *c, const char *namespace)
{
	char **bigger;

	for (unsigned i = 0; i < c->namespace_count; i++)
		if (strcmp(c->namespaces[i], namespace) == 0)
			return true;
	bigger = realloc(c->namespaces, (c->namespace_count + 1) * sizeof(char *));
	if (!bigger)
		return false;
	c->namespaces = bigger;
	bigger[c->namespace_count] = strdup(namespace);
	if (!bigger[c->namespace_count])
		return false;
	c->namespace_count++;
	return true;
}

// Secrets may not be read everywhere: then where Ingresses name some.
static void add_places_of_secrets(struct checking *c)
{
	const struct model *model = c->asked.model;
	size_t count = model_count(model, OBJECT_INGRESS);
	const struct object **list = calloc(count + 1, sizeof(struct object *));

	if (!list)
		return;
	model_list(model, OBJECT_INGRESS, list);
	for (size_t i = 0; i < count; i++) {
		const struct ingress *ingress = (const struct ingress *)list[i];
		bool names = false;

		for (unsigned j = 0; j < ingress->tls_count; j++)
			names |= *ingress->tls[j].secret != '\0';
		if (names && strcmp(list[i]->cluster, c->asked.name) == 0)
			add_place(c, list[i]->namespace);
	}
	free(list);
}

// The namespace of what is asked now; "" = all.
static const char *place_of(const struct checking *c)
{
	return rights[c->right].namespaced && c->namespace_count ? c->namespaces[c->place] : "";
}

static void tell_refused(struct checking *c)
{
	const struct right *right = &rights[c->right];
	const char *place = place_of(c);
	char what[200], found[300], mend[300];

	snprintf(what, sizeof(what), "right %s %s%s%s", right->verb, right->resource,
		*place ? " in " : "", place);
	snprintf(found, sizeof(found), "no: %s", right->without);
	snprintf(mend, sizeof(mend),
		"kubectl apply -f the output of sluice cluster register --dry-run%s%s",
		!*place     ? ""
		: c->chosen ? " --namespaces "
			    : " --secrets-in ",
		place);
	check_row(c->rows, what, "failed", found, mend);
	c->refused++;
}

static void reviewed(void *arg, long status, const char *error, const char *body)
{
	struct checking *c = arg;
	json_t *root = error ? NULL : json_loads(body, 0, NULL);
	bool allowed = json_is_true(json_object_get(json_object_get(root, "status"), "allowed"));
	char found[300];

	json_decref(root);
	if (error) {
		snprintf(found, sizeof(found), "%.280s", error);
		check_row(c->rows, "rights", "failed", found,
			status ? "see what the API server says" : "see whether it is up");
		reach(c);
		return;
	}
	if (!allowed && c->right >= FIRST_WHERE && !c->namespace_count) {
		add_places_of_secrets(c);
		if (!c->namespace_count) // no Ingress names one
			c->right = RIGHTS;
		next_right(c);
		return;
	}
	c->needed++;
	if (!allowed)
		tell_refused(c);
	if (!rights[c->right].namespaced || ++c->place >= c->namespace_count) {
		c->right++;
		c->place = 0;
	}
	next_right(c);
}

static void next_right(struct checking *c)
{
	const struct right *right = &rights[c->right];
	struct cluster_write write = {.method = "POST",
		.path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		.content_type = "application/json",
		.done = reviewed};
	char body[500], resource[64], found[64];
	const char *slash;

	if (c->right >= RIGHTS) {
		snprintf(
			found, sizeof(found), "%u of %u needed", c->needed - c->refused, c->needed);
		check_row(c->rows, "rights", c->refused ? "failed" : "ok", found,
			c->refused ? "see above" : "");
		reach(c);
		return;
	}
	snprintf(resource, sizeof(resource), "%s", right->resource);
	slash = strchr(right->resource, '/');
	resource[strcspn(resource, "/")] = '\0';
	snprintf(body, sizeof(body),
		"{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
		"\"spec\":{\"resourceAttributes\":{\"verb\":\"%s\",\"group\":\"%s\","
		"\"resource\":\"%s\",\"subresource\":\"%s\",\"namespace\":\"%s\"}}}",
		right->verb, right->group, resource, slash ? slash + 1 : "", place_of(c));
	write.body = body;
	if (ask(c, &write))
		reviewed(c, 0, "the cluster is not connected", "");
}

// The API, the clock, the token.

static void tell_clock(struct checking *c, const struct cluster_state *state)
{
	bool wrong = llabs((long long)state->skew_s) > SKEW_MOST_S;
	char found[100];

	snprintf(found, sizeof(found), "%lld s from ours", (long long)state->skew_s);
	check_row(c->rows, "clock", wrong ? "failed" : "ok", found,
		wrong ? "set both by NTP: tokens and certificates may be refused" : "");
}

static void tell_token(struct checking *c)
{
	const struct registered *registered = registry_find(c->registry, c->asked.name);
	int64_t left = registered ? registered->ends_s - (int64_t)time(NULL) : 0;
	char found[1400];

	if (!registered)
		return;
	if (!*registered->account) {
		check_row(c->rows, "token", "warning", "not renewed: it is no service account's",
			"register with the token of ServiceAccount sluice in namespace sluice");
		return;
	}
	snprintf(found, sizeof(found), "of %.200s, %s%" PRId64 " h%s%s", registered->account,
		registered->ends_s ? "ends in " : "without an end, ",
		registered->ends_s ? left / 3600 : 0, *registered->problem ? "; " : "",
		registered->problem);
	check_row(c->rows, "token", *registered->problem ? "failed" : "ok", found,
		*registered->problem ? "register the cluster again" : "");
}

static void seen(void *arg, long status, const char *error, const char *body)
{
	const struct registry_options *options;
	struct checking *c = arg;
	struct cluster *cluster;
	struct cluster_state state;
	struct timespec now;
	char found[600];
	uint64_t ns;

	(void)body;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - c->began_ns;
	options = registry_options(c->registry);
	cluster = options->cluster(options->arg, c->asked.name);
	if (!cluster) {
		check_row(c->rows, "API server", "failed", "the cluster has gone", "");
		finish(c);
		return;
	}
	cluster_state(cluster, &state);
	if (error && status != 401 && status != 403) {
		check_row(c->rows, "API server", "failed", error, "");
		tell_token(c);
		reach(c);
		return;
	}
	snprintf(found, sizeof(found), "%.400s, version %.60s, answers in %.1f ms", state.server,
		*state.version ? state.version : "not known", (double)ns / 1e6);
	check_row(c->rows, "API server", "ok", found, "");
	if (*state.problem)
		check_row(c->rows, "cluster", "failed", state.problem, "");
	tell_clock(c, &state);
	tell_token(c);
	next_right(c);
}

static struct addr *copy_addresses(const struct addr *from, unsigned count)
{
	struct addr *copy = calloc(count + 1, sizeof(*copy));

	if (copy && count)
		memcpy(copy, from, count * sizeof(*copy));
	return copy;
}

int registry_check(
	struct registry *registry, const struct registry_check *check, struct reason *reason)
{
	struct checking *c = calloc(1, sizeof(*c));
	struct cluster_write write = {.method = "GET", .path = "/version", .done = seen};
	struct timespec now;
	int error = -ENOMEM;

	if (!c)
		return error;
	clock_gettime(CLOCK_MONOTONIC, &now);
	*c = (struct checking){.registry = registry, .asked = *check, .rows = json_array()};
	c->began_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	c->asked.name = strdup(check->name);
	c->asked.mode = strdup(check->mode);
	c->asked.why = strdup(check->why);
	c->asked.own = copy_addresses(check->own, check->own_count);
	c->chosen = check->namespace_count > 0;
	for (unsigned i = 0; i < check->namespace_count; i++)
		if (!add_place(c, check->namespaces[i]))
			c->chosen = false;
	if (c->asked.name && c->asked.mode && c->asked.why && c->asked.own &&
		c->namespace_count == check->namespace_count)
		error = ask(c, &write);
	if (!error)
		return 0;
	if (error == -ENOTSUP)
		reason_add(
			reason, "%s is no live cluster: a directory needs no check", check->name);
	else
		reason_add(reason, "%s cannot be asked: %s", check->name,
			error == -EAGAIN ? "its credentials are not there yet" : strerror(-error));
	json_decref(c->rows);
	checking_free(c);
	return error;
}
